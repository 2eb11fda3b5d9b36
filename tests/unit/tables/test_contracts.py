"""Contracts: the naming rule, what a column promises, and the rules that vendors' rows must hold."""

from typing import Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.contracts import columns
from r2k_pipeline.contracts.cot import CONTRACT_CODE, ROUNDED_SLACK_CONTRACTS, SIDES, CotReports
from r2k_pipeline.contracts.prices import SYMBOL, PriceBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables import TABLES

TFF_GROUPS: Final = ("dealer", "asset_manager", "leveraged_funds", "other_reportables", "nonreportable")


@pytest.fixture
def visits() -> type[Table]:
    """A contract of this test alone, taken off the register again."""

    class SiteVisits(Table, layer="marts"):
        """One visit of one
        site.

        A remark that is no description.
        """

        seconds = columns.number("seconds", "how long it took", low=0)
        site = columns.text("which site", key=True)
        kind = columns.choice(("long", "short"), "how it was", nullable=True)

    del TABLES[SiteVisits.dotted()]
    return SiteVisits


def test_one_name_everywhere(visits: type[Table]) -> None:
    assert (visits.dotted(), visits.layer, visits.table) == ("marts.site_visits", "marts", "site_visits")
    assert visits.description() == "One visit of one site."
    assert visits.column_names() == ["site", "seconds", "kind"], "the key stands first"
    assert visits.units() == {"site": "text", "seconds": "seconds", "kind": "one of long, short"}


def test_a_layer_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Lost: layer 'bronze' is not one of"):
        type("Lost", (Table,), {}, layer="bronze")


def test_every_table_is_registered_by_its_name() -> None:
    assert {name for name in TABLES if name.startswith("raw.")} >= {
        "raw.price_bars",
        "raw.price_actions",
        "raw.cot_reports",
        "raw.refused_rows",
        "raw.fetch_log",
    }
    assert all(name == table.dotted() for name, table in TABLES.items())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -1.0])
def test_numbers_are_finite_and_within_their_bounds(visits: type[Table], number: float) -> None:
    good = {"site": ["a"], "seconds": [1.0], "kind": [None]}
    schema = visits.create_empty().schema
    assert visits.is_valid(pl.DataFrame(good, schema=schema))
    assert not visits.is_valid(pl.DataFrame(good | {"seconds": [number]}, schema=schema))


def test_a_choice_is_closed_and_null_only_where_it_says_so(visits: type[Table]) -> None:
    good = {"site": ["a"], "seconds": [1.0], "kind": ["long"]}
    schema = visits.create_empty().schema
    assert visits.is_valid(pl.DataFrame(good, schema=schema))
    for wrong in ({"kind": ["Long"]}, {"seconds": [None]}, {"site": [None]}):
        assert not visits.is_valid(pl.DataFrame(good | wrong, schema=schema))


# Prices


def bar_is_good(open_: float, high: float, low: float, close: float) -> bool:
    frame = pl.DataFrame({"open": [open_], "high": [high], "low": [low], "close": [close]})
    row = pl.concat([PriceBars.create_empty(), frame], how="diagonal_relaxed").with_columns(
        symbol=pl.lit("^RUT"),
        session_date=pl.date(2025, 1, 2),
        recorded_at=pl.datetime(2025, 1, 3, time_zone="UTC"),
        source=pl.lit("test"),
        is_final=pl.lit(True),
        is_withdrawn=pl.lit(False),
    )
    return PriceBars.is_valid(row)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 1e6), min_size=4, max_size=4).map(sorted), st.booleans())
def test_any_real_bar_holds_also_when_a_vendor_rounded_it_to_float32(prices: list[float], up: bool) -> None:
    low, first, second, high = prices
    open_, close = (first, second) if up else (second, first)
    assert bar_is_good(open_, high, low, close)
    assert bar_is_good(float(np.float32(open_)), high, low, float(np.float32(close)))


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 1e6), st.floats(1.0001, 2))
def test_no_bar_outside_its_own_range_holds(price: float, factor: float) -> None:
    above, below = price * factor, price / factor
    assert not bar_is_good(price, below, price, price), "high below low"
    assert not bar_is_good(above, price, below, price)
    assert not bar_is_good(price, above, price, below)


@pytest.mark.parametrize(
    ("symbol", "is_one"),
    [
        ("^RUT", True),
        ("RTY=F", True),
        ("BRK-B", True),
        ("../../etc/passwd", False),
        ("a;drop table", False),
        ("", False),
    ],
)
def test_symbols_are_an_allowlist(symbol: str, is_one: bool) -> None:
    assert bool(pl.Series([symbol]).str.contains(SYMBOL).item()) is is_one


# COT


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        *((code, True) for code in ("239742", "13874A", "099741", "13874+", "1170E1")),
        *((code, False) for code in ("99741", "23974", "9974+", "239742 ", "13874++", "1387 4", "239742\n")),
    ],
)
def test_a_code_that_lost_its_leading_zero_is_none(code: str, is_one: bool) -> None:
    assert bool(pl.Series([code]).str.contains(CONTRACT_CODE).item()) is is_one


def report(legs: list[int], interest: int, code: str, kind: str) -> pl.DataFrame:
    names = [f"{group}_{side}_contracts" for group in TFF_GROUPS for side in SIDES[group]]
    row = dict(zip(names, legs, strict=True)) | {"open_interest_contracts": interest}
    return pl.concat([CotReports.create_empty(), pl.DataFrame([row])], how="diagonal_relaxed").with_columns(
        report_type=pl.lit(kind),
        contract_code=pl.lit(code),
        report_date=pl.date(2025, 1, 7),
        recorded_at=pl.datetime(2025, 1, 11, time_zone="UTC"),
        market_name=pl.lit("any"),
        source=pl.lit("test"),
        is_withdrawn=pl.lit(False),
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 500_000), min_size=13, max_size=13),
    st.sampled_from([("239742", "tff_futures", 0), ("13874+", "tff_futures", 5), ("239742", "tff_combined", 5)]),
    st.integers(-9, 9),
)
def test_open_interest_is_the_sum_of_its_legs(legs: list[int], kind: tuple[str, str, int], off: int) -> None:
    """OI = sum of longs + spreads = sum of shorts + spreads, exact but for rounded rows (CFTC explanatory notes)."""
    code, report_type, slack = kind
    assert slack in (0, ROUNDED_SLACK_CONTRACTS)
    longs = sum(legs[0:12:3]) + sum(legs[2:12:3]) + legs[12]
    shorts_of_others = sum(legs[1:12:3]) + sum(legs[2:12:3])
    interest = max(longs, shorts_of_others)
    legs = [*legs[:12], legs[12] + interest - longs, interest - shorts_of_others]
    assert CotReports.is_valid(report(legs, interest, code, report_type))
    assert CotReports.is_valid(report(legs, abs(interest + off), code, report_type)) is (
        abs(abs(interest + off) - interest) <= slack
    )
