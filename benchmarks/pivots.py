"""Swing pivots of universe B (5 bars on either side): ours against Polars expressions and pandas, rows asserted equal.

Belongs here: bars in memory to the table in memory. `python benchmarks/pivots.py [SYMBOLS [BARS [ROUNDS]]]`.
"""

import sys

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from timing import time_in_turn
from universe import build_universe

from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.pivots import build_swing_pivots

K = 5
KEY = ["market", "pivot_date", "kind"]


def with_polars(bars: pl.DataFrame) -> pl.DataFrame:
    """Rolling extremes of the K bars before and after, as window expressions."""

    def stands_out(name: str, sign: int) -> pl.Expr:
        price = sign * pl.col(name)
        before = price.rolling_max(K).shift(1)
        after = price.reverse().rolling_max(K).shift(1).reverse()
        return ((price > before) & (price >= after)).over("market").alias(f"is_{name}")

    marked = bars.lazy().select(
        "market",
        "high",
        "low",
        pl.col("session_date").alias("pivot_date"),
        stands_out("high", 1),
        stands_out("low", -1),
        pl.col("session_date").shift(-K).over("market").alias("confirmed_date"),
    )
    kinds = [
        marked.filter(f"is_{kind}").select(
            "market", "pivot_date", pl.lit(kind).alias("kind"), pl.col(kind).alias("price"), "confirmed_date"
        )
        for kind in ("high", "low")
    ]
    return pl.concat(kinds).sort(KEY).collect()


def with_pandas(bars: pd.DataFrame) -> pd.DataFrame:
    """Rolling extremes by market, as in most recipes."""

    def stands_out(price: pd.Series) -> NDArray[np.bool_]:
        past = price.groupby(bars["market"], observed=True).rolling(K).max().to_numpy()
        market = bars["market"].to_numpy()
        before, after = np.roll(past, 1), np.roll(past, -K)
        same = (np.roll(market, K) == market) & (np.roll(market, -K) == market)
        same[:K] = same[-K:] = False
        return same & (price.to_numpy() > before) & (price.to_numpy() >= after)

    confirmed = bars["session_date"].shift(-K)
    parts = [
        bars.assign(kind=kind, price=bars[kind], confirmed_date=confirmed)[stands_out(sign * bars[kind])]
        for kind, sign in (("high", 1), ("low", -1))
    ]
    return pd.concat(parts).rename(columns={"session_date": "pivot_date"}).sort_values(KEY)


def main(symbols: str = "2000", bars: str = "2500", rounds: str = "5") -> None:
    """Assert that all find the same pivots, then time all in turn; medians and ratios."""
    universe = build_universe(int(symbols), int(bars))
    frame = universe.select("market", "session_date", "high", "low").to_pandas()
    frame["market"] = frame["market"].astype("category")
    half = universe.filter(pl.int_range(pl.len()).over("market") < int(bars) // 2)
    runs = {
        "ours": lambda: build_swing_pivots(universe, K),
        "Polars expressions": lambda: with_polars(universe),
        "pandas": lambda: with_pandas(frame),
        "our indicators": lambda: build_daily_indicators(universe),
        "ours, half of the bars": lambda: build_swing_pivots(half, K),
    }
    made = {name: run() for name, run in runs.items()}
    ours = made["ours"]
    assert ours.equals(made["Polars expressions"])
    assert np.array_equal(ours["price"].to_numpy(), made["pandas"]["price"].to_numpy())
    assert np.array_equal(ours["kind"].to_numpy(), made["pandas"]["kind"].to_numpy())
    count = len(ours)
    del made, ours
    times = time_in_turn(runs, int(rounds))
    print(f"{symbols} symbols x {bars} bars, {count} pivots, median of {rounds} rounds in turn")
    for name, taken in times.items():
        print(f"{name:26}{taken.wall:8.3f} s{taken.wall / times['ours'].wall:10.2f}x")


if __name__ == "__main__":
    main(*sys.argv[1:])
