"""The compiled search for references that stand still. Belongs here: arrays only. Not here: frames and dates."""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@exact_kernel
def standing(values: Floats, tolerance: Floats, is_first: NDArray[np.bool_], hold: int) -> tuple[Integers, Integers]:
    """Where a moving reference has stood within `tolerance` of one value for `hold` rows, and is news.

    `is_first` marks the first row of each series. News is what lies further than `tolerance` from what stood before, or
    the first thing that stands. NaN, in values or tolerance, ends what stands. Returns (rows at which the value was
    reached, rows by which it had stood).
    """
    since, stood = np.empty(values.size, np.int64), np.empty(values.size, np.int64)
    count = start = 0
    here = last = np.nan
    for row in range(values.size):
        if is_first[row]:
            here = last = np.nan
        if not abs(values[row] - here) <= tolerance[row]:
            here, start = values[row], row
        if row - start == hold and not abs(here - last) <= tolerance[row]:
            since[count], stood[count] = start, row
            last = here
            count += 1
    return since[:count], stood[:count]
