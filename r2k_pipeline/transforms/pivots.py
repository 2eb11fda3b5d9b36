"""Swing pivots: bars -> features.swing_pivots.

Belongs here: a bar's extreme against its neighbours and the session that confirms it. Not here: zones.
"""

import polars as pl

from r2k_pipeline.transforms.bar_input import sound_bars
from r2k_pipeline.transforms.row_ranges import column_array, symbol_offsets


def build_swing_pivots(bars: pl.DataFrame, k: int = 5) -> pl.DataFrame:
    """Confirmed pivots of every market, sorted by market, pivot_date, kind.

    `bars`: market, session_date, high, low; sorted by market and session_date, any bar size. A bar is a high
    (low) pivot if its high (low) is strictly above (below) those of the `k` bars before it and none of the `k` bars
    after it goes beyond: of equal ones within `k` bars the first. confirmed_date is the session of the last of these
    bars. Raises ValueError for k < 1 or rows out of order, and as
    sound_bars does.
    """
    from r2k_pipeline.transforms.pivot_kernels import find_pivots  # noqa: PLC0415  (imports numba)

    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k = {k}: a pivot needs a whole number of bars on either side, at least one")
    bars = sound_bars(bars, "high", "low")
    rows, is_low = find_pivots(column_array(bars, "high"), column_array(bars, "low"), symbol_offsets(bars), k)
    lows = pl.Series(is_low)
    return bars.select("market", "session_date", "high", "low")[rows].select(
        "market",
        pl.col("session_date").alias("pivot_date"),
        pl.when(lows).then(pl.lit("low")).otherwise(pl.lit("high")).alias("kind"),
        pl.when(lows).then("low").otherwise("high").alias("price"),
        bars.get_column("session_date")[rows + k].alias("confirmed_date"),
    )
