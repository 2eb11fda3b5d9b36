"""Crosses of moving averages, and of the close through them: bars -> features.moving_average_crosses.

Belongs here: which pairs there are, and what a cross is. Not here: the averages' arithmetic (indicator_kernels.py).
"""

from itertools import combinations

import numpy as np
import polars as pl

from r2k_pipeline.transforms.indicator_input import price_array
from r2k_pipeline.transforms.indicators import TIE
from r2k_pipeline.transforms.symbols import symbol_offsets

LENGTHS = (1, 20, 50, 100, 200)
"""Sessions of each average; 1 is the close itself."""


def build_moving_average_crosses(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows of `staging.market_bars` to `features.moving_average_crosses`, sorted by market, session_date, fast, slow.

    A cross is dated at the close that put the faster on the other side of the slower than it last was. Nearer than TIE
    is a touch, on neither side. Raises ValueError for bars that build_daily_indicators refuses.
    """
    from r2k_pipeline.transforms.cross_kernels import cross_directions  # noqa: PLC0415  (imports numba)
    from r2k_pipeline.transforms.indicator_kernels import averages  # noqa: PLC0415

    offsets, close = symbol_offsets(bars), price_array(bars, "close")
    lines = np.empty((len(LENGTHS), len(close)))
    averages(close, offsets, lines)
    direction = np.empty(len(close), dtype=np.int8)
    events = []
    for fast, slow in combinations(range(len(LENGTHS)), 2):
        cross_directions(lines[fast], lines[slow], offsets, TIE, direction)
        rows = np.flatnonzero(direction)
        events.append(
            bars.select("market", "session_date", "close")[rows].select(
                "market",
                "session_date",
                pl.lit(LENGTHS[fast], dtype=pl.Int64).alias("fast"),
                pl.lit(LENGTHS[slow], dtype=pl.Int64).alias("slow"),
                pl.Series("direction", np.where(direction[rows] > 0, "up", "down"), dtype=pl.String),
                "close",
            )
        )
    return pl.concat(events).sort("market", "session_date", "fast", "slow")
