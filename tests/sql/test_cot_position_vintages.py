"""staging.cot_position_vintages: every vintage of a report row, and when it was what was known."""

from collections.abc import Sequence

from r2k_pipeline.contracts.cot import CotPositionVintages, CotReleases, CotReports
from r2k_pipeline.contracts.meta import FetchLog
from tests.sql.rows import Row, derive, release, report


def spans(*reports: Row, released: Row, log: Sequence[Row] = ()) -> list[tuple[object, ...]]:
    found = derive(CotPositionVintages, {CotReleases: [released], CotReports: reports, FetchLog: log})
    days = {name: found[name].dt.strftime("%Y-%m-%d") for name in ("known_at", "superseded_at")}
    found = found.with_columns(**days).filter(trader_group="leveraged_funds")
    return found.select("contract_code", "revision", "long_contracts", "known_at", "superseded_at").rows()


def test_a_republished_report_is_a_vintage_known_from_its_republication() -> None:
    """16 markets of the report of 2017-03-28 were republished a week later."""
    first = report("239742", "2017-03-28", 300, 100)
    again = report("239742", "2017-03-28", 330, 100, recorded_at="2017-04-04T19:30Z")
    assert spans(first, again, released=release("2017-03-28")) == [
        ("239742", 0, 300, "2017-03-31", "2017-04-04"),
        ("239742", 1, 330, "2017-04-04", None),
    ]


def test_a_contract_that_joins_a_report_later_was_not_in_it_before() -> None:
    first = report("239742", "2025-03-11", 300, 100)
    late = report("239747", "2025-03-11", 30, 10, recorded_at="2025-03-18T20:00Z")
    assert spans(first, late, released=release("2025-03-11")) == [
        ("239742", 0, 300, "2025-03-14", None),
        ("239747", 0, 30, "2025-03-18", None),
    ]


def test_a_report_that_was_held_is_known_from_its_acceptance() -> None:
    held = report("239742", "2025-03-11", 300, 100, recorded_at="2025-03-18T20:00Z")
    accepted = {"item": "2025.zip", "table_name": "raw.cot_reports", "fetched_at": "2025-03-18T20:00Z"}
    for status, known in (("ok", "2025-03-14"), ("accepted", "2025-03-18")):
        log = [{**accepted, "status": status}]
        assert spans(held, released=release("2025-03-11"), log=log) == [("239742", 0, 300, known, None)]


def test_no_tff_report_was_known_before_the_first_one_was_published() -> None:
    first = report("23977A", "2009-01-06", 300, 100)
    assert spans(first, released=release("2009-01-06")) == [("23977A", 0, 300, "2010-07-22", None)]
