"""Trigger closes: fed back as the next session's close, they give what they promise."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.transforms.crosses import build_moving_average_crosses
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.triggers import build_rsi_triggers
from tests.unit.known_rows import known_at_close

FIRST = date(2000, 1, 1)


def bars_of(close: list[float]) -> pl.DataFrame:
    days = pl.date_range(FIRST, FIRST + timedelta(days=len(close) - 1), eager=True)
    prices = dict.fromkeys(("high", "low", "close"), pl.Series(close, dtype=pl.Float64))
    return pl.DataFrame({"session_date": days, **prices}).select(pl.lit("M").alias("market"), pl.all())


def real_closes(real: Path, until: date) -> list[float]:
    vendor = pl.read_csv(real / "prices" / "^RUT.csv", columns=["Date", "Close"], try_parse_dates=True)
    return vendor.filter(pl.col("Date") <= until)["Close"].to_list()


def test_the_notes_rsi_was_an_intraday_price(real: Path) -> None:
    close = real_closes(real, date(2025, 3, 13))
    trigger = build_rsi_triggers(bars_of(close), 33.29)["trigger_close"][-1]
    assert trigger == pytest.approx(2034.51, abs=0.05)
    assert talib.RSI(np.array([*close, trigger]), 14)[-1] == pytest.approx(33.29, abs=1e-9)


@pytest.mark.parametrize("until", [date(2009, 3, 9), date(2021, 11, 8), date(2025, 3, 13), date(2025, 3, 19)])
def test_fixed_triggers_of_the_russell_fed_back(real: Path, until: date) -> None:
    close = real_closes(real, until)
    last = build_daily_indicators(bars_of(close)).row(-1, named=True)
    for target in (30, 70):
        price = last[f"rsi_{target}_trigger_close"]
        assert talib.RSI(np.array([*close, price]), 14)[-1] == pytest.approx(target, abs=1e-9)
    price = last["sma_50_200_trigger_close"]
    if price is not None:
        fed = np.array([*close, price])
        assert fed[-50:].mean() == pytest.approx(fed[-200:].mean(), rel=1e-12)


def test_just_beyond_the_trigger_the_averages_cross(real: Path) -> None:
    close = real_closes(real, date(2025, 3, 19))
    price = build_daily_indicators(bars_of(close))["sma_50_200_trigger_close"][-1]
    for distance, expected in ((0.01, []), (0.0, []), (-0.01, ["down"])):
        indicators = build_daily_indicators(bars_of([*close, price + distance]))
        crosses = build_moving_average_crosses(known_at_close(DailyIndicators, indicators))
        last = crosses.filter(pl.col("session_date") == FIRST + timedelta(days=len(close)), fast=50, slow=200)
        assert last["direction"].to_list() == expected


@given(
    st.lists(st.integers(100, 10_000), min_size=16, max_size=60),
    st.floats(1, 99),
    st.integers(2, 14),
)
@settings(max_examples=150, deadline=None)
def test_any_target_fed_back_or_out_of_reach(cents: list[int], target: float, window: int) -> None:
    close = [cent / 100 for cent in cents]
    moves = np.diff(np.array(cents))
    assume(moves.any())
    price = build_rsi_triggers(bars_of(close), target, window)["trigger_close"][-1]
    if price is None:  # even the lowest positive close leaves RSI above the target
        assert talib.RSI(np.array([*close, 1e-9]), window)[-1] >= target - 1e-6
    else:
        assert talib.RSI(np.array([*close, price]), window)[-1] == pytest.approx(target, abs=1e-7)


def test_nothing_moved_or_too_short_a_history_has_no_trigger() -> None:
    assert build_rsi_triggers(bars_of([5.0] * 40), 30)["trigger_close"].null_count() == 40
    assert build_rsi_triggers(bars_of([5.0, 6.0, 5.5]), 30)["trigger_close"].null_count() == 3
    assert build_daily_indicators(bars_of([5.0, 6.0] * 99))["sma_50_200_trigger_close"].null_count() == 198


def test_out_of_reach_below_is_null() -> None:
    """After a rise from 1 to 100, no positive close brings RSI(14) to 1 within a session."""
    close = list(np.geomspace(1, 100, 40))
    assert build_rsi_triggers(bars_of(close), 1)["trigger_close"][-1] is None


@pytest.mark.parametrize(("target", "window"), [(0, 14), (100, 14), (-5, 14), (float("nan"), 14), (30, 1), (30, 0)])
def test_impossible_questions_are_refused(target: float, window: int) -> None:
    with pytest.raises(ValueError, match="need 0 < target < 100"):
        build_rsi_triggers(bars_of([1.0, 2.0]), target, window)
