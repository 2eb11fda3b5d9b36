"""staging.price_vintages: every vintage of a bar, and the span of time in which it was what was known."""

from r2k_pipeline.contracts.prices import PriceBars, PriceVintages
from r2k_pipeline.contracts.reference import Sessions
from tests.sql.rows import RUSSELL, Given, bar, derive, session

DAY = "2025-03-12"
FIRST = bar("^RUT", DAY, 2026.0)
GIVEN: Given = {**RUSSELL, Sessions: [session(f"2025-03-{day}", "20:00Z") for day in (11, 12, 13)]}


def spans(*bars: object, as_of: str = "2100-01-01T00:00Z") -> list[tuple[object, ...]]:
    found = derive(PriceVintages, {**GIVEN, PriceBars: bars}, as_of)
    days = {name: found[name].dt.strftime("%d %H:%M") for name in ("known_at", "superseded_at")}
    return found.with_columns(**days).select("revision", "close", "known_at", "superseded_at", "is_withdrawn").rows()


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


def test_a_bar_that_fills_a_gap_later_was_not_known_before() -> None:
    around = [bar("^RUT", "2025-03-11", 2023.5), bar("^RUT", "2025-03-13", 1993.69)]
    late = {**FIRST, "recorded_at": "2025-03-20T09:00Z"}
    assert [row[2] for row in spans(*around, late)] == ["11 20:00", "20 09:00", "13 20:00"]


def test_older_history_than_any_we_had_is_bulk() -> None:
    late = {**bar("^RUT", "2025-03-11", 2023.5), "recorded_at": "2025-03-20T09:00Z"}
    assert [row[2] for row in spans(FIRST, late)] == ["11 20:00", "12 20:00"]
