"""What should be known at a moment and is not there: by symbol and report type, as it was known then."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import duckdb
import pytest

from r2k_pipeline.contracts.clock import as_of_macros
from r2k_pipeline.contracts.marts import Markets, PositioningVintages, Sessions
from r2k_pipeline.contracts.prices import PriceVintages
from r2k_pipeline.holes import End, is_awaited, is_due, is_missed, read_ends, say_holes
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.settlement import GRACE
from r2k_pipeline.tables.cot_releases import CotReleases
from tests.sql.rows import Given, Row, rows_of

DAYS = ("05", "06", "07", "10", "11", "12", "13", "14")


def bar(symbol: str, day: str, **more: object) -> Row:
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    key = {"symbol": symbol, "session_date": f"2025-03-{day}"}
    return {**key, **prices, "known_at": f"2025-03-{day}T20:00Z", **more}


def report(market: str, day: str, known_at: str, report_type: str = "tff_futures", **more: object) -> Row:
    key = {"market": market, "report_type": report_type, "report_date": day, "trader_group": "dealer"}
    return {**key, "released_at": known_at, "known_at": known_at, **more}


ROWS: Given = {
    Markets: [
        {
            "market": "RUT",
            "name": "Russell",
            "index_symbol": "^RUT",
            "price_series": "index",
            "proxy_symbol": "IWM",
            "calendar": "XNYS",
        },
        {"market": "SPX", "name": "S&P", "index_symbol": "^GSPC", "price_series": "index", "calendar": "XNYS"},
    ],
    Sessions: [
        {
            "calendar": "XNYS",
            "session_date": f"2025-03-{day}",
            "open_at": f"2025-03-{day}T13:30Z",
            "close_at": f"2025-03-{day}T20:00Z",
        }
        for day in DAYS
    ],
    CotReleases: [
        {"report_date": day, "released_at": at, "scheduled_at": at}
        for day, at in (
            ("2025-02-25", "2025-02-28T20:30Z"),
            ("2025-03-04", "2025-03-07T20:30Z"),
            ("2025-03-11", "2025-03-14T19:30Z"),
        )
    ],
    PriceVintages: [
        *(bar("^RUT", day) for day in DAYS if day != "07"),
        bar("^RUT", "07", known_at="2025-03-13T09:00Z"),
        *(bar("IWM", day) for day in DAYS[:-2]),
        bar("IWM", "13", superseded_at="2025-03-14T09:00Z"),
        bar("IWM", "13", known_at="2025-03-14T09:00Z", revision=1, is_withdrawn=True),
        *(bar("^GSPC", day) for day in DAYS),
    ],
    PositioningVintages: [
        report("RUT", "2025-02-25", "2025-02-28T20:30Z"),
        report("RUT", "2025-03-04", "2025-03-10T12:00Z"),
        report("RUT", "2025-03-11", "2025-03-14T19:30Z"),
        report("RUT", "2025-02-25", "2025-02-28T20:30Z", "legacy_futures"),
        report("RUT", "2025-03-11", "2025-03-14T19:30Z", "legacy_futures"),
    ],
}


DATA_ENDS: Final = shipped("sql/macros/data_ends.sql").read_text("utf-8")


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; create schema marts; create schema staging")
        for table, given in ROWS.items():
            connection.register("given", rows_of(table, given).to_arrow())
            connection.execute(f"create table {table.dotted()} as from given")
        for macro in (*as_of_macros([table.dotted() for table in ROWS]), DATA_ENDS):
            connection.execute(macro)
        yield connection


def ends(warehouse: duckdb.DuckDBPyConnection, moment: str) -> dict[str, End]:
    return {end.report_type or end.what: end for end in read_ends(warehouse, datetime.fromisoformat(moment))}


@pytest.mark.parametrize(
    ("moment", "missing"),
    [
        ("2025-03-06T20:00Z", {}),
        ("2025-03-07T19:59Z", {}),
        ("2025-03-07T20:00Z", {"^RUT": 1}),
        ("2025-03-07T20:30Z", {"^RUT": 1, "tff_futures": 1, "legacy_futures": 1}),
        ("2025-03-10T20:00Z", {"legacy_futures": 1}),
        ("2025-03-13T20:00Z", {"legacy_futures": 1}),
        ("2025-03-14T20:00Z", {"IWM": 2}),
    ],
)
def test_the_newest_day_that_should_be_there(
    warehouse: duckdb.DuckDBPyConnection, moment: str, missing: dict[str, int]
) -> None:
    found = ends(warehouse, moment)
    assert {name: end.due_days for name, end in found.items() if end.due_days} == missing
    assert all((end.due_at is None) == (name not in missing) for name, end in found.items())


def test_windows_lack_what_is_missing_before_the_end(warehouse: duckdb.DuckDBPyConnection) -> None:
    late = ends(warehouse, "2025-03-12T20:00Z")["^RUT"]
    assert (late.window_days, late.window_date) == (1, date(2025, 3, 7))
    assert late.window() == "the 52 weeks to 2025-03-12 lack 1 session of ^RUT, of 2025-03-07"
    assert ends(warehouse, "2025-03-13T20:00Z")["^RUT"].window() is None
    said = "the 156 weeks to 2025-03-11 lack 1 report of RUT (legacy_futures), of 2025-03-04"
    assert ends(warehouse, "2025-03-14T20:00Z")["legacy_futures"].window() == said


def test_ends_with_the_same_days_missing_are_one_line(warehouse: duckdb.DuckDBPyConnection) -> None:
    said = list(say_holes(read_ends(warehouse, datetime(2025, 3, 7, 20, 30, tzinfo=UTC))))
    due = "report 2025-03-04 was due 2025-03-07 20:30 UTC and is missing"
    assert said == [
        "the prices of ^RUT end at 2025-03-06: session 2025-03-07 was due 2025-03-07 20:00 UTC and is missing",
        f"the reports of RUT (legacy_futures) end at 2025-02-25: {due}",
        f"the reports of RUT (tff_futures) end at 2025-02-25: {due}",
    ]


def test_a_session_and_a_report_are_missed_half_a_day_after_they_were_due(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = ends(warehouse, "2025-03-07T20:30Z")
    close, out = datetime(2025, 3, 7, 20, tzinfo=UTC), datetime(2025, 3, 7, 20, 30, tzinfo=UTC)
    for end, due_at in (found["^RUT"], close), (found["tff_futures"], out):
        assert is_missed(end, due_at + GRACE)
        assert not is_missed(end, due_at + GRACE - timedelta(seconds=1))
    assert is_awaited(found["tff_futures"], out)


def test_a_session_is_awaited_from_when_its_price_has_settled_until_it_is_missed(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = ends(warehouse, "2025-03-07T20:30Z")
    close, late_quotes = datetime(2025, 3, 7, 20, tzinfo=UTC), timedelta(minutes=20)
    assert is_awaited(found["^RUT"], close + late_quotes)
    assert not is_due(found["^RUT"], close + late_quotes - timedelta(seconds=1))
    assert not is_awaited(found["^RUT"], close + GRACE)
    warehouse.execute(shipped("sql/macros/note_missing.sql").read_text("utf-8"))
    for moment in (close + late_quotes - timedelta(seconds=1), close + late_quotes):
        said = warehouse.execute("select prices_due_days from note_missing('RUT', $1)", [moment]).fetchall()
        assert bool(said and said[0][0]) == is_due(found["^RUT"], moment), "the note says so in SQL"
    future = replace(found["^RUT"], role="future")
    assert not is_due(future, close + late_quotes)
    assert is_due(future, close + late_quotes + timedelta(hours=1))


def test_sessions_of_one_day_that_close_at_other_hours_are_told_apart() -> None:
    """London's close is hours before New York's."""
    london, new_york = (
        End(
            *("prices", name, f"^{name}", "index", None, date(2025, 3, 6), date(2025, 3, 7)),
            *(datetime(2025, 3, 7, hour, tzinfo=UTC), 1, 52, 0, None),
        )
        for name, hour in (("FTSE", 16), ("RUT", 21))
    )
    assert list(say_holes([new_york, london])) == [
        f"the prices of {symbol} end at 2025-03-06: session 2025-03-07 was due 2025-03-07 {hour}:00 UTC and is missing"
        for symbol, hour in (("^FTSE", 16), ("^RUT", 21))
    ]
