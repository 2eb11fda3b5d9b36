"""Consolidation ranges of universe B against the cost of its indicators, and against twice the history.

Belongs here: measuring. `python benchmarks/consolidations.py [SYMBOLS]`, by default 2,000; in turn, medians of 5.
"""

import sys

import polars as pl
from polars.testing import assert_frame_equal
from timing import ratio, show_per_bar, time_in_turn
from universe import BARS, SYMBOLS, build_universe

from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.indicators import build_daily_indicators


def main(symbols: int) -> None:
    """Assert that a batch equals its symbols one by one, then measure and print ratios."""
    bars = build_universe(symbols)
    some = [part for (_,), part in bars.head(20 * BARS).group_by("market", maintain_order=True)]
    assert_frame_equal(build_consolidations(bars.head(20 * BARS)), pl.concat(map(build_consolidations, some)))
    half = build_universe(symbols, BARS // 2)
    times = time_in_turn(
        {
            "indicators": lambda: build_daily_indicators(bars),
            "consolidations": lambda: build_consolidations(bars),
            "consolidations, half the history": lambda: build_consolidations(half),
        }
    )
    show_per_bar(times, bars.height)
    print(f"to indicators: {ratio(times, 'consolidations', 'indicators')}, at most 1")
    print(f"twice the bars: {ratio(times, 'consolidations', 'consolidations, half the history')}, at most 2.2")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SYMBOLS)
