"""staging.daily_prices: which bar is known at a moment."""

from r2k_pipeline.contracts.prices import DailyPrices, PriceBars
from r2k_pipeline.tables.reference import Sessions
from tests.sql.rows import RUSSELL, Given, bar, derive, session

FRIDAY: Given = {**RUSSELL, Sessions: [session("2024-11-27"), session("2024-11-29", "18:00Z", is_half_day=True)]}
"""Thanksgiving week: Wednesday, and the half-day after the holiday."""
BARS = [bar("^RUT", "2024-11-27", 2426.19), bar("^RUT", "2024-11-29", 2434.73)]


def closes(given: Given, as_of: str) -> list[tuple[object, ...]]:
    return derive(DailyPrices, given, as_of).select("close", "revision").rows()


def test_a_bar_is_known_at_its_sessions_close() -> None:
    given = {**FRIDAY, PriceBars: BARS}
    assert closes(given, "2024-11-29T17:59Z") == [(2426.19, 0)]
    assert closes(given, "2024-11-29T18:00Z") == [(2426.19, 0), (2434.73, 0)]
    known = derive(DailyPrices, given)["known_at"].dt.strftime("%m-%d %H:%M").to_list()
    assert known == ["11-27 21:00", "11-29 18:00"]


def test_an_unfinished_bar_is_never_shown() -> None:
    live = {**BARS[1], "is_final": False}
    assert closes({**FRIDAY, PriceBars: [BARS[0], live]}, "2024-12-31T00:00Z") == [(2426.19, 0)]


def test_a_correction_is_known_from_when_we_learned_it() -> None:
    corrected = {**bar("^RUT", "2024-11-27", 2426.5), "recorded_at": "2024-11-28T12:00Z"}
    given = {**FRIDAY, PriceBars: [BARS[0], corrected]}
    assert closes(given, "2024-11-28T11:59Z") == [(2426.19, 0)]
    assert closes(given, "2024-11-28T12:00Z") == [(2426.5, 1)]


def test_a_withdrawn_bar_stands_until_it_was_withdrawn() -> None:
    tombstone = {**BARS[0], "is_withdrawn": True, "recorded_at": "2024-11-28T12:00Z"}
    given = {**FRIDAY, PriceBars: [BARS[0], tombstone]}
    assert closes(given, "2024-11-28T11:59Z") == [(2426.19, 0)]
    assert closes(given, "2024-11-28T12:00Z") == []
