"""Compiled loops over which of two averages is above: crosses, and the order of three. Not here: averages, frames."""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers


@helper_kernel
def _side(fast: float, slow: float, tie: float) -> int:
    """1 if `fast` is above `slow`, -1 if below, 0 if they differ by no more than tie * slow or one is NaN."""
    gap, touch = fast - slow, tie * slow
    return 1 if gap > touch else (-1 if gap < -touch else 0)


@exact_kernel
def cross_directions(fast: Floats, slow: Floats, offsets: Integers, tie: float, out: NDArray[np.int8]) -> None:
    """1 where `fast` came above `slow`, -1 where it came below, else 0, symbol by symbol.

    The side at a bar is compared with the last side that was not 0: a touch alone is not a cross, but going through a
    touch to the other side is.
    """
    for symbol in range(len(offsets) - 1):
        last = 0
        for i in range(offsets[symbol], offsets[symbol + 1]):
            now = _side(fast[i], slow[i], tie)
            out[i] = now if now * last < 0 else 0
            last = now if now != 0 else last


@exact_kernel
def order_codes(a: Floats, b: Floats, c: Floats, tie: float, out: NDArray[np.uint32]) -> None:
    """The sides of (a, b), (a, c) and (b, c), each 0, 1 or 2 (for -1), as digits to base 3; 27 where one is NaN."""
    for i in range(len(a)):
        ab, ac, bc = _side(a[i], b[i], tie), _side(a[i], c[i], tie), _side(b[i], c[i], tie)
        out[i] = 27 if np.isnan(a[i] + b[i] + c[i]) else 9 * (ab % 3) + 3 * (ac % 3) + bc % 3
