"""Compiled sums and bounds for the search of consolidation ranges: at which bars a tight span may end, and how long.

Belongs here: values computed for every bar, in loops that vectorise. Not here: the search itself and its constants
(consolidation_kernels.py); they are passed, as numba's cache would not notice that a constant of another file changed.
"""

from typing import Any

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers


@helper_kernel
def _sums(close: Floats, unit: float, log_close: Floats, squares: Integers) -> None:
    """Logs of the closes, and running sums of their squared steps, the first 0, in whole units.

    Differences of whole numbers do not depend on where the closes begin.
    """
    for row in range(close.size):
        log_close[row] = np.log(close[row])
    squares[0] = 0
    for row in range(1, close.size):
        step = log_close[row] - log_close[row - 1]
        squares[row] = squares[row - 1] + np.int64(step * step / unit + 0.5)


@helper_kernel
def _larger(x: Floats, later: Floats, out: Floats) -> None:
    """The larger of x[i] and later[i], at i."""
    for i in range(later.size):
        out[i] = x[i] if x[i] > later[i] else later[i]


@helper_kernel
def _mark(
    high: Floats, low: Floats, lag: int, new: Integers, old: Integers, slack: float, flag: int, flags: Any
) -> None:
    """Set `flag` where the square of a range is at most `slack` times the sum of squared returns new[i] - old[i].

    The range is the larger of high[i] and high[i + lag] plus the same of `low`, the negative lows.
    """
    bit, later_high, later_low = np.uint32(flag), high[lag:], low[lag:]
    for i in range(flags.size):
        top = high[i] if high[i] > later_high[i] else later_high[i]
        bottom = low[i] if low[i] > later_low[i] else later_low[i]
        log_range = top + bottom
        flags[i] |= bit if log_range * log_range <= slack * (new[i] - old[i]) else np.uint32(0)


@helper_kernel
def _mark_blocks(log_close: Floats, padded: Integers, blocks: Integers, slack: float, chances: Any) -> None:
    """Fill the chances of one market; `padded`: as many zeros as the longest span has closes, then the sums."""
    high, low = log_close.copy(), -log_close  # of the `window` closes from each row on; negative lows
    next_high, next_low = np.empty(high.size), np.empty(high.size)
    before, window = blocks[-1] - 1, 1
    for block in range(blocks.size - 1):
        shortest, longest = blocks[block], blocks[block + 1] - 1
        if shortest > high.size:
            break
        while 2 * window <= shortest:
            _larger(high, high[window:], next_high)
            _larger(low, low[window:], next_low)
            high, low, next_high, next_low, window = next_high, next_low, high, low, 2 * window
        new, old = padded[before + shortest - 1 :], padded[before + shortest - longest :]
        _mark(high, low, shortest - window, new, old, slack, 1 << block, chances[shortest - 1 :])


@exact_kernel
def find_chances(
    close: Floats,
    offsets: Integers,
    blocks: Integers,
    tight: float,
    unit: float,
    log_close: Floats,
    squares: Integers,
    chances: Any,
) -> None:
    """Fill, market by market, logs of closes, and running sums of squared log returns in whole `unit`s.

    `chances` (uint32): of each row, as bits, the blocks of lengths blocks[i]..blocks[i + 1] - 1 that may hold a span of
    tightness `tight` or less that ends there. A block may if the range of its shortest span is at most what the squared
    returns of its longest allow.
    """
    slack = unit * tight**2 * blocks[0] / (blocks[0] - 1) * (1 + 1e-9)
    for market in range(offsets.size - 1):
        first, end = offsets[market], offsets[market + 1]
        padded = np.zeros(blocks[-1] - 1 + end - first, np.int64)
        sums = padded[blocks[-1] - 1 :]
        _sums(close[first:end], unit, log_close[first:end], sums)
        for row in range(end - first):
            squares[first + row], chances[first + row] = sums[row], 0
        _mark_blocks(log_close[first:end], padded, blocks, slack, chances[first:end])
