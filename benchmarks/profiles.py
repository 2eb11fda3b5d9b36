"""The rolling 250-bar volume profile of universe B: incremental against recomputing every row, compiled and in numpy.

Belongs here: POC, value area and bin width of each bar, the recompute's asserted equal to the last bit, numpy's on some
bars of one symbol to rounding; and how time grows. `python benchmarks/profiles.py [SYMBOLS [BARS [ROUNDS]]]`.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from timing import time_in_turn
from universe import build_universe

from r2k_pipeline.transforms import profile_kernels as kernels
from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.row_ranges import column_array, symbol_offsets
from r2k_pipeline.transforms.volume_profiles import BIN_RATIO, build_volume_profiles

Floats = NDArray[np.float64]
WINDOW = 250
SAMPLE = 600
"""Bars that numpy gets, as it takes a millisecond or more for each."""


class Asked(NamedTuple):
    """What the kernel takes: bars, and of every row with WINDOW bars before it the profile of those."""

    bars: kernels.Bars
    windows: kernels.Windows


@exact_kernel
def recompute_symbol(out: Floats, bars: kernels.Bars, window: int) -> None:
    """The same profiles, every row from an empty histogram and its own bars, the value area walked from the POC."""
    grid = kernels._grid(bars, BIN_RATIO, False)
    edges = grid.edges
    for t in range(window, bars.low.size):
        volume = np.zeros(edges.size)
        magic = kernels._magic(bars.weight[t - window : t].max())
        for bar in range(t - window, t):
            kernels._spread(volume, grid, bar, magic, 1.0)
        filled = np.flatnonzero(volume)
        span = filled[0], filled[-1]
        poc, _ = kernels._point_of_control(volume, span, 0)
        target = kernels.VALUE_AREA_RATIO * kernels._total(volume)
        low, high, _ = kernels._value_area(volume, poc, span, target, np.inf)
        row = t - window
        out[0, row] = (edges[poc] + edges[poc + 1]) / 2
        out[1, row], out[2, row], out[3, row] = edges[low], edges[high + 1], edges[poc + 1] - edges[poc]


@exact_kernel
def bin_edges(bars: kernels.Bars) -> Floats:
    """The edges of the bins of one symbol (prices); what only kernels call has no entry from Python."""
    return kernels._grid(bars, BIN_RATIO, False).edges


def numpy_symbol(out: Floats, bars: kernels.Bars, window: int) -> None:
    """As one would write it in numpy: a window's overlaps with all bins at once, then the two-bin rule in Python."""
    edges = bin_edges(bars)
    low, high, weight = bars.low[:, None], bars.high[:, None], bars.weight[:, None]
    height = np.maximum(high - low, 1e-9)
    for t in range(window, len(low)):
        own = slice(t - window, t)
        overlap = np.minimum(high[own], edges[1:]) - np.maximum(low[own], edges[:-1])
        volume = (np.maximum(overlap, 0) * (weight[own] / height[own])).sum(axis=0)
        filled = np.flatnonzero(volume)
        poc = int(volume.argmax())
        first = last = poc
        while volume[first : last + 1].sum() < kernels.VALUE_AREA_RATIO * volume.sum():
            above, below = volume[last + 1 : last + 3].sum(), volume[first - 2 : first].sum()
            upwards = above >= below and last < filled[-1]
            first, last = (first, min(last + 2, filled[-1])) if upwards else (max(first - 2, filled[0]), last)
        row = t - window
        out[:4, row] = (edges[poc] + edges[poc + 1]) / 2, edges[first], edges[last + 1], edges[poc + 1] - edges[poc]


def as_asked(bars: pl.DataFrame) -> Asked:
    """`bars` with the windows of all rows that have one, for the kernel."""
    low, high, close, volume = (column_array(bars, name) for name in ("low", "high", "close", "volume"))
    rows, offsets = np.arange(len(bars)), symbol_offsets(bars)
    row = rows[rows - WINDOW >= np.repeat(offsets[:-1], np.diff(offsets))]
    wanted = np.ones(row.size, bool)
    windows = kernels.Windows(row - WINDOW, row, close[row], wanted, np.searchsorted(row, offsets))
    return Asked(kernels.Bars(low, high, volume), windows)


def by_symbol(function: Callable[[Floats, kernels.Bars, int], None], out: Floats, bars: pl.DataFrame) -> None:
    """Run a contender that takes one symbol at a time."""
    asked = as_asked(bars)
    columns = pairwise(asked.windows.offsets)
    for (a, b), (first, end) in zip(pairwise(symbol_offsets(bars)), columns, strict=True):
        function(out[:, first:end], kernels.Bars(*(column[a:b] for column in asked.bars)), WINDOW)


def main(symbols: str = "2000", bars: str = "2500", rounds: str = "3") -> None:
    """Assert equality, then time; nanoseconds a row, and how many times the incremental profile's."""
    universe = build_universe(int(symbols), int(bars))
    sample = universe.head(min(SAMPLE, int(bars)))
    half = universe.filter(pl.int_range(pl.len()).over("market") < int(bars) // 2)
    asked, of_half = as_asked(universe), as_asked(half)
    profiles, of_sample = asked.windows.end.size, sample.height - WINDOW
    out, other, with_nodes = (np.full((rows, profiles), np.nan) for rows in (4, 4, 8))
    half_out = np.full((4, of_half.windows.end.size), np.nan)

    def incremental(made: Floats, asked: Asked) -> Callable[[], None]:
        return lambda: kernels.fill_profiles(made, asked.bars, asked.windows, BIN_RATIO, False)

    runs: dict[str, Callable[[], object]] = {
        "incremental": incremental(out, asked),
        "recompute, compiled": lambda: by_symbol(recompute_symbol, other, universe),
        "recompute, numpy": lambda: by_symbol(numpy_symbol, other, sample),
        "incremental, with nodes": incremental(with_nodes, asked),
        "whole table, two threads": lambda: build_volume_profiles(universe, (f"rolling_{WINDOW}",)),
        "incremental, half the bars": incremental(half_out, of_half),
    }
    for name, run in runs.items():
        run()
        if name == "recompute, compiled":
            np.testing.assert_array_equal(out, other)
    np.testing.assert_allclose(out[:, :of_sample], other[:, :of_sample], rtol=1e-12)
    np.testing.assert_array_equal(out, with_nodes[:4])

    rows = dict.fromkeys(runs, profiles) | {
        "recompute, numpy": of_sample,
        "incremental, half the bars": half_out.shape[1],
    }
    times = time_in_turn(runs, int(rounds))
    print(f"{symbols} symbols x {bars} bars, windows of {WINDOW}, median of {rounds} rounds in turn; ns a row")
    print(f"{'':28}{'wall':>10}{'CPU':>10}   times as long (CPU)")
    per_row = {name: (taken.wall / rows[name] * 1e9, taken.cpu / rows[name] * 1e9) for name, taken in times.items()}
    for name, (wall, cpu) in per_row.items():
        print(f"{name:28}{wall:10.0f}{cpu:10.0f}{cpu / per_row['incremental'][1]:15.1f}x")
    grown = times["incremental"].cpu / times["incremental, half the bars"].cpu
    print(f"twice the bars take {grown:.2f}x the time")


if __name__ == "__main__":
    main(*sys.argv[1:])
