"""Crosses of moving averages, and of the close through them: indicators -> features.moving_average_crosses.

Belongs here: which pairs there are, and what a cross is. Not here: the averages (indicators.py).
"""

from itertools import combinations

import numpy as np
import polars as pl

from r2k_pipeline.transforms.bar_input import KEY, need_columns
from r2k_pipeline.transforms.epochs import without_late_sessions
from r2k_pipeline.transforms.indicators import TIE
from r2k_pipeline.transforms.row_ranges import column_array, symbol_offsets

LINES = {1: "close", **{bars: f"sma_{bars}" for bars in (20, 50, 100, 200)}}
"""Sessions of each average, and its column; 1 is the close itself."""


def build_moving_average_crosses(indicators: pl.DataFrame) -> pl.DataFrame:
    """Rows of `features.daily_indicators` to `features.moving_average_crosses`, sorted by market, session_date, fast,
    slow. Indicators without known_at are of one series, in which no session arrived late; so are their crosses.

    A cross is dated at the close at which the faster was known to be on the other side of the slower than it last was,
    also where a correction of earlier bars put it there. A session that arrived late is left out. Averages nearer than
    TIE touch: the faster is on neither side. Raises ValueError for rows out of order or a missing column.
    """
    from r2k_pipeline.transforms.cross_kernels import cross_directions  # noqa: PLC0415  (imports numba)

    need_columns(indicators, "indicators", (*KEY, *LINES.values()), "r2k_pipeline.daily_indicators(bars) makes it")
    dated = "known_at" in indicators.columns
    indicators = without_late_sessions(indicators) if dated else indicators
    offsets = symbol_offsets(indicators)
    averages = indicators.select(pl.col(LINES.values()).fill_null(float("nan")))
    lines = {bars: column_array(averages, name) for bars, name in LINES.items()}
    direction = np.empty(indicators.height, dtype=np.int8)
    events = []
    for fast, slow in combinations(LINES, 2):
        cross_directions(lines[fast], lines[slow], offsets, TIE, direction)
        rows = np.flatnonzero(direction)
        events.append(
            indicators[rows].select(
                "market",
                "session_date",
                pl.lit(fast, dtype=pl.Int64).alias("fast"),
                pl.lit(slow, dtype=pl.Int64).alias("slow"),
                *(["known_at"] if dated else []),
                pl.Series("direction", np.where(direction[rows] > 0, "up", "down"), dtype=pl.String),
                "close",
            )
        )
    return pl.concat(events).sort("market", "session_date", "fast", "slow")
