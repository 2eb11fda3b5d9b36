"""Swing pivots against the definition walked over plain lists, and on the real Russell 2000."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.tables.profiles import SwingPivots
from r2k_pipeline.transforms.pivots import build_swing_pivots
from tests.unit.known_rows import assert_fits


def bars(high: list[float], low: list[float], market: str = "RUT") -> pl.DataFrame:
    days = pl.date_range(dt.date(2020, 1, 1), dt.date(2020, 1, 1) + dt.timedelta(len(high) - 1), eager=True)
    return pl.DataFrame({"market": market, "session_date": days, "high": high, "low": low})


@st.composite
def batches(draw: st.DrawFn) -> pl.DataFrame:
    """One to three markets of bars on a coarse price grid, so that equal highs are common."""
    frames = []
    for market in range(draw(st.integers(1, 3))):
        low = draw(st.lists(st.integers(1, 6), min_size=1, max_size=40))
        height = draw(st.lists(st.integers(0, 3), min_size=len(low), max_size=len(low)))
        high = [float(a + b) for a, b in zip(low, height, strict=True)]
        frames.append(bars(high, [float(a) for a in low], f"M{market}"))
    return pl.concat(frames)


def walk(frame: pl.DataFrame, k: int) -> list[tuple[object, ...]]:
    """The definition, word for word, on lists."""
    found = []
    for _, own in frame.group_by("market", maintain_order=True):
        rows = own.rows(named=True)
        for t in range(k, len(rows) - k):
            before, after = rows[t - k : t], rows[t + 1 : t + k + 1]
            here, confirmed = rows[t], rows[t + k]["session_date"]
            if here["high"] > max(b["high"] for b in before) and here["high"] >= max(a["high"] for a in after):
                found.append((here["market"], here["session_date"], "high", here["high"], confirmed))
            if here["low"] < min(b["low"] for b in before) and here["low"] <= min(a["low"] for a in after):
                found.append((here["market"], here["session_date"], "low", here["low"], confirmed))
    return found


@settings(deadline=None)  # the first call compiles
@given(batches(), st.integers(1, 5))
def test_pivots_are_those_of_the_definition(frame: pl.DataFrame, k: int) -> None:
    pivots = build_swing_pivots(frame, k)
    assert pivots.rows() == walk(frame, k)
    assert_fits(SwingPivots, pivots, "confirmed_date")


@settings(deadline=None)
@given(batches(), st.integers(1, 4), st.integers(1, 20))
def test_later_bars_change_no_pivot_confirmed_before_them(frame: pl.DataFrame, k: int, length: int) -> None:
    until = frame["session_date"].min() + dt.timedelta(length)
    earlier = build_swing_pivots(frame.filter(pl.col("session_date") <= until), k)
    assert earlier.rows() == build_swing_pivots(frame, k).filter(pl.col("confirmed_date") <= until).rows()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2.0**-9, 2.0, 3.7]))
def test_scaling_prices_scales_pivots(seed: int, scale: float) -> None:
    low = np.exp(np.random.default_rng(seed).standard_normal(200).cumsum() * 0.02)
    frame = bars((low * 1.01).tolist(), low.tolist())
    scaled = build_swing_pivots(frame.with_columns(pl.col("high", "low") * scale))
    expected = build_swing_pivots(frame).with_columns(pl.col("price") * scale)
    assert scaled.equals(expected)


def test_five_minute_bars_carry_their_time() -> None:
    start = dt.datetime(2025, 3, 13, 13, 30, tzinfo=dt.UTC)
    times = [start + dt.timedelta(minutes=5 * i) for i in range(3)]
    frame = pl.DataFrame({"market": "RUT", "session_date": times, "high": [2.0, 3.0, 2.0], "low": [1.0, 1.0, 1.0]})
    assert build_swing_pivots(frame, 1).rows() == [("RUT", times[1], "high", 3.0, times[2])]


def test_bars_out_of_order_and_bars_without_a_high_are_refused() -> None:
    frame = bars([2.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="'RUT' must be together, sorted"):
        build_swing_pivots(frame.reverse(), 1)
    with pytest.raises(ValueError, match="'RUT' must be together"):
        build_swing_pivots(pl.concat([frame, frame.with_columns(market=pl.lit("SPX")), frame]), 1)
    with pytest.raises(ValueError, match=r"high of RUT on .* is None"):
        build_swing_pivots(frame.with_columns(high=pl.Series([2.0, None, 2.0])), 1)
    with pytest.raises(ValueError, match="k = 0"):
        build_swing_pivots(frame, 0)


def test_of_equal_highs_within_k_bars_the_first_is_the_pivot() -> None:
    high = [1.0, 1.0, 3.0, 2.0, 3.0, 2.0, 3.0, 1.0, 1.0]
    frame = bars(high, [0.5] * 9)
    days = frame["session_date"]
    assert build_swing_pivots(frame, 2).rows() == [("RUT", days[2], "high", 3.0, days[4])]
    assert build_swing_pivots(frame, 1)["pivot_date"].to_list() == [days[2], days[4], days[6]], "apart by more than k"


def test_no_bars_no_pivots() -> None:
    none = build_swing_pivots(bars([2.0, 3.0, 2.0], [1.0, 1.0, 1.0]), 5)
    assert len(none) == 0
    assert len(build_swing_pivots(bars([1.0], [1.0]).clear())) == 0
    assert_fits(SwingPivots, none, "confirmed_date")


def test_pivots_of_the_russell_that_a_note_named(real: Path) -> None:
    """The lows at 1921, the August low at 1993 and the March highs at 2114-2116 are pivots, known a week later."""
    frame = pl.read_csv(real / "prices" / "^RUT.csv", try_parse_dates=True).select(
        pl.lit("RUT").alias("market"), session_date="Date", high="High", low="Low"
    )
    pivots = build_swing_pivots(frame.drop_nulls())
    named = pivots.filter(pl.col("pivot_date").is_between(dt.date(2024, 1, 1), dt.date(2024, 8, 31)))
    prices = {(day, kind): (round(price, 1), known) for _, day, kind, price, known in named.rows()}
    assert prices[dt.date(2024, 8, 5), "low"] == (1993.3, dt.date(2024, 8, 12))
    assert prices[dt.date(2024, 3, 8), "high"][0] == 2115.9
