"""The compiled cores of consolidation ranges: between which prices nearly all closes inside the edges lie.

Belongs here: quantiles of a range's closes. Not here: which ranges there are (consolidation_kernels.py).
"""

from typing import Any

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel
from r2k_pipeline.transforms.row_ranges import Floats

CORE = 0.01
"""The core leaves out this share of the closes at either end."""


@helper_kernel
def _count_inside(values: Floats, low: float, high: float) -> int:
    inside = 0
    for i in range(values.size):
        inside += 1 if (values[i] >= low) & (values[i] <= high) else 0
    return inside


@helper_kernel
def _insert(least: Floats, value: float) -> float:
    """Insert a value into the ascending smallest values so far, dropping the largest; returns the largest now."""
    place = least.size - 1
    while place > 0 and value < least[place - 1]:
        least[place] = least[place - 1]
        place -= 1
    least[place] = value
    return float(least[-1])


@helper_kernel
def _core(close: Floats, low: float, high: float) -> tuple[float, float]:
    """CORE quantiles from below and from above of the closes in [low, high]: linear in rank, as numpy's."""
    place = CORE * (_count_inside(close, low, high) - 1)
    rank = int(place)
    least, most = np.full(rank + 2, np.inf), np.full(rank + 2, np.inf)  # `most`: negative closes
    below, above = np.inf, -np.inf
    for i in range(close.size):
        value = close[i]
        if value < below and low <= value <= high:
            below = _insert(least, value)
        if value > above and low <= value <= high:
            above = -_insert(most, -value)
    bottom = least[rank] + (least[rank + 1] - least[rank]) * (place - rank)
    return bottom, -(most[rank] + (most[rank + 1] - most[rank]) * (place - rank))


@exact_kernel
def fill_cores(versions: Any, close: Floats) -> None:
    """Set core_low and core_high of records of `find_ranges`, whose rows are places in `close`."""
    for place in range(versions.size):
        version = versions[place]
        last = version.end if version.end >= 0 else version.row
        version.core_low, version.core_high = _core(close[version.start : last + 1], version.low, version.high)


@exact_kernel
def core_edges(close: Floats, start: Any, row: Any, low: Floats, high: Floats) -> Any:
    """Lower and upper CORE quantile of closes start[i]..row[i] that lie in [low[i], high[i]], for each i: (2, i)."""
    edges = np.empty((2, row.size))
    for i in range(row.size):
        edges[0, i], edges[1, i] = _core(close[start[i] : row[i] + 1], low[i], high[i])
    return edges
