"""The Python API: what it cannot answer is an R2kError that names the argument, and threads may share what is open."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import r2k_pipeline as r2k
from tests.unit.published import SAMPLE, mart_row, publish

EACH: Final[dict[str, Callable[[Any, Any], object]]] = {
    "prices": lambda data, market: data.prices(market),
    "positions": lambda data, market: data.positions(market),
    "table": lambda data, market: data.table("features.levels", market=market),
    "brief": lambda data, market: data.brief(market),
    "note": lambda data, market: data.note(market),
    "figure": lambda data, market: data.figure(market),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    publish(folder, [mart_row("RUT", "2025-03-13"), mart_row("SPX", "2025-03-14")])
    return folder


@pytest.fixture
def data(lake: Path) -> Iterator[r2k.Data]:
    with r2k.open("sample", lake=lake) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "market"),
    [
        (name, market)
        for name in EACH
        for market in ("rut", "", 5, [1], None)
        if market is not None or name not in {"table", "brief"}  # there None means all markets
    ],
)
def test_a_market_that_is_none_is_refused_by_name(name: str, market: Any, data: r2k.Data) -> None:
    with pytest.raises(r2k.R2kError) as error:
        EACH[name](data, market)
    assert str(error.value) == f"market = {market!r}: no such market; next: one of RUT, SPX"


def test_a_report_type_that_is_none_is_refused(data: r2k.Data) -> None:
    for report_type in ("tff", 5):
        with pytest.raises(
            r2k.R2kError, match=rf"report_type = {report_type!r}: no such report; next: one of .*tff_futures"
        ):
            data.positions("RUT", report_type)  # type: ignore[arg-type]
    assert data.positions("RUT", "legacy_combined").is_empty()


@pytest.mark.parametrize(
    ("table", "meant"),
    [
        ("levels", "features.levels"),
        ("FEATURES.Levels", "features.levels"),
        ("marts.wekly_positioning", "marts.weekly_positioning"),
        (None, ""),
        (5, ""),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_one_meant(table: Any, meant: str, data: r2k.Data) -> None:
    with pytest.raises(r2k.R2kError, match=rf"^table = {table!r}: no such table is published; next: one of {meant}"):
        data.table(table)


@pytest.mark.parametrize("query", [None, 5, b"select 1"])
def test_a_query_is_text(query: Any, data: r2k.Data) -> None:
    with pytest.raises(r2k.R2kError, match=r"query = .*: is no text; next: one SELECT, e\.g\. from latest\(\)"):
        data.sql(query)


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("from marts.wekly_positioning", 'Did you mean "weekly_positioning"?'),
        ("from weekly_positioning", 'Did you mean "marts.weekly_positioning"?'),
        ("from asof('2025-03-14')", 'Did you mean "as_of"?'),
        ("from positioning('RUT')", "Candidate macros: positioning(for_market, first_date, last_date)"),
        ("select x.close from latest() as l", 'Candidate tables: "l"'),
        ("select clse from latest()", 'Candidate bindings: "close"'),
    ],
)
def test_a_mistyped_name_in_sql_is_answered_with_the_one_meant(query: str, meant: str, data: r2k.Data) -> None:
    with pytest.raises(r2k.R2kError) as error:
        data.sql(query)
    assert meant in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_closed_says_so(lake: Path) -> None:
    data = r2k.open("sample", lake=lake)
    data.close()
    data.close()
    for ask in (
        lambda: data.sql("select 1"),
        lambda: data.markets,
        *(lambda a=each: a(data, "RUT") for each in EACH.values()),
    ):
        with pytest.raises(r2k.R2kError, match=r"^data: is closed; next: r2k_pipeline\.open\(\)$"):
            ask()
    assert data.moment == dt.datetime(2025, 3, 14, 22, tzinfo=dt.UTC)


def test_it_shows_what_it_is(data: r2k.Data) -> None:
    assert repr(data) == f"<r2k data, {SAMPLE}: generation 0123456789abcdef as known at 2025-03-14 22:00 UTC>"


def test_threads_may_share_one(data: r2k.Data) -> None:
    found, failed = [], []

    def ask(number: int) -> None:
        try:
            for _ in range(5):
                found.append((number, data.sql(f"select {number} as n, max(close) from latest()")["n"][0]))
        except r2k.R2kError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(found) == 20
    assert all(asked == answered for asked, answered in found)


@pytest.mark.parametrize("lake", [5, "FILE"])
def test_a_lake_that_is_no_folder_is_refused(lake: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(
        r2k.R2kError, match=r"lake = 5: " if lake == 5 else r"warehouse\.duckdb: cannot be opened: Not a"
    ):
        r2k.open("sample", lake=file if lake == "FILE" else lake)


def test_completion_offers_what_there_is_and_no_more() -> None:
    assert [name for name in dir(r2k) if not name.startswith("_")] == sorted(r2k.__all__)
