"""The compiled search for consolidation ranges: tight spans of one market's closes, confirmed, widened, ended.

Belongs here: arrays and records; all in one file, as numba's cache does not notice a change in a kernel of another one.
Not here: frames and dates (consolidations.py). Spans are tried at a bar only where the range of the shortest of them
leaves a chance, and only from just after closes outside the span: at most LONGEST steps for a bar, in practice a few.
"""

from typing import Any

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats

TIGHT = 0.8
"""A span of closes is tight at or below this ratio of its log range to that of a random walk's scale, sigma sqrt(n)."""
SHORTEST, LONGEST = 40, 1_000
"""Sessions in a span when it is confirmed; it may grow longer."""
APART = 1.25
"""Two open ranges were at least this ratio apart in length when the later was confirmed."""

BLOCKS = np.append(np.floor(SHORTEST * APART ** np.arange(15)), LONGEST + 1).astype(np.int64)
"""Spans are tried in blocks of lengths BLOCKS[i]..BLOCKS[i + 1] - 1."""

CLOSE, LOG_CLOSE, SQUARES = range(3)
"""Rows of a market's `series`: closes, their logs (the first's is 0), running sum of squared log returns."""
HIGH, LOW = range(2)
"""The rows of `links`."""
CLOSES_OUTSIDE = 10
"""A range has ended after so many closes outside in a row: two weeks (the note's first construction saw six)."""
CORE = 0.01
"""The core leaves out this share of the closes at either end."""

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


@exact_kernel
def _series(close: Floats) -> Floats:
    series = np.zeros((3, close.size))
    for row in range(close.size):
        series[CLOSE, row], series[LOG_CLOSE, row] = close[row], np.log(close[row] / close[0])
        if row > 0:
            step = series[LOG_CLOSE, row] - series[LOG_CLOSE, row - 1]
            series[SQUARES, row] = series[SQUARES, row - 1] + step * step
    return series


@exact_kernel
def _links(log_close: Floats) -> Any:
    """For each row the nearest earlier one with a higher close, and with a lower close; -1 for none: (2, rows)."""
    links = np.empty((2, log_close.size), np.int32)
    for side, sign in ((HIGH, 1.0), (LOW, -1.0)):
        for row in range(log_close.size):
            back = row - 1
            while back >= 0 and sign * log_close[back] <= sign * log_close[row]:
                back = links[side, back]
            links[side, row] = back
    return links


@exact_kernel
def _chances(series: Floats) -> Any:
    """Of each row, as bits, the blocks that may hold a tight span: its range is at least that of the block's shortest
    span, its deviation at most what the squared returns of the longest allow."""
    squares, high, low = series[SQUARES], series[LOG_CLOSE].copy(), series[LOG_CLOSE].copy()
    bits = np.zeros(squares.size, np.uint32)
    slack = TIGHT**2 * SHORTEST / (SHORTEST - 1) * (1 + 1e-9)
    window = 1
    for block in range(BLOCKS.size - 1):
        shortest, longest = BLOCKS[block], BLOCKS[block + 1] - 1
        while 2 * window <= shortest:  # high and low: of the `window` closes up to each row
            for row in range(squares.size - 1, window - 1, -1):
                high[row], low[row] = max(high[row], high[row - window]), min(low[row], low[row - window])
            window *= 2
        back = shortest - window
        for row in range(shortest - 1, squares.size):
            log_range = max(high[row], high[row - back]) - min(low[row], low[row - back])
            allowed = slack * (squares[row] - squares[max(row - longest + 1, 0)])
            bits[row] |= np.uint32(log_range * log_range <= allowed) << np.uint32(block)
    return bits


@exact_kernel
def _tightness(log_range: float, series: Floats, start: int, row: int) -> float:
    """log(high / low) / (sigma sqrt(n)), sigma the population deviation of the returns inside the span of n closes."""
    returns = row - start
    total = series[LOG_CLOSE, row] - series[LOG_CLOSE, start]
    spread = series[SQUARES, row] - series[SQUARES, start] - total * total / returns
    return float(log_range / np.sqrt(spread * (returns + 1) / returns))


@exact_kernel
def _is_tight(log_range: float, series: Floats, start: int, row: int) -> bool:
    """Whether _tightness is at most TIGHT, without a division or a root: most spans are asked nothing else."""
    returns = row - start
    total = series[LOG_CLOSE, row] - series[LOG_CLOSE, start]
    spread = returns * (series[SQUARES, row] - series[SQUARES, start]) - total * total
    return bool((log_range * returns) ** 2 <= TIGHT**2 * (returns + 1) * spread)


@exact_kernel
def _candidates(series: Floats, links: Any, row: int, blocks: int, found: Any) -> int:
    """Write length and tightness of the candidates in `blocks` (`build_consolidations` defines them); returns how many.

    The walk goes from one close that lies outside all later ones to the next: a candidate starts just after such a one.
    """
    log_close = series[LOG_CLOSE]
    high = low = former_high = former_low = row
    block = count = 0
    while blocks >> block:
        up, down = links[HIGH, high], links[LOW, low]
        before = max(up, down)
        if before < 0 or row - before > LONGEST:
            break
        while block < BLOCKS.size - 1 and BLOCKS[block + 1] <= row - before:
            block += 1
        log_range, start = log_close[high] - log_close[low], before + 1
        is_chance = row - before >= SHORTEST and blocks >> block & 1
        if is_chance and _is_tight(log_range, series, start, row):
            here = _tightness(log_range, series, start, row)
            inner_high, inner_low = former_high if high == start else high, former_low if low == start else low
            shorter = log_close[inner_high] - log_close[inner_low]
            longer = log_close[up if before == up else high] - log_close[down if before == down else low]
            if here <= _tightness(shorter, series, start + 1, row) and here < _tightness(longer, series, before, row):
                found[count, 0], found[count, 1] = row - before, here
                count += 1
        if before == up:
            former_high, high = high, up
        else:
            former_low, low = low, down
    return count


@exact_kernel
def _extremes(values: Floats) -> tuple[float, float]:
    """Lowest and highest value. (Written out: compiling numpy's takes a second.)"""
    low = high = values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


@exact_kernel
def _core_edge(close: Floats, low: float, high: float, sign: float) -> float:
    """CORE quantile, from below (sign 1) or above (-1), of the closes in [low, high]: linear in rank, as numpy's."""
    inside = 0
    for value in close:
        inside += low <= value <= high
    place = CORE * (inside - 1)
    rank = int(place)
    least = np.full(rank + 2, np.inf)
    for value in close:
        if low <= value <= high and sign * value < least[rank + 1]:
            spot = rank + 1
            while spot > 0 and sign * value < least[spot - 1]:
                least[spot] = least[spot - 1]
                spot -= 1
            least[spot] = sign * value
    return float(sign * (least[rank] + (least[rank + 1] - least[rank]) * (place - rank)))


@exact_kernel
def core_edges(close: Floats, start: Any, row: Any, low: Floats, high: Floats) -> Any:
    """Lower and upper CORE quantile of closes start[i]..row[i] that lie in [low[i], high[i]], for each i: (2, i)."""
    edges = np.empty((2, row.size))
    for i in range(row.size):
        closes = close[start[i] : row[i] + 1]
        edges[0, i] = _core_edge(closes, low[i], high[i], 1.0)
        edges[1, i] = _core_edge(closes, low[i], high[i], -1.0)
    return edges


@exact_kernel
def _write(version: Any, ranges: Any, which: int, row: int, series: Floats) -> None:
    """Describe the open range `which` as known at `row`; its parent is the one that started last before it."""
    here = ranges[which]
    has_ended = here.outside == CLOSES_OUTSIDE
    version.start, version.first_row, version.row = here.start, here.first_row, row
    version.low, version.high, version.end = here.low, here.high, here.last_inside if has_ended else -1
    version.parent = -1
    for other in ranges:
        if version.parent < other.start < here.start:
            version.parent = other.start
    last = here.last_inside if has_ended else row
    closes, logs = series[CLOSE, here.start : last + 1], series[LOG_CLOSE, here.start : last + 1]
    version.core_low = _core_edge(closes, here.low, here.high, 1.0)
    version.core_high = _core_edge(closes, here.low, here.high, -1.0)
    low, high = _extremes(logs)
    version.tightness = _tightness(high - low, series, here.start, last)


@exact_kernel
def _meet(here: Any, row: int, series: Floats) -> bool:
    """Let a range meet a close: it widens to all of its span while that is tight, else the close is inside or outside.

    Returns whether there is news: its edges moved, or it has ended.
    """
    close = series[CLOSE, row]
    if close < here.span_low or close > here.span_high:
        here.span_low, here.span_high = min(here.span_low, close), max(here.span_high, close)
        here.span_log_range = np.log(here.span_high / here.span_low)
    is_tight = _is_tight(here.span_log_range, series, here.start, row)
    has_moved = is_tight and (here.low != here.span_low or here.high != here.span_high)
    if is_tight:
        here.low, here.high = here.span_low, here.span_high
    if here.low <= close <= here.high:
        here.outside, here.last_inside = 0, row
    else:
        here.outside += 1
    return bool(has_moved or here.outside == CLOSES_OUTSIDE)


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
def _free_blocks(chances: int, ranges: Any, row: int) -> int:
    """The chances without the blocks that lengths of open ranges lie in: nothing there is APART from them."""
    for here in ranges:
        block = 0
        while block < BLOCKS.size and BLOCKS[block] <= row - here.start + 1:
            block += 1
        if block > 0:
            chances &= ~(1 << (block - 1))
    return chances


@exact_kernel
def _open(here: Any, row: int, length: int, series: Floats) -> None:
    """Confirm the span of `length` closes that ends at `row`."""
    here.start, here.first_row, here.last_inside, here.outside = row - length + 1, row, row, 0
    low, high = _extremes(series[CLOSE, here.start : row + 1])
    here.low = here.span_low = low
    here.high = here.span_high = high
    here.span_log_range = np.log(here.high / here.low)


@exact_kernel
def _with_room(records: Any, used: int, wanted: int) -> Any:
    """The records, or a copy twice as long if fewer than `wanted` are free."""
    if records.size - used >= wanted:
        return records
    longer = np.empty(2 * records.size + wanted, records.dtype)
    for place in range(used):
        longer[place] = records[place]
    return longer


@exact_kernel
def find_ranges(close: Floats) -> Any:
    """VERSION records of all ranges in one market's closes, in the order that they were known in.

    A range has a version when it is confirmed, whenever its edges move, and when its end is known.
    """
    series = _series(close)
    links, chances = _links(series[LOG_CLOSE]), _chances(series)
    found = np.empty((LONGEST, 2))
    ranges, versions = np.empty(BLOCKS.size, RANGE), np.empty(BLOCKS.size, VERSION)
    alive = known = 0
    for row in range(close.size):
        ranges = _with_room(ranges, alive, BLOCKS.size)
        versions = _with_room(versions, known, alive + BLOCKS.size)  # no two picks of a bar come from one block
        for which in range(alive):
            if _meet(ranges[which], row, series):
                _write(versions[known], ranges[:alive], which, row, series)
                known += 1
        alive = _without_ended(ranges, alive)
        blocks = _free_blocks(chances[row], ranges[:alive], row) if chances[row] else 0
        count = _candidates(series, links, row, blocks, found)
        length = _pick(found, count, ranges[:alive], row)
        while length:
            _open(ranges[alive], row, length, series)
            _write(versions[known], ranges[: alive + 1], alive, row, series)
            alive, known = alive + 1, known + 1
            length = _pick(found, count, ranges[:alive], row)
    return versions[:known]
