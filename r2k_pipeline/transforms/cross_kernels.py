"""Compiled loop that finds where one series crosses another. Not here: averages, frames (crosses.py)."""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats, Integers


@exact_kernel
def cross_directions(fast: Floats, slow: Floats, offsets: Integers, tie: float, out: NDArray[np.int8]) -> None:
    """1 where `fast` came above `slow`, -1 where it came below, else 0, symbol by symbol.

    The side at a bar is compared with the last side that was not a touch (|fast - slow| <= tie * slow, or NaN), so a
    touch is no cross and a way through a touch is one.
    """
    for symbol in range(len(offsets) - 1):
        side = 0
        for i in range(offsets[symbol], offsets[symbol + 1]):
            gap, touch = fast[i] - slow[i], tie * slow[i]
            now = 1 if gap > touch else (-1 if gap < -touch else 0)
            out[i] = now if now * side < 0 else 0
            side = now if now != 0 else side
