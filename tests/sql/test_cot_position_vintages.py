"""staging.cot_position_vintages: every vintage of a report row, and when it was what was known."""

from collections.abc import Sequence

import pytest

from r2k_pipeline.contracts.cot import SIDES, CotPositionVintages, CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.tables.cot_releases import CotReleases
from tests.sql.rows import Row, derive, fetch, release, report

YEAR, DAYS = "2025.zip", ("2025-01-01", "2025-12-31")


def spans(*reports: Row, released: Row, log: Sequence[Row] = ()) -> list[tuple[object, ...]]:
    found = derive(CotPositionVintages, {CotReleases: [released], CotReports: reports, FetchLog: log})
    days = {name: found[name].dt.strftime("%Y-%m-%d") for name in ("known_at", "superseded_at")}
    found = found.with_columns(**days).filter(report_type="tff_futures", trader_group="leveraged_funds")
    return found.select("contract_code", "revision", "long_contracts", "known_at", "superseded_at").rows()


def test_a_republished_report_is_a_vintage_known_from_its_republication() -> None:
    """16 markets of the report of 2017-03-28 were republished a week later."""
    first = report("239742", "2017-03-28", 300, 100)
    again = report("239742", "2017-03-28", 330, 100, recorded_at="2017-04-04T19:30Z")
    assert spans(first, again, released=release("2017-03-28")) == [
        ("239742", 0, 300, "2017-03-31", "2017-04-04"),
        ("239742", 1, 330, "2017-04-04", None),
    ]


@pytest.mark.parametrize(
    ("fetched_at", "item", "shows", "known"),
    [
        pytest.param("2025-03-14T20:30Z", YEAR, DAYS, "2025-03-18", id="asked for after the release"),
        pytest.param("2025-03-14T20:29Z", YEAR, DAYS, "2025-03-14", id="before the release nothing is to show"),
        pytest.param("2025-03-17T20:30Z", YEAR, None, "2025-03-14", id="a file proves nothing about what it lacks"),
        pytest.param("2025-03-17T20:30Z", "2024.zip", ("2024-01-01", "2024-12-31"), "2025-03-14", id="of other days"),
        pytest.param("2025-03-17T20:30Z", "legacy.zip", DAYS, "2025-03-14", id="of another report"),
        pytest.param("2025-03-18T20:00Z", YEAR, DAYS, "2025-03-14", id="the fetch that brought it"),
    ],
)
def test_a_row_that_an_answer_after_the_release_did_not_have_is_known_from_its_recording(
    fetched_at: str, item: str, shows: tuple[str, str] | None, known: str
) -> None:
    """A contract that joins a report later was not in it before: as the live vendor shows, and a file does not."""
    first = report("239742", "2025-03-11", 300, 100, source=f"CFTC/{YEAR}")
    late = {**first, "contract_code": "239747", "recorded_at": "2025-03-18T20:00Z"}
    log = [fetch(item, fetched_at, shows, table_name="raw.cot_reports")]
    other = report("239742", "2024-03-12", 300, 100, source="CFTC/2024.zip")
    legacy = {**first, "report_type": "legacy_futures", "source": "CFTC/legacy.zip"}
    assert spans(first, late, other, legacy, released=release("2025-03-11"), log=log) == [
        ("239742", 0, 300, "2025-03-14", None),
        ("239747", 0, 300, known, None),
    ]


def test_an_absent_archive_is_an_answer() -> None:
    late = report("239742", "2025-03-11", 300, 100, source=f"CFTC/{YEAR}", recorded_at="2025-03-18T20:00Z")
    log = [fetch(YEAR, "2025-03-17T20:30Z", DAYS, table_name="raw.cot_reports", status="absent")]
    assert spans(late, released=release("2025-03-11"), log=log) == [("239742", 0, 300, "2025-03-18", None)]


def test_a_report_that_was_held_is_known_from_its_acceptance() -> None:
    held = report("239742", "2025-03-11", 300, 100, recorded_at="2025-03-18T20:00Z", source="files:cot/2025.zip")
    accepted = {"item": "2025.zip", "table_name": "raw.cot_reports", "fetched_at": "2025-03-18T20:00Z"}
    for status, known in (("ok", "2025-03-14"), ("accepted", "2025-03-18")):
        log = [{**accepted, "status": status}]
        assert spans(held, released=release("2025-03-11"), log=log) == [("239742", 0, 300, known, None)]


@pytest.mark.parametrize(
    ("family", "day", "known"),
    [
        ("tff", "2009-01-06", "2010-07-22"),
        ("tff", "2010-07-20", "2010-07-23"),
        ("disaggregated", "2006-06-13", "2009-10-20"),
        ("disaggregated", "2009-08-25", "2009-10-20"),
        ("disaggregated", "2009-09-01", "2009-09-04"),
        ("legacy", "2006-06-13", "2006-06-16"),
    ],
)
def test_no_report_was_known_before_its_family_was_published(family: str, day: str, known: str) -> None:
    """The disaggregated report began with its weekly one; its history followed six weeks later."""
    first = {**report("088691", day, 300, 100), "report_type": f"{family}_futures"}
    found = derive(CotPositionVintages, {CotReleases: [release(day)], CotReports: [first]})
    dates = {str(moment)[:10] for name in ("known_at", "released_at") for moment in found[name]}
    assert dates == {known}


def test_a_disaggregated_row_has_its_five_groups() -> None:
    cells = {
        f"{group}_{side}_contracts": 10 * number + place
        for number, group in enumerate(("producer_merchant", "swap_dealer", "managed_money", "other_reportables"), 1)
        for place, side in enumerate(SIDES[group])
    }
    longs = sum(count for name, count in cells.items() if "_short_" not in name)
    shorts = sum(count for name, count in cells.items() if "_long_" not in name)
    row = report("088691", "2023-10-10", 0, 0, 200) | dict.fromkeys(
        [f"leveraged_funds_{side}_contracts" for side in SIDES["leveraged_funds"]]
    )
    row |= {"report_type": "disaggregated_futures", **cells, "managed_money_traders_long": 52}
    row |= {"nonreportable_long_contracts": 200 - longs, "nonreportable_short_contracts": 200 - shorts}
    found = derive(CotPositionVintages, {CotReleases: [release("2023-10-10")], CotReports: [row]})
    sides = ("long_contracts", "short_contracts", "spreading_contracts")
    assert {group: cells for group, *cells in found.select("trader_group", *sides).iter_rows()} == {
        "managed_money": [30, 31, 32],
        "nonreportable": [200 - longs, 200 - shorts, None],
        "other_reportables": [40, 41, 42],
        "producer_merchant": [10, 11, None],
        "swap_dealer": [20, 21, 22],
    }
    assert found.filter(trader_group="managed_money")["traders_long"].to_list() == [52]
