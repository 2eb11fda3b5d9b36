"""The compiled search for consolidation ranges: tight spans of one market's closes, confirmed, widened, ended.

Belongs here: arrays and records; all in one file, as numba's cache does not notice a change in a kernel of another one.
Not here: frames and dates (consolidations.py), which lengths may be tight at a bar (consolidation_chances.py), cores
(consolidation_cores.py). The rules are in `build_consolidations`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel, inner_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

TIGHT = 0.8
"""A span of closes is tight at or below this ratio of its log range to that of a random walk's scale, sigma sqrt(n)."""
SHORTEST, LONGEST = 40, 1_000
"""Sessions in a span when it is confirmed; it may grow longer."""
APART = 1.25
"""Two open ranges were at least this ratio apart in length when the later was confirmed."""

HALVES = np.arange(2 * np.log(LONGEST / SHORTEST) / np.log(APART)) / 2
BLOCKS = np.append(np.floor(SHORTEST * APART**HALVES), LONGEST + 1).astype(np.int64)
"""Block i is the lengths BLOCKS[i]..BLOCKS[i + 1] - 1; two blocks for each factor APART.

The blocks in which a span may be tight at a bar, its chances, are one number: bit i is set for block i (32 at most)."""

UNIT = 2.0**-52
"""Of sums of squared log returns, which are whole numbers of it: 64 bits hold 10,000 sessions of moves of 45 %."""

CLOSES_OUTSIDE = 10
"""A range has ended after so many closes outside in a row: two weeks (the note's first construction saw six)."""
RANGE = np.dtype(
    [(name, "i4") for name in ("start", "first_row", "last_inside", "outside")]
    + [(name, "f8") for name in ("low", "high", "span_low", "span_high", "span_log_range")]
)
"""An open range; its rows are places among the market's closes.

`start`, `first_row`: where it begins and where it was confirmed. `outside`: how many closes in a row, up to now, are
outside its edges `low` and `high`. `span_*`: of all closes since `start`, those outside the edges too."""
VERSION = np.dtype(
    [(name, "i4") for name in ("start", "first_row", "row", "parent", "end")]
    + [(name, "f8") for name in ("low", "high", "core_low", "core_high", "tightness")]
)
"""A range as known from the bar `row` on; `parent` and `end` are rows, -1 for none."""

ZERO = np.int64(0)
"""Start of counters passed to kernels: for a literal 0 numba would compile the called function a second time."""


class Closes(NamedTuple):
    """Closes of one market, and what `find_chances` makes of them: their logs, running sums of squared log returns
    in UNITs."""

    close: Floats
    log_close: Floats
    squares: Integers


class Chain(NamedTuple):
    """The closes that lie above all later ones (in another chain: below), in order.

    Of the closes 3, 5, 4, 2 that is 5, 4, 2; after one more, of 4.5, it is 5, 4.5. So the highest close from any row on
    is the first in the chain that is not before that row. `rows` are those of the closes, `values` their logs (in the
    other chain: negative). Place 0 has row -1, at infinity.
    """

    rows: NDArray[np.int32]
    values: Floats


@inner_kernel
def _tightness(log_range: float, closes: Closes, start: int, row: int) -> float:
    """log(high / low) / (sigma sqrt(n)), sigma the population deviation of the returns inside the span of n closes."""
    returns = row - start
    total = closes.log_close[row] - closes.log_close[start]
    spread = UNIT * (closes.squares[row] - closes.squares[start]) - total * total / returns
    return float(log_range / np.sqrt(spread * (returns + 1) / returns))


@inner_kernel
def _is_tight(log_range: float, closes: Closes, start: int, row: int) -> bool:
    """Whether _tightness is at most TIGHT, without a division or a root; for most spans nothing else is computed."""
    returns = row - start
    total = closes.log_close[row] - closes.log_close[start]
    spread = returns * UNIT * (closes.squares[row] - closes.squares[start]) - total * total
    return bool((log_range * returns) ** 2 <= TIGHT**2 * (returns + 1) * spread)


@inner_kernel
def _extend(chain: Chain, end: int, joined: int, log_close: Floats, row: int, sign: float) -> int:
    """Add the rows after `joined` up to `row` to a chain that ends at place `end`; returns its new end.

    `sign` is 1 for the closes above all later ones, -1 for those below. New ones are found backwards, at the end of the
    arrays; then they replace those that do not exceed the highest of them.
    """
    first, highest = chain.rows.size, -np.inf
    for new in range(row, joined, -1):
        value = sign * log_close[new]
        if value > highest:
            first -= 1
            chain.rows[first], chain.values[first], highest = new, value, value
    while chain.values[end] <= highest:
        end -= 1
    for place in range(first, chain.rows.size):
        end += 1
        chain.rows[end], chain.values[end] = chain.rows[place], chain.values[place]
    return end


@inner_kernel
def _log_range(above: Chain, high: int, below: Chain, low: int, start: int) -> float:
    """The log range of the closes from `start` on; `high`, `low`: places in the chains that are not after `start`."""
    while above.rows[high] < start:
        high += 1
    while below.rows[low] < start:
        low += 1
    return float(above.values[high] + below.values[low])


@inner_kernel
def _if_candidate(closes: Closes, above: Chain, high: int, below: Chain, low: int, before: int, row: int) -> float:
    """Tightness of the span from just after `before` to `row` if that is a candidate, else infinity."""
    start = before + 1
    log_range = _log_range(above, high, below, low, start)
    if not _is_tight(log_range, closes, start, row):
        return np.inf
    here = _tightness(log_range, closes, start, row)
    shorter = _log_range(above, high, below, low, start + 1)
    is_least = here <= _tightness(shorter, closes, start + 1, row)  # false where a span of equal closes has none
    if not is_least:
        return np.inf
    longer = _log_range(above, high, below, low, before)
    return here if here < _tightness(longer, closes, before, row) else np.inf


@inner_kernel
def _candidates(
    closes: Closes, above: Chain, high: int, below: Chain, low: int, row: int, blocks: int, found: Floats
) -> int:
    """Write length and tightness of the candidates in `blocks` that end at `row`; returns how many.

    A candidate (see `build_consolidations`) starts just after a close that lies outside all later ones. These closes
    are in the two chains, which end at the places `high` and `low`: the search goes from one to the one `before` it.
    """
    count = 0
    for block in range(BLOCKS.size - 1):
        if not blocks >> block & 1:
            continue
        shortest, longest = BLOCKS[block], BLOCKS[block + 1] - 1
        while above.rows[high] > row - shortest:
            high -= 1
        while below.rows[low] > row - shortest:
            low -= 1
        before = max(above.rows[high], below.rows[low])
        while before >= max(row - longest, 0):
            tightness = _if_candidate(closes, above, high, below, low, before, row)
            if tightness < np.inf:
                found[count, 0], found[count, 1] = row - before, tightness
                count += 1
            if above.rows[high] == before:
                high -= 1
            else:
                low -= 1
            before = max(above.rows[high], below.rows[low])
    return count


@inner_kernel
def _extremes(values: Floats) -> tuple[float, float]:
    """Lowest and highest value, in two halves at once, because each comparison depends on the one before."""
    half = values.size // 2
    low = high = low_2 = high_2 = values[-1]
    for i in range(half):
        first, second = values[i], values[half + i]
        low, high = first if first < low else low, first if first > high else high
        low_2, high_2 = second if second < low_2 else low_2, second if second > high_2 else high_2
    return min(low, low_2), max(high, high_2)


@inner_kernel
def _write(version: Any, here: Any, row: int, closes: Closes) -> None:
    """Write the version of a range as known at `row`, without its parent."""
    has_ended = here.outside == CLOSES_OUTSIDE
    version.start, version.first_row, version.row = here.start, here.first_row, row
    version.low, version.high, version.end = here.low, here.high, here.last_inside if has_ended else -1
    last = here.last_inside if has_ended else row
    low, high = _extremes(closes.log_close[here.start : last + 1])
    version.tightness = _tightness(high - low, closes, here.start, last)


@inner_kernel
def _write_parents(versions: Any, first: int, end: int, ranges: Any, alive: int, of_ended: bool) -> None:
    """Set the parents of the versions first..end - 1 that are an end (`of_ended`), or of the others.

    The parent is the range around it that started last. All ranges have met the bar by then. Ends come first, while the
    ranges that end are still in the list.
    """
    for place in range(first, end):
        version = versions[place]
        if (version.end >= 0) != of_ended:
            continue
        version.parent = -1
        for other in range(alive):
            is_around = ranges[other].low <= version.low and ranges[other].high >= version.high
            if is_around and version.parent < ranges[other].start < version.start:
                version.parent = ranges[other].start


@inner_kernel
def _meet(here: Any, row: int, closes: Closes) -> bool:
    """Apply a close to a range: it widens to its whole span if that is tight, else the close is inside or outside.

    Beyond LONGEST it has ended: no candidate is longer, and a series that always comes back would keep all its ranges.

    Returns whether its edges moved or it ended.
    """
    close = closes.close[row]
    if close < here.span_low or close > here.span_high:
        here.span_low, here.span_high = min(here.span_low, close), max(here.span_high, close)
        here.span_log_range = np.log(here.span_high / here.span_low)
    is_wider = here.low != here.span_low or here.high != here.span_high
    has_moved = is_wider and _is_tight(here.span_log_range, closes, here.start, row)
    if has_moved:
        here.low, here.high = here.span_low, here.span_high
    if here.low <= close <= here.high:
        here.outside, here.last_inside = 0, row
    else:
        here.outside += 1
    if row - here.start >= LONGEST:
        here.outside = CLOSES_OUTSIDE
    return bool(has_moved or here.outside == CLOSES_OUTSIDE)


@inner_kernel
def _without_ended(ranges: Any, alive: int) -> int:
    """Close the gaps that ended ranges leave; returns how many go on."""
    kept = 0
    for which in range(alive):
        if ranges[which].outside < CLOSES_OUTSIDE:
            if kept < which:
                ranges[kept] = ranges[which]
            kept += 1
    return kept


@inner_kernel
def _pick(found: Any, count: int, ranges: Any, alive: int, row: int) -> int:
    """Length of the tightest candidate whose length is APART from that of every open range; 0 if there is none."""
    best, least = 0, np.inf
    for candidate in range(count):
        length, is_apart = int(found[candidate, 0]), True
        for which in range(alive):
            other = row - ranges[which].start + 1
            is_apart &= max(length, other) >= APART * min(length, other)
        if is_apart and found[candidate, 1] < least:
            best, least = length, found[candidate, 1]
    return best


@inner_kernel
def _free_blocks(chances: int, ranges: Any, alive: int, row: int) -> int:
    """The chances, except blocks whose lengths are all too near to that of an open range."""
    for which in range(alive):
        length = row - ranges[which].start + 1
        for block in range(BLOCKS.size - 1):
            if length < APART * BLOCKS[block] and BLOCKS[block + 1] - 1 < APART * length:
                chances &= ~(1 << block)
    return chances


@inner_kernel
def _open(here: Any, row: int, length: int, close: Floats) -> None:
    """Confirm the span of `length` closes that ends at `row`."""
    here.start, here.first_row, here.last_inside, here.outside = row - length + 1, row, row, 0
    low, high = _extremes(close[here.start : row + 1])
    here.low = here.span_low = low
    here.high = here.span_high = high
    here.span_log_range = np.log(here.high / here.low)


@helper_kernel
def _doubled(records: Any, used: int) -> Any:
    """A copy of the records with twice the places."""
    longer = np.empty(2 * records.size, records.dtype)
    for place in range(used):
        longer[place] = records[place]
    return longer


@helper_kernel
def _add_ranges(closes: Closes, chances: Any, versions: Any, known: int) -> Any:
    """Append the versions of one market's ranges to the `known` ones; returns the array and how many are known now.

    At each bar: its close changes the open ranges (a version each), those that ended go, and the tightest candidates
    are confirmed one by one, as long as their length is apart from that of every open range.
    """
    places = closes.close.size + 1
    above = Chain(np.full(places, -1, np.int32), np.full(places, np.inf))
    below = Chain(np.full(places, -1, np.int32), np.full(places, np.inf))
    found, ranges = np.empty((LONGEST, 2)), np.empty(4 * BLOCKS.size, RANGE)
    alive = high = low = int(ZERO)
    joined = int(ZERO) - 1
    for row in range(closes.close.size):
        if versions.size < known + alive + BLOCKS.size:  # no two picks of a bar come from one block
            versions = _doubled(versions, known)
        if ranges.size < alive + BLOCKS.size:
            ranges = _doubled(ranges, alive)
        first = known
        for which in range(alive):
            if _meet(ranges[which], row, closes):
                _write(versions[known], ranges[which], row, closes)
                known += 1
        _write_parents(versions, first, known, ranges, alive, True)
        alive = _without_ended(ranges, alive)
        blocks = _free_blocks(chances[row], ranges, alive, row) if chances[row] else 0
        if blocks:
            high = _extend(above, high, joined, closes.log_close, row, 1.0)
            low = _extend(below, low, joined, closes.log_close, row, -1.0)
            joined = row
            count = _candidates(closes, above, high, below, low, row, blocks, found)
            length = _pick(found, count, ranges, alive, row) if count else 0
            while length:
                _open(ranges[alive], row, length, closes.close)
                _write(versions[known], ranges[alive], row, closes)
                alive, known = alive + 1, known + 1
                length = _pick(found, count, ranges, alive, row)
        _write_parents(versions, first, known, ranges, alive, False)
    return versions, known


@exact_kernel
def find_ranges(close: Floats, offsets: Integers, log_close: Floats, squares: Integers, chances: Any) -> Any:
    """VERSION records of all ranges, market by market in the order known; their cores are left to `fill_cores`.

    Market i has the closes offsets[i]..offsets[i + 1] - 1, in prices; rows in records are places in `close`. The last
    three are as `find_chances` fills them. A range has a version when it is confirmed, whenever its edges move, and
    when it has ended. At a bar only lengths with a chance are tried, and only spans that start just after a close
    outside them: at most LONGEST for a bar, in practice a few.
    """
    versions, known = np.empty(4 * BLOCKS.size, VERSION), int(ZERO)
    for market in range(offsets.size - 1):
        base, end, first = offsets[market], offsets[market + 1], known
        closes = Closes(close[base:end], log_close[base:end], squares[base:end])
        versions, known = _add_ranges(closes, chances[base:end], versions, known)
        for place in range(first, known):
            version = versions[place]
            version.start += base
            version.first_row += base
            version.row += base
            version.parent += base if version.parent >= 0 else 0
            version.end += base if version.end >= 0 else 0
    return versions[:known]
