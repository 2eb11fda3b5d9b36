"""Consolidation ranges of universe B against the cost of its indicators, and against twice the history.

Belongs here: measuring. `python benchmarks/consolidations.py [SYMBOLS]`, by default 2,000; in turn, medians of 5.
"""

import statistics
import sys
import time
from collections.abc import Callable

import polars as pl
from polars.testing import assert_frame_equal
from universe import BARS, SYMBOLS, build_universe

from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.indicators import build_daily_indicators

ROUNDS = 5


def median_seconds(tasks: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median wall time of each task, the tasks taking turns; one round that is not counted warms them up."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def show(times: dict[str, float], rows: int) -> None:
    """One line a task: seconds, and nanoseconds per bar of the universe."""
    for name, seconds in times.items():
        print(f"{name:<40} {seconds:8.3f} s {seconds / rows * 1e9:8.0f} ns/bar")


def main(symbols: int) -> None:
    """Assert that a batch equals its symbols one by one, then measure and print ratios."""
    bars = build_universe(symbols)
    some = [part for (_,), part in bars.head(20 * BARS).group_by("market", maintain_order=True)]
    assert_frame_equal(build_consolidations(bars.head(20 * BARS)), pl.concat(map(build_consolidations, some)))
    half = build_universe(symbols, BARS // 2)
    times = median_seconds(
        {
            "indicators": lambda: build_daily_indicators(bars),
            "consolidations": lambda: build_consolidations(bars),
            "consolidations, half the history": lambda: build_consolidations(half),
        }
    )
    show(times, bars.height)
    print(f"to indicators: {times['consolidations'] / times['indicators']:.2f} (at most 1)")
    ratio = times["consolidations"] / times["consolidations, half the history"]
    print(f"twice the bars: {ratio:.2f} x the time (at most 2.2)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SYMBOLS)
