"""Universe B: a made-up stock market to measure on, 2,000 symbols x 2,500 daily bars unless told otherwise.

Belongs here: the one generator that every benchmark reads, deterministic by seed. Not here: measuring, or the
pipeline's own sample source. As a script it writes Parquet: `python benchmarks/universe.py OUT [SYMBOLS BARS SEED]`.
"""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

SYMBOLS, BARS, SEED = 2_000, 2_500, 7
FIRST_SESSION = date(2015, 1, 2)


def build_universe(symbols: int = SYMBOLS, bars: int = BARS, seed: int = SEED) -> pl.DataFrame:
    """Bars of `symbols` random walks in the columns of `staging.market_bars`, sorted by market and session_date.

    Prices are USD in whole cents (ties and flat days occur), 2 % a day, volumes log-normal; weekdays are sessions.
    """
    random = np.random.default_rng(seed)
    close, open_, high, low, volume = (np.empty(symbols * bars) for _ in range(5))
    for first in range(0, symbols * bars, bars):
        part = slice(first, first + bars)
        walk = np.cumsum(random.normal(2e-4, 0.02, bars)) + np.log(random.uniform(20, 400))
        close[part] = np.exp(walk)
        open_[part] = close[part] * np.exp(random.normal(0, 0.005, bars))
        high[part] = np.maximum(open_[part], close[part]) * np.exp(random.exponential(0.006, bars))
        low[part] = np.minimum(open_[part], close[part]) * np.exp(-random.exponential(0.006, bars))
        volume[part] = np.round(np.exp(random.normal(14, 0.5, bars)))
    prices = {
        name: np.maximum(np.round(values, 2), 0.01)
        for name, values in {"open": open_, "high": high, "low": low, "close": close}.items()
    }
    last = FIRST_SESSION + timedelta(days=2 * bars + 7)
    weekdays = pl.date_range(FIRST_SESSION, last, eager=True).to_frame("day").filter(pl.col("day").dt.weekday() <= 5)
    market = pl.Series([f"S{number:05d}" for number in range(symbols)])
    return pl.DataFrame(
        {
            "market": market.gather(np.repeat(np.arange(symbols), bars)),
            "session_date": weekdays["day"].head(bars).gather(np.tile(np.arange(bars), symbols)),
            **prices,
            "volume": volume,
        }
    ).with_columns(
        volume_symbol=pl.col("market"),
        known_at=pl.col("session_date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=21),
    )


def write_universe(out: Path, symbols: int = SYMBOLS, bars: int = BARS, seed: int = SEED) -> None:
    """The universe as Parquet (lz4), one row group per 40 symbols."""
    build_universe(symbols, bars, seed).write_parquet(out, compression="lz4", row_group_size=40 * bars)


def main(out: str = "", *sizes: str) -> None:
    """Write the universe to the file `out`; without one, say what it would be."""
    symbols, bars, seed = [int(size) for size in sizes] + [SYMBOLS, BARS, SEED][len(sizes) :]
    if out:
        write_universe(Path(out), symbols, bars, seed)
    print(f"universe{' in ' + out if out else ''}: {symbols} symbols x {bars} bars, {symbols * bars} rows, seed {seed}")


if __name__ == "__main__":
    main(*sys.argv[1:])
