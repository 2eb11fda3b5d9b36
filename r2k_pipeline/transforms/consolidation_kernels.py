"""The compiled search for consolidation ranges in one market's closes.

Belongs here: arrays and records. Not here: frames and dates (consolidations.py). A span is tried at a bar only where the
range of its shortest part leaves it a chance; the ranges of all trailing spans come from windows of doubling length. So
the cost is linear in the bars, with a bound of LONGEST steps for a bar.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel

TIGHT = 0.8
"""A span of closes is tight at or below this ratio of its log range to that of a random walk's scale, sigma sqrt(n)."""
SHORTEST, LONGEST = 40, 1_000
"""Sessions in a span when it is confirmed; it may grow longer."""
APART = 1.25
"""Two open ranges were at least this ratio apart in length when the later was confirmed."""
CLOSES_OUTSIDE = 10
"""A range has ended after so many closes outside in a row: two weeks (the note's first construction saw six)."""
CORE = 0.01
"""The core leaves out this share of the closes at either end."""

BLOCKS = np.append(np.floor(SHORTEST * APART ** np.arange(15)), LONGEST + 1).astype(np.int64)
"""Spans are tried in blocks of lengths BLOCKS[i]..BLOCKS[i + 1] - 1."""
LEVELS = int(np.log2(LONGEST)) + 1

RANGE = np.dtype(
    [(name, "i4") for name in ("start", "first_row", "last_inside", "outside")]
    + [(name, "f8") for name in ("low", "high", "span_low", "span_high", "span_log_range")]
)
"""An open range. `low`, `high`: its edges; `span_*`: of all closes since `start`, those outside the edges too."""
VERSION = np.dtype(
    [(name, "i4") for name in ("start", "first_row", "row", "parent", "end")]
    + [(name, "f8") for name in ("low", "high", "core_low", "core_high", "tightness")]
)
"""A range as known from the bar `row` on; `parent` and `end` are rows, -1 for none."""

Floats = NDArray[np.float64]


@exact_kernel
def _windows(log_close: Floats) -> tuple[Floats, Floats]:
    """Highest and lowest of the 2**level values that end at each row: two arrays (LEVELS, rows)."""
    highs, lows = np.empty((LEVELS, log_close.size)), np.empty((LEVELS, log_close.size))
    highs[0] = lows[0] = log_close
    for level in range(1, LEVELS):
        half = 1 << (level - 1)
        early = min(half, log_close.size)
        highs[level, :early], lows[level, :early] = highs[level - 1, :early], lows[level - 1, :early]
        for row in range(half, log_close.size):
            highs[level, row] = max(highs[level - 1, row], highs[level - 1, row - half])
            lows[level, row] = min(lows[level - 1, row], lows[level - 1, row - half])
    return highs, lows


@exact_kernel
def _level(length: int) -> int:
    """The longest window of doubling length that fits in `length`."""
    level = 0
    while 2 << level <= length:
        level += 1
    return level


@exact_kernel
def _chances(highs: Floats, lows: Floats, squares: Floats) -> Any:
    """Of each row, as bits, the blocks that may hold a tight span: its range is at least that of the block's shortest
    span, its deviation at most what the squared returns of the longest allow."""
    bits = np.zeros(squares.size, np.uint32)
    slack = TIGHT**2 * SHORTEST / (SHORTEST - 1) * (1 + 1e-9)
    for block in range(BLOCKS.size - 1):
        shortest, longest = BLOCKS[block], BLOCKS[block + 1] - 1
        level = _level(shortest)
        back = shortest - (1 << level)
        for row in range(shortest - 1, squares.size):
            high = max(highs[level, row], highs[level, row - back])
            low = min(lows[level, row], lows[level, row - back])
            allowed = slack * (squares[row] - squares[max(row - longest + 1, 0)])
            bits[row] |= np.uint32((high - low) ** 2 <= allowed) << np.uint32(block)
    return bits


@exact_kernel
def _tightness(log_range: float, log_close: Floats, squares: Floats, start: int, row: int) -> float:
    """log(high / low) / (sigma sqrt(n)), sigma the population deviation of the returns inside the span of n closes."""
    returns = row - start
    spread = squares[row] - squares[start] - (log_close[row] - log_close[start]) ** 2 / returns
    return log_range / np.sqrt(spread * (returns + 1) / returns)


@exact_kernel
def _candidates(log_close: Floats, squares: Floats, highs: Floats, lows: Floats, row: int, block: int, out: Any) -> int:
    """Write length and tightness of the block's tight spans that are no less tight one close shorter or longer."""
    length = BLOCKS[block] - 1
    level = _level(length)
    back = row - length + (1 << level)
    high, low = max(highs[level, row], highs[level, back]), min(lows[level, row], lows[level, back])
    found = 0
    for start in range(row - length, max(row - BLOCKS[block + 1] + 1, 0), -1):
        shorter = high - low
        high, low = max(high, log_close[start]), min(low, log_close[start])
        before = log_close[start - 1]
        if low <= before <= high:
            continue  # a longer span has the same range and more deviation
        here = _tightness(high - low, log_close, squares, start, row)
        if (
            here <= TIGHT
            and here <= _tightness(shorter, log_close, squares, start + 1, row)
            and here < _tightness(max(high, before) - min(low, before), log_close, squares, start - 1, row)
        ):
            out[found, 0], out[found, 1] = row - start + 1, here
            found += 1
    return found


@exact_kernel
def _core_edge(close: Floats, sign: float) -> float:
    """The CORE quantile of sign x close, times sign: linear between the two order statistics around it, as numpy's."""
    place = CORE * (close.size - 1)
    rank = int(place)
    least = np.full(rank + 2, np.inf)
    for value in close:
        spot = rank + 1
        if sign * value < least[spot]:
            while spot > 0 and sign * value < least[spot - 1]:
                least[spot] = least[spot - 1]
                spot -= 1
            least[spot] = sign * value
    return sign * (least[rank] + (least[rank + 1] - least[rank]) * (place - rank))


@exact_kernel
def _write(version: Any, ranges: Any, which: int, row: int, end: int, close: Floats, log_close: Floats) -> None:
    """Describe the open range `which` as known at `row`; its parent is the one that started last before it."""
    here = ranges[which]
    version.start, version.first_row, version.row, version.end = here.start, here.first_row, row, end
    version.low, version.high, version.parent = here.low, here.high, -1
    for other in ranges:
        if version.parent < other.start < here.start:
            version.parent = other.start
    span = slice(here.start, (end if end >= 0 else row) + 1)
    closes = close[span]
    inside = closes[(closes >= here.low) & (closes <= here.high)]
    version.core_low, version.core_high = _core_edge(inside, 1.0), _core_edge(inside, -1.0)
    logs = log_close[span]
    version.tightness = (logs.max() - logs.min()) / (np.std(np.diff(logs)) * np.sqrt(logs.size))


@exact_kernel
def _meet(here: Any, row: int, close: float, log_close: Floats, squares: Floats) -> bool:
    """Let a range meet a close: it widens to all of its span while that is tight, else the close is inside or outside.

    Returns whether its edges moved.
    """
    if close < here.span_low or close > here.span_high:
        here.span_low, here.span_high = min(here.span_low, close), max(here.span_high, close)
        here.span_log_range = np.log(here.span_high / here.span_low)
    is_tight = _tightness(here.span_log_range, log_close, squares, here.start, row) <= TIGHT
    moved = is_tight and (here.low != here.span_low or here.high != here.span_high)
    if is_tight:
        here.low, here.high = here.span_low, here.span_high
    if here.low <= close <= here.high:
        here.outside, here.last_inside = 0, row
    else:
        here.outside += 1
    return moved


@exact_kernel
def _without_ended(ranges: Any, alive: int) -> int:
    """Close the gaps that ended ranges leave; returns how many go on."""
    kept = 0
    for which in range(alive):
        if ranges[which].outside < CLOSES_OUTSIDE:
            ranges[kept] = ranges[which]
            kept += 1
    return kept


@exact_kernel
def _pick(found: Any, count: int, ranges: Any, row: int) -> int:
    """Length of the tightest candidate whose length is APART from that of every open range; 0 if there is none."""
    best, least = 0, np.inf
    for candidate in range(count):
        length, is_apart = int(found[candidate, 0]), True
        for here in ranges:
            other = row - here.start + 1
            is_apart &= max(length, other) >= APART * min(length, other)
        if is_apart and found[candidate, 1] < least:
            best, least = length, found[candidate, 1]
    return best


@exact_kernel
def _open(here: Any, row: int, length: int, close: Floats) -> None:
    """Confirm the span of `length` closes that ends at `row`."""
    here.start, here.first_row, here.last_inside, here.outside = row - length + 1, row, row, 0
    span = close[here.start : row + 1]
    here.low = here.span_low = span.min()
    here.high = here.span_high = span.max()
    here.span_log_range = np.log(here.high / here.low)


@exact_kernel
def _with_room(records: Any, used: int, wanted: int) -> Any:
    """The records, or a copy twice as long if fewer than `wanted` are free."""
    if records.size - used >= wanted:
        return records
    longer = np.empty(2 * records.size + wanted, records.dtype)
    longer[:used] = records[:used]
    return longer


@exact_kernel
def find_ranges(close: Floats) -> Any:
    """VERSION records of all ranges in one market's closes, in the order that they were known in.

    A range has a version when it is confirmed, whenever its edges move, and when its end is known.
    """
    log_close = np.log(close / close[0])
    squares = np.zeros(close.size)
    squares[1:] = np.cumsum(np.diff(log_close) ** 2)
    highs, lows = _windows(log_close)
    chances = _chances(highs, lows, squares)
    found = np.empty((LONGEST, 2))
    ranges, versions = np.empty(BLOCKS.size, RANGE), np.empty(BLOCKS.size, VERSION)
    alive = known = 0
    for row in range(close.size):
        versions = _with_room(versions, known, alive + BLOCKS.size)  # no two picks of a bar come from one block
        for which in range(alive):
            here = ranges[which]
            moved = _meet(here, row, close[row], log_close, squares)
            if moved or here.outside == CLOSES_OUTSIDE:
                end = here.last_inside if here.outside else -1
                _write(versions[known], ranges[:alive], which, row, end, close, log_close)
                known += 1
        alive = _without_ended(ranges, alive)
        if not chances[row]:
            continue
        ranges = _with_room(ranges, alive, BLOCKS.size)
        count = 0
        for block in range(BLOCKS.size - 1):
            if chances[row] >> block & 1:
                count += _candidates(log_close, squares, highs, lows, row, block, found[count:])
        length = _pick(found, count, ranges[:alive], row)
        while length:
            _open(ranges[alive], row, length, close)
            _write(versions[known], ranges[: alive + 1], alive, row, -1, close, log_close)
            alive, known = alive + 1, known + 1
            length = _pick(found, count, ranges[:alive], row)
    return versions[:known]
