"""Daily indicators of any number of markets: bars in, one row of indicators per bar out.

Belongs here: frames, nulls, the order of averages. Not here: the arithmetic (indicator_kernels.py over windows,
smoothing_kernels.py over all of history).
Definitions, units: contracts/indicators.py. Reference: TA-Lib, equal to 1e-9 but for an all-flat RSI (null).
"""

from itertools import product

import numpy as np
import polars as pl

from r2k_pipeline.transforms.indicator_input import price_array
from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.symbols import Floats, Integers, symbol_offsets

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
    "rsi_30_trigger_close",
    "rsi_70_trigger_close",
    "sma_50_200_trigger_close",
)
"""The rows that the kernel fills, in contract order; moving_average_order comes before the last three."""
TRIGGERS = 3

TIE = 1e-10
"""Relative difference below which two averages are equal: far above the rounding of a mean (1e-15), and at prices
below 100,000 below what a cent in one of 200 closes makes (5e-10)."""


def build_daily_indicators(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows of `staging.market_bars` to rows of `features.daily_indicators`, one for one, in the same order.

    Raises ValueError if a market's bars are not together and ascending, or a high, low or close is no positive number.
    """
    offsets, keys = symbol_offsets(bars), bars.select("market", "session_date", "close")
    high, low, close = (price_array(bars, name) for name in ("high", "low", "close"))

    def build(first: int, last: int) -> pl.DataFrame:
        rows = slice(offsets[first], offsets[last])
        values = np.empty((len(COLUMNS), rows.stop - rows.start))
        fill_indicators(high[rows], low[rows], close[rows], offsets[first : last + 1] - rows.start, values)
        columns = pl.DataFrame(dict(zip(COLUMNS, values, strict=True)), nan_to_null=True).get_columns()
        order = moving_average_order(*(values[COLUMNS.index(name)] for name in ("sma_50", "sma_100", "sma_200")))
        return keys[rows].hstack([*columns[:-TRIGGERS], order, *columns[-TRIGGERS:]])

    return pl.concat(map_batches(build, offsets))


def fill_indicators(high: Floats, low: Floats, close: Floats, offsets: Integers, out: Floats) -> None:
    """Fill the rows COLUMNS of `out` (len(COLUMNS) x bars) market by market; NaN means not defined.

    An `out` without its last TRIGGERS rows gets no trigger closes. Prices as price_array gives them, `offsets` as
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
    pairs = dict(zip(((50, 100), (50, 200), (100, 200)), signs, strict=True))
    above = {bars: sum(sign and pair[sign - 1] == bars for pair, sign in pairs.items()) for bars in (50, 100, 200)}
    first, second, third = sorted(above, key=lambda bars: (-above[bars], bars))
    join = [">" if pairs[min(a, b), max(a, b)] else "=" for a, b in ((first, second), (second, third))]
    return f"{first}{join[0]}{second}{join[1]}{third}"
