"""Compiled search for swing pivots. Belongs here: arrays only. Not here: frames and dates."""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers


@helper_kernel
def _stands_out(price: Floats, t: int, k: int, sign: float) -> bool:
    """Whether sign x price[t] is strictly above that of the k bars before and not below that of the k bars after."""
    here = sign * price[t]
    d = 1
    while d <= k and here > sign * price[t - d] and here >= sign * price[t + d]:
        d += 1
    return d > k


@exact_kernel
def find_pivots(high: Floats, low: Floats, offsets: Integers, k: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Rows of all pivots in ascending order (a bar that is both comes twice, its high first), and which are lows."""
    room = 2 * (high.size // (k + 1) + offsets.size)  # two pivots of a kind are more than k bars apart
    rows = np.empty(room, np.int64)
    is_low = np.empty(room, np.bool_)
    found = 0
    for s in range(offsets.size - 1):
        for t in range(offsets[s] + k, offsets[s + 1] - k):
            if _stands_out(high, t, k, 1.0):
                rows[found], is_low[found] = t, False
                found += 1
            if _stands_out(low, t, k, -1.0):
                rows[found], is_low[found] = t, True
                found += 1
    return rows[:found], is_low[:found]
