"""Older bars change no digit of what does not depend on them, else adding them would ask for a restatement.

Profiles and ranges: test_volume_profiles.py, test_consolidations.py.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.transforms.anchored_vwaps import build_anchored_vwaps
from r2k_pipeline.transforms.crosses import build_moving_average_crosses
from r2k_pipeline.transforms.indicators import COLUMNS, build_daily_indicators
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.weekly_indicators import build_weekly_indicators
from tests.unit.transforms.test_volume_profiles import random_bars

SMOOTHED: Final = {
    *("rsi_14", "ema_20", "ema_50", "ema_200", "macd", "macd_signal", "macd_histogram", "atr_14", "drawdown_ratio"),
    *("adx_14", "plus_di_14", "minus_di_14", "rsi_30_trigger_close", "rsi_70_trigger_close"),
}
"""Columns that depend on all bars before: exponential smoothing, and the highest close so far."""
WARM_UP: Final = 300
"""Sessions after which every window is full."""
LAST: Final = 1_500
DAY: Final = date(2022, 1, 3)


def crosses(bars: pl.DataFrame) -> pl.DataFrame:
    return build_moving_average_crosses(build_daily_indicators(bars))


def vwaps(bars: pl.DataFrame) -> pl.DataFrame:
    return build_anchored_vwaps(bars, days=[DAY])


@pytest.mark.parametrize(
    ("build", "key", "values"),
    [
        (build_daily_indicators, ["session_date"], [name for name in COLUMNS if name not in SMOOTHED]),
        (build_daily_indicators, ["session_date"], ["moving_average_order"]),
        (build_swing_pivots, ["pivot_date", "kind"], ["price", "confirmed_date"]),
        (crosses, ["session_date", "fast", "slow"], ["direction", "close"]),
        (vwaps, ["session_date", "anchor"], ["anchor_date", "vwap", "sessions"]),
    ],
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), older=st.integers(1, LAST - 2 * WARM_UP))
def test_older_bars_change_no_digit(
    build: Callable[[pl.DataFrame], pl.DataFrame], key: Sequence[str], values: Sequence[str], seed: int, older: int
) -> None:
    bars = random_bars(seed, LAST)
    late = pl.col(key[0]) >= bars["session_date"][older + WARM_UP]
    alone, longer = (build(rows).filter(late).select(*key, *values) for rows in (bars[older:], bars))
    if build is vwaps:  # one that begins with these bars may begin earlier
        begun = pl.col("anchor_date") >= bars["session_date"][older + 11]
        alone, longer = alone.filter(begun), longer.filter(begun)
    assert alone.height
    assert_frame_equal(alone, longer, check_exact=True)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), weeks=st.integers(1, 60))
def test_older_bars_change_no_digit_of_a_weekly_average(seed: int, weeks: int) -> None:
    bars = random_bars(seed, 7 * 300)
    begins = bars["session_date"][0] + timedelta(weeks=weeks)
    late = pl.col("session_date") >= begins + timedelta(weeks=210)
    columns = ["session_date", "close", "return_1w", "sma_50w", "sma_100w", "sma_200w", "missing_sessions"]
    alone, longer = (
        build_weekly_indicators(rows).filter(late).select(columns)
        for rows in (bars.filter(pl.col("session_date") >= begins), bars)
    )
    assert alone.height
    assert_frame_equal(alone, longer, check_exact=True)
