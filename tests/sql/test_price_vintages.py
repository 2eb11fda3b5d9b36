"""staging.price_vintages: every vintage of a bar, and the span of time in which it was what was known."""

from collections.abc import Sequence

import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars, PriceVintages
from r2k_pipeline.markets import read_catalogue
from r2k_pipeline.tables.reference import MarketSymbols, Sessions, build_market_symbols
from tests.sql.rows import RUSSELL, Given, Row, bar, derive, fetch, session

DAY = "2025-03-12"
FIRST = bar("^RUT", DAY, 2026.0)
GIVEN: Given = {**RUSSELL, Sessions: [session(f"2025-03-{day}", "20:00Z") for day in (11, 12, 13)]}
LATE = "2025-03-20T09:00Z"


def vintages(
    *bars: Row, log: Sequence[Row] = (), as_of: str = "2100-01-01T00:00Z", columns: Sequence[str] = ()
) -> list[tuple[object, ...]]:
    found = derive(PriceVintages, {**GIVEN, PriceBars: bars, FetchLog: log}, as_of)
    days = {name: found[name].dt.strftime("%d %H:%M") for name in ("known_at", "superseded_at", "volume_known_at")}
    return found.with_columns(**days).select(columns).rows()


def spans(*bars: Row, as_of: str = "2100-01-01T00:00Z") -> list[tuple[object, ...]]:
    columns = ("revision", "close", "known_at", "superseded_at", "is_withdrawn")
    return vintages(*bars, as_of=as_of, columns=columns)


def known(*bars: Row, log: Sequence[Row] = ()) -> list[object]:
    return [moment for (moment,) in vintages(*bars, log=log, columns=["known_at"])]


def volumes(*bars: Row, log: Sequence[Row] = (), as_of: str = "2100-01-01T00:00Z") -> list[tuple[object, ...]]:
    columns = ("close", "volume", "known_at", "superseded_at", "volume_known_at")
    return vintages(*bars, log=log, as_of=as_of, columns=columns)


def test_each_vintage_stands_from_when_it_was_known_until_the_next() -> None:
    corrected = {**bar("^RUT", DAY, 2027.0), "recorded_at": "2025-03-13T09:00Z"}
    tombstone = {**corrected, "is_withdrawn": True, "recorded_at": "2025-03-14T09:00Z"}
    first = (0, 2026.0, "12 20:00", "13 09:00", False)
    second = (1, 2027.0, "13 09:00", "14 09:00", False)
    assert spans(FIRST, corrected, tombstone) == [first, second, (2, 2027.0, "14 09:00", None, True)]
    assert spans(FIRST, corrected, tombstone, as_of="2025-03-14T08:59Z") == [first, (*second[:3], None, False)]


def test_a_correction_recorded_before_the_close_is_known_at_the_close() -> None:
    corrected = {**bar("^RUT", DAY, 2027.0), "recorded_at": "2025-03-12T19:00Z"}
    assert [row[2] for row in spans(FIRST, corrected)] == ["12 20:00", "12 20:00"]


@pytest.mark.parametrize(
    ("name", "half_day", "moment"),
    [("^RUT", False, "20:00"), ("^VIX", False, "20:15"), ("^TNX", False, "20:00"), ("RTY=F", False, "21:00"),
     ("^RUT", True, "17:00"), ("^VIX", True, "18:00"), ("^TNX", True, "18:00"), ("RTY=F", True, "18:00")],
)  # fmt: skip
def test_a_price_is_not_known_before_it_is_final(name: str, half_day: bool, moment: str) -> None:
    """VIX is computed until 16:15 New York; a future trades on; yields are computed until 14:00 on half-days."""
    closes = session(DAY, "17:00Z" if half_day else "20:00Z", is_half_day=half_day)
    symbols = build_market_symbols(tuple(read_catalogue().markets[market] for market in ("RUT", "ZN"))).rows(named=True)
    given: Given = {**RUSSELL, MarketSymbols: symbols, Sessions: [closes], PriceBars: [bar(name, DAY, 20.0)]}
    (known_at,) = derive(PriceVintages, given)["known_at"].dt.strftime("%H:%M")
    assert known_at == moment


@pytest.mark.parametrize(
    ("fetched_at", "shows", "moment"),
    [
        pytest.param("2025-03-12T20:00Z", ("2025-03-01", DAY), "20 09:00", id="it could have shown the session"),
        pytest.param("2025-03-12T19:59Z", ("2025-03-01", DAY), "12 20:00", id="before the close nothing is to show"),
        pytest.param("2025-03-13T21:00Z", ("2025-03-13", "2025-03-13"), "12 20:00", id="of later days only"),
        pytest.param("2025-03-13T21:00Z", ("2025-03-01", "2025-03-11"), "12 20:00", id="of earlier days only"),
        pytest.param("2025-03-13T21:00Z", None, "12 20:00", id="a first file proves nothing about what it lacks"),
        pytest.param(LATE, ("2025-03-01", DAY), "12 20:00", id="the fetch that brought it"),
    ],
)
def test_a_late_bar_is_known_from_its_recording_if_a_fetch_after_its_close_could_have_shown_it(
    fetched_at: str, shows: tuple[str, str] | None, moment: str
) -> None:
    log = [fetch("^RUT", fetched_at, shows), fetch("IWM", "2025-03-13T21:00Z", ("2025-03-01", "2025-03-13"))]
    around = [bar("^RUT", "2025-03-11", 2023.5), bar("^RUT", "2025-03-13", 1993.69)]
    assert known(*around, {**FIRST, "recorded_at": LATE}, log=log) == ["11 20:00", moment, "13 20:00"]


def test_a_fetch_that_did_not_show_it_is_not_forgotten_for_a_later_one_of_fewer_days() -> None:
    log = [
        fetch("^RUT", "2025-03-13T21:00Z", ("2025-03-01", "2025-03-13")),
        fetch("^RUT", "2025-03-18T21:00Z", ("2025-03-13", "2025-03-17")),
    ]
    assert known({**FIRST, "recorded_at": LATE}, log=log) == ["20 09:00"]


def test_days_between_those_of_two_fetches_were_shown_by_neither() -> None:
    log = [
        fetch("^RUT", "2025-03-13T21:00Z", ("2025-03-01", "2025-03-11")),
        fetch("^RUT", "2025-03-18T21:00Z", ("2025-03-13", "2025-03-17")),
    ]
    assert known({**FIRST, "recorded_at": LATE}, log=log) == ["12 20:00"]


def test_older_history_from_a_later_file_is_nominal_and_from_a_live_vendor_it_is_late() -> None:
    """The file began on the 12th, so it could not have shown the 11th; the vendor was asked for all of history."""
    older = {**bar("^RUT", "2025-03-11", 2023.5), "recorded_at": LATE}
    for first, moment in ((DAY, "11 20:00"), ("1900-01-01", "20 09:00")):
        log = [fetch("^RUT", "2025-03-13T21:00Z", (first, DAY))]
        assert known(FIRST, older, log=log) == [moment, "12 20:00"]


def test_a_bar_that_was_held_is_known_from_its_acceptance_and_so_is_its_volume() -> None:
    held = {**FIRST, "volume": 7.0, "recorded_at": LATE}
    for status, moment, settled in (("ok", "12 20:00", "13 08:00"), ("accepted", "20 09:00", "20 09:00")):
        log = [fetch("^RUT", LATE, status=status)]
        assert volumes(held, log=log) == [(2026.0, 7.0, moment, None, settled)]


UNSETTLED = {**FIRST, "volume": 5.0, "is_settled": False, "recorded_at": "2025-03-12T21:00Z"}
NEXT_NIGHT = "2025-03-13T21:00Z"


def test_a_volume_is_null_until_it_settles_and_that_is_no_revision() -> None:
    settled = {**FIRST, "volume": 7.0, "recorded_at": NEXT_NIGHT}
    without = (2026.0, None, "12 20:00", None, None)
    assert volumes(UNSETTLED) == [without]
    assert volumes(UNSETTLED, settled, as_of="2025-03-13T07:59Z") == [without]
    assert volumes(UNSETTLED, settled, as_of="2025-03-13T08:00Z") == [(2026.0, 7.0, "12 20:00", None, "13 08:00")]
    assert volumes(UNSETTLED, settled) == [(2026.0, 7.0, "12 20:00", None, "13 08:00")]


@pytest.mark.parametrize(
    ("fetched_at", "moment"), [("2025-03-13T08:00Z", "13 21:00"), ("2025-03-13T07:59Z", "13 08:00")]
)
def test_a_volume_that_a_fetch_after_its_settling_did_not_show_is_known_from_its_recording(
    fetched_at: str, moment: str
) -> None:
    log = [fetch("^RUT", fetched_at, ("2025-03-01", DAY))]
    settled = {**FIRST, "volume": 7.0, "recorded_at": NEXT_NIGHT}
    assert volumes(UNSETTLED, settled, log=log) == [(2026.0, 7.0, "12 20:00", None, moment)]


def test_prices_that_come_with_the_settled_volume_are_a_vintage_and_the_volume_is_both_vintages() -> None:
    settled = {**bar("^RUT", DAY, 2027.0), "volume": 7.0, "recorded_at": NEXT_NIGHT}
    assert volumes(UNSETTLED, settled) == [
        (2026.0, 7.0, "12 20:00", "13 21:00", "13 08:00"),
        (2027.0, 7.0, "13 21:00", None, "13 08:00"),
    ]


def test_a_settled_volume_that_changes_is_a_vintage_and_one_that_is_told_again_is_none() -> None:
    settled, again = ({**FIRST, "volume": 7.0, "recorded_at": moment} for moment in (NEXT_NIGHT, "2025-03-14T21:00Z"))
    other = {**FIRST, "volume": 8.0, "recorded_at": LATE}
    assert volumes(UNSETTLED, settled, again, other) == [
        (2026.0, 7.0, "12 20:00", "20 09:00", "13 08:00"),
        (2026.0, 8.0, "20 09:00", None, "20 09:00"),
    ]
