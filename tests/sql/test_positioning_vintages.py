"""marts.positioning_vintages: weekly positioning as it stood after every revision."""

import polars as pl

from r2k_pipeline.contracts.cot import CotReleases, CotReports
from r2k_pipeline.contracts.marts import PositioningVintages
from tests.sql.rows import RUSSELL, Row, derive, release, report

DAYS = ("2025-03-04", "2025-03-11", "2025-03-18")
REPORTS = [report("239742", day, long, 100) for day, long in zip(DAYS, (300, 310, 330), strict=True)]


def vintages(*more: Row) -> list[tuple[object, ...]]:
    given = {**RUSSELL, CotReleases: [release(day) for day in DAYS], CotReports: [*REPORTS, *more]}
    found = derive(PositioningVintages, given).filter(trader_group="leveraged_funds")
    days = [pl.col(name).dt.strftime("%d") for name in ("report_date", "known_at", "superseded_at")]
    return found.select(*days, "net_contracts", "net_contracts_change_1w").rows()


def test_without_revisions_each_report_has_one_vintage() -> None:
    assert vintages() == [("04", "07", None, 200, None), ("11", "14", None, 210, 10), ("18", "21", None, 230, 20)]


def test_a_revision_changes_the_weeks_that_are_computed_from_it_and_no_other() -> None:
    assert vintages(report("239742", "2025-03-11", 320, 100, recorded_at="2025-03-25T12:00Z")) == [
        ("04", "07", None, 200, None),
        ("11", "14", "25", 210, 10),
        ("11", "25", None, 220, 20),
        ("18", "21", "25", 230, 20),
        ("18", "25", None, 230, 10),
    ]


def test_a_withdrawal_ends_a_week_and_makes_a_gap_of_it() -> None:
    withdrawn = {**REPORTS[1], "is_withdrawn": True, "recorded_at": "2025-03-25T12:00Z"}
    assert vintages(withdrawn) == [
        ("04", "07", None, 200, None),
        ("11", "14", "25", 210, 10),
        ("18", "21", "25", 230, 20),
        ("18", "25", None, 230, None),
    ]
