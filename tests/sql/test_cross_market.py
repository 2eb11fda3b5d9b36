"""marts.cross_market: two markets as both were known, by role and group; strength by places in the calendar."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from r2k_pipeline.contracts.marts import CrossMarket, PositioningVsTechnicals
from r2k_pipeline.tables.reference import Markets, Sessions
from tests.sql.rows import RUT, SPX, Row, derive, session

DAYS = [day for n in range(100) if (day := date(2025, 1, 6) + timedelta(n)).weekday() < 5][:62]
"""Sessions 0 to 61."""


def close(market: str, number: int) -> float:
    return {"RUT": 2000.0, "SPX": 5000.0}[market] + (number % 7 if market == "RUT" else number)


def strengths(
    known_at: Mapping[tuple[str, int], str] | None = None, missing: tuple[int, ...] = ()
) -> dict[int, tuple[object, object, str]]:
    """By session: the strength of RUT against SPX over 20 and 60 sessions, and when it was known.

    `known_at`: when the rows of (market, session) were known that were not known at their close.
    """
    rows: list[Row] = [
        {
            "market": market,
            "session_date": str(day),
            "known_at": (known_at or {}).get((market, number), f"{day}T20:00Z"),
            "close": close(market, number),
        }
        for market in ("RUT", "SPX")
        for number, day in enumerate(DAYS)
        if number not in missing
    ]
    given = {Markets: [RUT, SPX], Sessions: [session(str(day)) for day in DAYS], PositioningVsTechnicals: rows}
    found = derive(CrossMarket, given).filter(market="RUT", other_market="SPX").sort("session_date")
    columns = ("session_date", "relative_strength_20d_ratio", "relative_strength_60d_ratio", "known_at")
    return {DAYS.index(day): (s20, s60, f"{at:%m-%d %H:%M}") for day, s20, s60, at in found.select(columns).rows()}


def by_definition(number: int, back: int) -> object:
    if number < back:
        return None
    now, then = (close("RUT", n) / close("SPX", n) for n in (number, number - back))
    return pytest.approx(now / then - 1)


def test_strength_is_against_the_session_20_or_60_places_back() -> None:
    found = strengths()
    assert {number: row[:2] for number, row in found.items()} == {
        number: (by_definition(number, 20), by_definition(number, 60)) for number in range(62)
    }


def test_a_missing_session_moves_no_other_sessions_place() -> None:
    found = strengths(missing=(15,))
    assert 15 not in found
    assert found.pop(35)[0] is None
    assert {number: row[0] for number, row in found.items()} == {
        number: by_definition(number, 20) for number in range(62) if number not in (15, 35)
    }


@pytest.mark.parametrize("market", ["RUT", "SPX"])
def test_a_session_that_comes_late_changes_no_row_told_before_it(market: str) -> None:
    """Session 15 of one market came on the evening of session 35: that day's close did not know it, the next ones do
    not need it; of its own row both markets are known from then."""
    late = f"{DAYS[35]}T21:00Z"
    found = strengths({(market, 15): late})
    assert found[35] == (None, None, f"{DAYS[35]:%m-%d} 20:00")
    assert found[15] == (None, None, f"{DAYS[35]:%m-%d} 21:00")
    expected = strengths()
    assert {n: row for n, row in found.items() if n not in (15, 35)} == {
        n: row for n, row in expected.items() if n not in (15, 35)
    }


def test_a_late_session_has_its_own_strength_and_the_ones_it_is_the_base_of_after_it() -> None:
    found = strengths({("RUT", 25): f"{DAYS[44]}T21:00Z"})
    assert found[25] == (by_definition(25, 20), None, f"{DAYS[44]:%m-%d} 21:00")
    assert found[45] == (by_definition(45, 20), None, f"{DAYS[45]:%m-%d} 20:00")


GOLD: Row = {
    **SPX,
    "market": "GC",
    "name": "Gold",
    "market_class": "metal",
    "primary_report_type": "disaggregated_futures",
    "contract_unit": "troy ounce",
}


def position(market: str, report_date: str, institution: float, speculator: float, *, has_groups: bool) -> Row:
    """A market's close with its ranks; shares of open interest are a hundredth of them."""
    held = {"institution": institution, "speculator": speculator}
    if has_groups:
        held |= {"asset_manager": institution, "leveraged_funds": speculator}
    ranks = {f"{name}_net_percentile_156w": value for name, value in held.items()}
    shares = {f"{name}_net_share_oi": value / 100 for name, value in held.items()}
    at = {"session_date": "2025-03-14", "known_at": "2025-03-14T20:00Z", "close": 100.0}
    return {"market": market, **at, "report_date": report_date, **ranks, **shares}


@pytest.mark.parametrize(
    ("market", "report_date", "by_role", "by_group"),
    [
        ("RUT", "2025-03-11", (-20.0, 30.0), (-20.0, 30.0)),
        ("GC", "2025-03-11", (-20.0, 30.0), (None, None)),
        ("GC", "2025-03-04", (None, None), (None, None)),
    ],
    ids=["reports of one family", "of two", "of two weeks"],
)
def test_positions_are_compared_by_role_and_where_both_have_it_by_group(
    market: str, report_date: str, by_role: tuple[float | None, ...], by_group: tuple[float | None, ...]
) -> None:
    given = {
        Markets: [RUT, SPX, GOLD],
        Sessions: [session("2025-03-14")],
        PositioningVsTechnicals: [
            position(market, report_date, 40.0, 90.0, has_groups=market == "RUT"),
            position("SPX", "2025-03-11", 60.0, 60.0, has_groups=True),
        ],
    }
    (row,) = derive(CrossMarket, given).filter(market=market).rows(named=True)
    for names, wanted in ((("institution", "speculator"), by_role), (("asset_manager", "leveraged_funds"), by_group)):
        ranks = [row[f"{name}_percentile_difference"] for name in names]
        shares = [row[f"{name}_net_share_spread"] for name in names]
        assert ranks == [*wanted]
        assert shares == [None if value is None else pytest.approx(value / 100) for value in wanted]


@pytest.mark.parametrize(
    ("market", "strength"),
    [
        ({}, 1.1 / 1.25 - 1),
        ({"price_series": "spot", "is_inverse": True}, 1 / 1.1 / 1.25 - 1),
        ({"price_series": "yield", "is_inverse": True}, None),
    ],
)
def test_strength_is_of_the_contracts_direction_and_none_of_a_yield(market: Row, strength: float | None) -> None:
    is_inverse = market.get("is_inverse", False)
    rows: list[Row] = [
        {"market": name, "session_date": str(DAYS[n]), "close": price, "is_inverse": is_inverse and name == "RUT"}
        for name, prices in {"RUT": (100.0, 110.0), "SPX": (100.0, 125.0)}.items()
        for n, price in zip((0, 20), prices, strict=True)
    ]
    given = {
        Markets: [{**RUT, **market}, SPX],
        Sessions: [session(str(day)) for day in DAYS],
        PositioningVsTechnicals: rows,
    }
    found = derive(CrossMarket, given).filter(market="RUT", other_market="SPX", session_date=DAYS[20])
    expected = None if strength is None else pytest.approx(strength)
    assert found["relative_strength_20d_ratio"].to_list() == [expected]
