"""The daily indicators of universe B, arithmetic only: ours against TA-Lib, polars-talib and Polars expressions.

Belongs here: 17 columns that all can make, asserted equal, then timed in turn; and ours with eight more of its own.
Not here: input and output (indicators_io.py). `python benchmarks/indicators.py [SYMBOLS [BARS [ROUNDS]]]`.
polars-talib takes part where it is installed: it is no dependency of this project.
"""

import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray
from timing import time_in_turn
from universe import build_universe

from r2k_pipeline.transforms.indicators import COLUMNS, OPTIONAL, fill_indicators
from r2k_pipeline.transforms.row_ranges import price_array, symbol_offsets

Floats = NDArray[np.float64]
SHARED = COLUMNS[:-OPTIONAL]
YEAR = np.sqrt(252)
BATCH = 40
"""Symbols of one task of a thread."""


def fill_with_talib(high: Floats, low: Floats, close: Floats, out: Floats) -> None:
    """One symbol's SHARED columns into the rows of `out`; numpy where TA-Lib has no function."""
    out[0, 1:] = close[1:] / close[:-1] - 1
    out[1] = talib.RSI(close, 14)
    for row, bars in enumerate((20, 50, 100, 200), start=2):
        out[row] = talib.SMA(close, bars)
    out[6] = talib.EMA(close, 20)
    out[7], out[8], out[9] = talib.MACD(close, 12, 26, 9)
    out[10] = talib.ATR(high, low, close, 14)
    out[11], _, out[12] = talib.BBANDS(close, 20, 2, 2)
    out[13] = talib.MAX(high, 252)
    out[14] = talib.MIN(low, 252)
    out[15, 1:] = talib.STDDEV(np.diff(np.log(close)), 20) * (YEAR * np.sqrt(20 / 19))
    out[16] = close / np.maximum.accumulate(close) - 1


def polars_talib_columns() -> list[pl.Expr]:
    """SHARED as expressions of polars-talib, Polars where it has no function."""
    import polars_talib as plta  # noqa: PLC0415  (not always there)

    high, low, close = pl.col("high"), pl.col("low"), pl.col("close")
    macd, bands = plta.macd(close, 12, 26, 9), plta.bbands(close, 20, 2.0, 2.0, 0)
    return [
        close / close.shift() - 1,
        plta.rsi(close, 14),
        *(plta.sma(close, bars) for bars in (20, 50, 100, 200)),
        plta.ema(close, 20),
        macd.struct.field("macd"),
        macd.struct.field("macdsignal"),
        macd.struct.field("macdhist"),
        plta.atr(high, low, close, 14),
        bands.struct.field("upperband"),
        bands.struct.field("lowerband"),
        plta.max(high, 252),
        plta.min(low, 252),
        close.log().diff().rolling_std(20) * YEAR,
        close / close.cum_max() - 1,
    ]


def seeded(x: pl.Expr, seed_at: int, bars: int, weight: float) -> pl.Expr:
    """Exponential smoothing from a simple mean of `bars` values at row `seed_at`."""
    row = pl.int_range(pl.len())
    start = pl.when(row == seed_at).then(x.rolling_mean(bars)).when(row > seed_at).then(x)
    return start.ewm_mean(alpha=weight, adjust=False, ignore_nulls=True)


def polars_columns() -> list[pl.Expr]:
    """SHARED as plain Polars expressions."""
    high, low, close = pl.col("high"), pl.col("low"), pl.col("close")
    move = close.diff()
    gain, loss = (seeded(side.clip(lower_bound=0), 14, 14, 1 / 14) for side in (move, -move))
    true_range = pl.max_horizontal(high, close.shift()) - pl.min_horizontal(low, close.shift())
    early = seeded(close, 25, 12, 2 / 13) - seeded(close, 25, 26, 2 / 27)
    signal, macd = seeded(early, 33, 9, 2 / 10), pl.when(pl.int_range(pl.len()) >= 33).then(early)
    middle, width = close.rolling_mean(20), 2 * close.rolling_std(20, ddof=0)
    return [
        close / close.shift() - 1,
        100 * gain / (gain + loss),
        *(close.rolling_mean(bars) for bars in (20, 50, 100, 200)),
        seeded(close, 19, 20, 2 / 21),
        macd,
        signal,
        macd - signal,
        seeded(true_range, 14, 14, 1 / 14),
        middle + width,
        middle - width,
        high.rolling_max(252),
        low.rolling_min(252),
        close.log().diff().rolling_std(20) * YEAR,
        close / close.cum_max() - 1,
    ]


def contenders(bars: pl.DataFrame, made: list[Floats]) -> dict[str, Callable[[], pl.DataFrame | None]]:
    """Name -> one run over all of `bars`: into `made`, a buffer a batch (rows as SHARED), or a new frame of SHARED."""
    high, low, close = (price_array(bars, name) for name in ("high", "low", "close"))
    offsets = symbol_offsets(bars)
    markets = range(0, len(offsets) - 1, BATCH)
    batches = [offsets[first : first + BATCH + 1] for first in markets]

    def with_ours(batch: int) -> None:
        ends = batches[batch]
        rows = slice(ends[0], ends[-1])
        fill_indicators(high[rows], low[rows], close[rows], ends - ends[0], made[batch])

    def with_talib(batch: int) -> None:
        start = batches[batch][0]
        for a, b in pairwise(batches[batch].tolist()):
            fill_with_talib(high[a:b], low[a:b], close[a:b], made[batch][:, a - start : b - start])

    def on(threads: int, task: Callable[[int], None]) -> Callable[[], None]:
        def run() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(task, range(len(batches))))

        return run

    def with_expressions(columns: list[pl.Expr]) -> Callable[[], pl.DataFrame]:
        named = [column.over("market").alias(name) for name, column in zip(SHARED, columns, strict=True)]
        return lambda: bars.select(named)

    runs: dict[str, Callable[[], pl.DataFrame | None]] = {
        "TA-Lib loop, one thread": on(1, with_talib),
        "TA-Lib loop, two threads": on(2, with_talib),
        "ours, one thread": on(1, with_ours),
        "ours, two threads": on(2, with_ours),
        "Polars expressions": with_expressions(polars_columns()),
    }
    if importlib.util.find_spec("polars_talib"):
        runs["polars-talib"] = with_expressions(polars_talib_columns())
    return runs


def assert_equal(name: str, made: Floats | pl.DataFrame, reference: Floats) -> None:
    """Raises AssertionError naming the column that differs by more than 1e-9 (a frame 1e-7: rolling sums drift)."""
    tolerance = 1e-7 if isinstance(made, pl.DataFrame) else 1e-9
    for row, column in enumerate(SHARED):
        values = made[column].fill_null(np.nan).to_numpy() if isinstance(made, pl.DataFrame) else made[row]
        np.testing.assert_allclose(values, reference[row], rtol=tolerance, atol=tolerance, err_msg=f"{name}: {column}")


def main(symbols: str = "2000", bars: str = "2500", rounds: str = "5") -> None:
    """Warm up and compare every contender with TA-Lib, then time all of them in turn; medians and ratios."""
    universe = build_universe(int(symbols), int(bars))
    sizes = [part * int(bars) for part in np.diff([*range(0, int(symbols), BATCH), int(symbols)])]
    buffers, wider = ([np.empty((len(names), size)) for size in sizes] for names in (SHARED, COLUMNS))
    runs, reference = contenders(universe, buffers), np.empty((0, 0))
    with_all = {f"{name}, all columns": run for name, run in contenders(universe, wider).items() if "ours" in name}
    for name, run in (runs | with_all).items():
        filled = wider if name in with_all else buffers
        for buffer in filled:
            buffer[:] = np.nan
        frame = run()
        made = np.hstack(filled)[: len(SHARED)] if frame is None else frame
        if reference.size:
            assert_equal(name, made, reference)
        else:
            reference = made
    del reference, made, frame
    times = time_in_turn(runs | with_all, int(rounds))
    print(f"{symbols} symbols x {bars} bars, {len(SHARED)} columns, median of {rounds} rounds in turn")
    print(f"{'':28}{'s':>8}{'CPU s':>8}{'ours 1 thread':>16}{'ours 2 threads':>16}   times as fast")
    for name, taken in times.items():
        one, two = (taken.wall / times[f"ours, {threads}"].wall for threads in ("one thread", "two threads"))
        print(f"{name:28}{taken.wall:8.3f}{taken.cpu:8.3f}{one:15.2f}x{two:15.2f}x")
    if "polars-talib" not in runs:
        print("polars-talib: not installed, left out")


if __name__ == "__main__":
    main(*sys.argv[1:])
