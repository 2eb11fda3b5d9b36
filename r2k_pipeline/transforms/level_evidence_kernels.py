"""The compiled searches for evidence of levels. Belongs here: arrays only. Not here: frames and dates."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats, Integers

YEAR = np.dtype([("high", "i8"), ("low", "i8"), ("next", "i8")])
"""A finished year: the rows of its highest high and lowest low, each the first of equals, and the next year's first."""


@exact_kernel
def standing(values: Floats, unit: Floats, units: float, offsets: Integers, hold: int) -> tuple[Integers, Integers]:
    """Where a moving reference has stood within `units` times `unit` of one value for `hold` rows, and is news.

    `unit` is that of each row; series i has the rows from offsets[i] on. News is what lies further than that from what
    stood before, or the first thing that stands. NaN, in values or unit, ends what stands. Returns (rows at which the
    value was reached, rows by which it had stood).
    """
    since, stood = np.empty(values.size, np.int64), np.empty(values.size, np.int64)
    count = 0
    for series in range(offsets.size - 1):
        here = last = np.nan
        start = offsets[series]
        for row in range(offsets[series], offsets[series + 1]):
            tolerance = units * unit[row]
            if not abs(values[row] - here) <= tolerance:
                here, start = values[row], row
            if row - start == hold and not abs(here - last) <= tolerance:
                since[count], stood[count] = start, row
                last = here
                count += 1
    return since[:count], stood[:count]


@exact_kernel
def first_equal(
    close: Floats, day: Integers, offsets: Integers, market: Integers, since: Integers, value: Floats
) -> Integers:
    """The row of each market's first close from day `since` on that equals `value`, -1 where none does."""
    rows = np.full(value.size, -1, np.int64)
    for place in range(value.size):
        first, end = offsets[market[place]], offsets[market[place] + 1]
        row = first + np.searchsorted(day[first:end], since[place])
        while row < end and close[row] != value[place]:
            row += 1
        rows[place] = row if row < end else -1
    return rows


@exact_kernel
def year_extremes(high: Floats, low: Floats, day: NDArray[np.int32], new_years: Integers, offsets: Integers) -> Any:
    """YEAR records of every market (its rows from offsets[i] on), in order.

    `new_years` are the days (counted as `day` is) on which years begin, in order, the last one after every `day`.
    """
    years = np.empty((offsets.size - 1) * new_years.size, YEAR)
    count = 0
    for market in range(offsets.size - 1):
        highest = lowest = offsets[market]
        year = np.searchsorted(new_years, day[highest], "right")
        for row in range(offsets[market] + 1, offsets[market + 1]):
            if day[row] >= new_years[year]:
                while day[row] >= new_years[year]:
                    year += 1
                years[count].high, years[count].low, years[count].next = highest, lowest, row
                count += 1
                highest = lowest = row
            if high[row] > high[highest]:
                highest = row
            if low[row] < low[lowest]:
                lowest = row
    return years[:count]
