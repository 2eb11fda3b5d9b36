"""Daily indicators of any number of markets: bars in, one row of indicators per bar out.

Belongs here: frames, nulls, the order of averages. Not here: the arithmetic (indicator_kernels.py over windows,
smoothing_kernels.py over all of history).
Definitions, units: tables/indicators.py. Reference: TA-Lib, equal to 1e-9 but where nothing has moved: RSI, DI and ADX
are null there.
"""

from datetime import date
from itertools import pairwise, product

import numpy as np
import polars as pl

from r2k_pipeline.transforms.bar_input import sound_bars
from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.row_ranges import (
    Floats,
    Integers,
    column_array,
    physical_array,
    rows_since,
    symbol_offsets,
)

COLUMNS = (
    "return_1d",
    "rsi_14",
    "sma_20",
    "sma_50",
    "sma_100",
    "sma_200",
    "ema_20",
    "macd",
    "macd_signal",
    "macd_histogram",
    "atr_14",
    "bollinger_upper",
    "bollinger_lower",
    "high_252d",
    "low_252d",
    "realised_volatility_20d",
    "drawdown_ratio",
    "ema_50",
    "ema_200",
    "adx_14",
    "plus_di_14",
    "minus_di_14",
    "rsi_30_trigger_close",
    "rsi_70_trigger_close",
    "sma_50_200_trigger_close",
)
"""The rows that the kernels fill, in contract order; moving_average_order and missing_sessions_252d come before the
last OPTIONAL ones.
"""
OPTIONAL = 8
"""The averages, the directional movement and the trigger closes at the end of COLUMNS: benchmarks leave them out."""
YEAR_SESSIONS = 252
"""Sessions that count as a year."""

TIE = 1e-10
"""Relative difference below which two averages are equal. Rounding of a mean is far smaller (1e-15); one cent in one of
200 closes makes more (5e-10 at a price of 100,000)."""


def build_daily_indicators(bars: pl.DataFrame, *, since: date | None = None) -> pl.DataFrame:
    """Rows of `staging.market_bars` to rows of `features.daily_indicators`, one for one, in the same order.

    All bars count, rows come out from the session `since` on. If `bars` have `session_number`, the ordinal of a session
    in the exchange's calendar, return_1d is null where the previous bar is not of the previous session, and
    missing_sessions_252d counts what is missing; without it bars are taken as consecutive. All other columns count
    bars. Raises ValueError if a market's bars are not together and ascending, and as sound_bars does.
    """
    bars = sound_bars(bars, "high", "low", "close")
    offsets, keys = symbol_offsets(bars), bars.select("market", "session_date", "close")
    high, low, close = (column_array(bars, name) for name in ("high", "low", "close"))
    number = physical_array(bars["session_number"]) if "session_number" in bars.columns else np.arange(bars.height)
    wanted = rows_since(bars, since)

    def build(first: int, last: int) -> pl.DataFrame:
        rows = slice(offsets[first], offsets[last])
        values, starts = np.empty((len(COLUMNS), rows.stop - rows.start)), offsets[first : last + 1] - rows.start
        fill_indicators(high[rows], low[rows], close[rows], starts, values)
        values[0, 1:][np.diff(number[rows]) != 1] = np.nan
        missing = missing_sessions(number[rows], starts)
        own = wanted[slice(*np.searchsorted(wanted, [rows.start, rows.stop]))]
        if since is not None:
            values, missing = values[:, own - rows.start], missing[own - rows.start]
        columns = pl.DataFrame(dict(zip(COLUMNS, values, strict=True)), nan_to_null=True).get_columns()
        order = moving_average_order(*(values[COLUMNS.index(name)] for name in ("sma_50", "sma_100", "sma_200")))
        counted = pl.Series("missing_sessions_252d", missing)
        return keys[own].hstack([*columns[:-OPTIONAL], order, counted, *columns[-OPTIONAL:]])

    return pl.concat(map_batches(build, offsets))


def missing_sessions(number: Integers, offsets: Integers) -> Integers:
    """How many numbers are left out between the first and the last of each market's last YEAR_SESSIONS bars."""
    rows = np.arange(number.size)
    first = np.maximum(rows - YEAR_SESSIONS + 1, np.repeat(offsets[:-1], np.diff(offsets)))
    return number - number[first] - (rows - first)


def fill_indicators(high: Floats, low: Floats, close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the rows COLUMNS of `out` (len(COLUMNS) x bars) market by market; NaN means not defined.

    The last OPTIONAL rows of `out` may be left out. Prices as column_array gives them, positive, `offsets` as
    symbol_offsets does. Holds no lock while it computes.
    """
    from r2k_pipeline.transforms.indicator_kernels import window_indicators  # noqa: PLC0415  (imports numba)
    from r2k_pipeline.transforms.smoothing_kernels import smoothed_indicators  # noqa: PLC0415

    window_indicators(high, low, close, offsets, out)
    smoothed_indicators(high, low, close, offsets, out)


def moving_average_order(sma_50: Floats, sma_100: Floats, sma_200: Floats) -> pl.Series:
    """The three averages from the highest to the lowest as text, `100>50>200`; null where one is NaN.

    `=` joins two that differ by less than TIE of themselves, the shorter first.
    """
    from r2k_pipeline.transforms.cross_kernels import order_codes  # noqa: PLC0415  (imports numba)

    codes = np.empty(len(sma_50), dtype=np.uint32)
    order_codes(sma_50, sma_100, sma_200, TIE, codes)
    texts = [*(_order_text(*signs) for signs in product(range(3), repeat=3)), None]
    return pl.Series("moving_average_order", texts, dtype=pl.String).gather(codes)


def _order_text(*signs: int) -> str:
    """Text for the pairs (50, 100), (50, 200), (100, 200): 0 equal, 1 first above, 2 second above."""
    pairs_below, equal = dict.fromkeys((50, 100, 200), 0), set()
    for pair, sign in zip(((50, 100), (50, 200), (100, 200)), signs, strict=True):
        if sign:
            pairs_below[pair[sign - 1]] += 1
        else:
            equal.add(frozenset(pair))
    ordered = sorted(pairs_below, key=lambda bars: (-pairs_below[bars], bars))
    joints = ("=" if frozenset(pair) in equal else ">" for pair in pairwise(ordered))
    return str(ordered[0]) + "".join(f"{joint}{bars}" for joint, bars in zip(joints, ordered[1:], strict=True))
