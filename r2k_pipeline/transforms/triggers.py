"""Trigger closes: the price at which RSI will stand at a given value next session, for any target and length.

Belongs here: the question asked of bars. Not here: its closed form (smoothing_kernels._trigger) or the three fixed
triggers that features.daily_indicators carries.
"""

import numpy as np
import polars as pl

from r2k_pipeline.transforms.row_ranges import price_array, symbol_offsets


def build_rsi_triggers(bars: pl.DataFrame, target: float, window: int = 14) -> pl.DataFrame:
    """`market`, `session_date`, `close` of bars, and `trigger_close` (same unit): the next session's close that gives
    Wilder's RSI over `window` sessions the value `target`.

    Null for the first `window` sessions, while nothing has moved, and where no positive close does. Raises ValueError
    for a target outside 0..100 (both excluded), a window below 2 (RSI(1) has no memory: every close gives 0 or 100)
    and for bars that build_daily_indicators refuses.
    """
    from r2k_pipeline.transforms.smoothing_kernels import rsi_triggers  # noqa: PLC0415  (imports numba)

    if not 0 < target < 100 or window < 2:
        raise ValueError(f"target {target}, window {window}: need 0 < target < 100 and a window of at least 2 sessions")
    offsets, close = symbol_offsets(bars), price_array(bars, "close")
    trigger = np.empty_like(close)
    rsi_triggers(close, offsets, float(window), float(target), trigger)
    return bars.select("market", "session_date", "close", pl.Series("trigger_close", trigger, nan_to_null=True))
