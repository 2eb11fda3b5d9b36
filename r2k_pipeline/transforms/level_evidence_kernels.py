"""The compiled searches for evidence of levels. Belongs here: arrays only. Not here: frames and dates."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats, Integers

YEAR = np.dtype([("high", "i8"), ("low", "i8"), ("next", "i8")])
"""A finished year: the rows of its highest high and lowest low, each the first of equals, and the next year's first."""


@exact_kernel
def standing(values: Floats, tolerance: Floats, offsets: Integers, hold: int) -> tuple[Integers, Integers]:
    """Where a moving reference has stood within `tolerance` of one value for `hold` rows, and is news.

    Series i has the rows from offsets[i] on. News is what lies further than `tolerance` from what stood before, or the
    first thing that stands. NaN, in values or tolerance, ends what stands. Returns (rows at which the value was
    reached, rows by which it had stood).
    """
    since, stood = np.empty(values.size, np.int64), np.empty(values.size, np.int64)
    count = 0
    for series in range(offsets.size - 1):
        here = last = np.nan
        start = offsets[series]
        for row in range(offsets[series], offsets[series + 1]):
            if not abs(values[row] - here) <= tolerance[row]:
                here, start = values[row], row
            if row - start == hold and not abs(here - last) <= tolerance[row]:
                since[count], stood[count] = start, row
                last = here
                count += 1
    return since[:count], stood[:count]


@exact_kernel
def year_extremes(high: Floats, low: Floats, year: NDArray[np.int32], offsets: Integers) -> Any:
    """YEAR records of every market (its rows from offsets[i] on), in order."""
    years = np.empty(np.count_nonzero(np.diff(year)), YEAR)  # as many at least: markets change years too
    count = 0
    for market in range(offsets.size - 1):
        highest = lowest = offsets[market]
        for row in range(offsets[market] + 1, offsets[market + 1]):
            if year[row] != year[row - 1]:
                years[count].high, years[count].low, years[count].next = highest, lowest, row
                count += 1
                highest = lowest = row
            if high[row] > high[highest]:
                highest = row
            if low[row] < low[lowest]:
                lowest = row
    return years[:count]
