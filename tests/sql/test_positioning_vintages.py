"""marts.positioning_vintages: weekly positioning as it stood after every revision."""

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.marts import PositioningVintages
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.reference import Sessions
from tests.sql.rows import RUSSELL, Row, bar, derive, fetch, release, report, session

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


def test_a_close_that_came_later_than_the_report_changes_nothing_of_what_was_told() -> None:
    """The bar of the report's day came after its release: no notional, until a revision tells the week anew."""
    given = {**RUSSELL, CotReleases: [release(day) for day in DAYS], CotReports: REPORTS}
    log = [fetch("^RUT", "2025-03-12T21:00Z", ("1987-09-10", "2025-03-12"))]
    revised = report("239742", "2025-03-18", 340, 100, recorded_at="2025-03-25T12:00Z")

    def notionals(recorded_at: str, *more: Row) -> list[tuple[object, ...]]:
        bars = [bar("^RUT", DAYS[0], 2000.0), bar("^RUT", DAYS[1], 2023.5, recorded_at=recorded_at)]
        prices = {Sessions: [session(day, "20:00Z") for day in DAYS], PriceBars: bars, FetchLog: log}
        found = derive(PositioningVintages, {**given, **prices, CotReports: [*REPORTS, *more]})
        days = [pl.col(name).dt.strftime("%d") for name in ("report_date", "known_at")]
        return found.filter(trader_group="leveraged_funds").select(*days, "net_notional_usd").rows()

    first, third = ("04", "07", 200 * 50 * 2000.0), ("18", "21", None)
    in_time, late = "2025-03-14T20:30Z", "2025-03-14T20:31Z"
    assert notionals(in_time) == [first, ("11", "14", 210 * 50 * 2023.5), third]
    assert notionals(late) == [first, ("11", "14", None), third]
    assert notionals(late, revised) == [
        *(first, ("11", "14", None), ("11", "25", 210 * 50 * 2023.5)),
        *(third, ("18", "25", None)),
    ]


def test_a_withdrawal_ends_a_week_and_makes_a_gap_of_it() -> None:
    withdrawn = {**REPORTS[1], "is_withdrawn": True, "recorded_at": "2025-03-25T12:00Z"}
    assert vintages(withdrawn) == [
        ("04", "07", None, 200, None),
        ("11", "14", "25", 210, 10),
        ("18", "21", "25", 230, 20),
        ("18", "25", None, 230, None),
    ]
