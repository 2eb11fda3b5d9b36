"""staging.cot_releases: what a recording shows of a release by the ledger."""

import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.tables.cot_releases import CotReleases, observe_releases
from tests.sql.rows import no_rows, release, report, rows_of

TUESDAY, FRIDAY = "2025-03-04", "2025-03-07T20:30Z"


@pytest.mark.parametrize(
    ("recorded_at", "released_at", "basis"),
    [
        (FRIDAY, FRIDAY, "actual"),
        ("2025-03-07T20:29Z", "2025-03-07T20:29Z", "estimated"),
        ("2025-03-05T00:00Z", "2025-03-05T00:00Z", "estimated"),
        ("2025-03-04T23:59Z", FRIDAY, "actual"),
    ],
    ids=["at it", "before it", "when its day had ended", "amid its day"],
)
def test_a_report_in_hand_was_out_unless_the_clock_that_says_so_was_wrong(
    recorded_at: str, released_at: str, basis: str
) -> None:
    """Positions are those of a day's close: before it has ended nobody has them."""
    ledger = rows_of(CotReleases, [release(TUESDAY, FRIDAY)])
    reports = rows_of(CotReports, [report("239742", TUESDAY, 300, 100, recorded_at=recorded_at)])
    found = observe_releases(ledger, reports, no_rows(FetchLog))
    expected = rows_of(CotReleases, [release(TUESDAY, released_at)])
    assert found["released_at"].to_list() == expected["released_at"].to_list()
    assert found["release_basis"].to_list() == [basis]
