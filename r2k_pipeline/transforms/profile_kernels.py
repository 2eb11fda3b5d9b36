"""Compiled loops of the volume profile: bars in, point of control, value area and nodes per bar out.

Belongs here: arrays only, one symbol after the other, no GIL. Not here: frames, dates, what a window means.
Sums over bins are exact: each contribution is rounded to a multiple of one power of two (`_rounder`), so taking a bar
out leaves no residue, and a rolling profile equals one made anew to the last bit.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel, part_kernel, summing_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

Booleans = NDArray[np.bool_]
ONE, TWO = np.uint64(1), np.uint64(2)  # unsigned: numba checks a signed index for Python's wrap-around
Span = tuple[int, int]
"""Lowest and highest bin of a profile that are not empty."""

VALUE_AREA_RATIO = 0.7
NODE_RADIUS = 5
"""A node is the extreme of the bins within this many bins of it (1.25 % of price at the default width)."""
PAD = NODE_RADIUS + 3
"""Empty bins on both ends of a grid, so that no loop over bins needs to check for the end."""
QUANTUM = 2.0**-28
"""Rounding of contributions, as a share of the window's largest weight; sums are exact to 33 million x that weight."""


class Bars(NamedTuple):
    """Bars of one or many symbols, each one's oldest first: prices, and the weight (a volume, or 1) to spread."""

    low: Floats
    high: Floats
    weight: Floats


class Windows(NamedTuple):
    """The profiles to make: number i is that of the bars start[i]..end[i] - 1, and its nodes are sought from close[i].

    They are in series, each of one symbol: series s has the profiles offsets[s]..offsets[s + 1] - 1, and from one to
    the next neither `start` nor `end` falls. Profiles that are not `wanted` are left out.
    """

    start: Integers
    end: Integers
    close: Floats
    wanted: Booleans
    offsets: Integers


class Grid(NamedTuple):
    """Bins of one series (edges and widths in price), and per bar what it puts into them.

    A bar puts `density` (weight per point) times a bin's width into each of its bins first..last, less what of the
    outer two its range leaves out: `below` points of the lowest and `above` points of the highest.
    """

    edges: Floats
    widths: Floats
    first: Integers
    last: Integers
    density: Floats
    below: Floats
    above: Floats


@helper_kernel
def _rounder(largest: float) -> float:
    """m for which (x + m) - m rounds x to a multiple of q, QUANTUM times the power of two above the `largest` weight.

    m is 1.5 x 2**52 x q: floats of that size are q apart, so the sum is rounded to a multiple of q.
    """
    return math.ldexp(1.5 * QUANTUM, 52 + math.frexp(largest)[1]) if largest > 0 else 0.0


@helper_kernel
def _bin_of(price: float, width: float, linear: bool) -> int:
    """Bin k holds the prices from (k - 1/2) `width` on: points if linear, else log price."""
    return int(np.floor((price if linear else np.log(price)) / width + 0.5))


@helper_kernel
def _grid(bars: Bars, width: float, linear: bool) -> Grid:
    """The bins that these bars reach, and what each bar puts into them."""
    first, last = np.empty(bars.low.size, np.int64), np.empty(bars.low.size, np.int64)
    for t in range(bars.low.size):
        first[t] = _bin_of(bars.low[t], width, linear)
        last[t] = _bin_of(bars.high[t], width, linear)
    base, end = first[0], last[0]
    for t in range(first.size):
        base, end = min(base, first[t]), max(end, last[t])
    base -= PAD
    edges = np.empty(end - base + PAD + 2)
    for b in range(edges.size):
        step = (base - 0.5 + b) * width
        edges[b] = step if linear else np.exp(step)
    widths = np.empty(edges.size - 1)
    for b in range(widths.size):
        widths[b] = edges[b + 1] - edges[b]
    density, below, above = np.empty(first.size), np.empty(first.size), np.empty(first.size)
    for t in range(first.size):
        first[t] -= base
        last[t] -= base
        # at most the width: rounding must not make a part of a bar of several bins negative
        below[t] = min(bars.low[t] - edges[first[t]], widths[first[t]])
        above[t] = min(edges[last[t] + 1] - bars.high[t], widths[last[t]])
        density[t] = bars.weight[t] / (bars.high[t] - bars.low[t])
        if bars.high[t] == bars.low[t]:
            density[t], below[t], above[t] = bars.weight[t] / widths[first[t]], 0.0, 0.0
    return Grid(edges, widths, first, last, density, below, above)


@helper_kernel
def _spread(volume: Floats, grid: Grid, t: int, rounder: float, sign: float) -> None:
    """Spread bar t's weight evenly over [low, high], a bar of one price into its bin; sign -1 takes it out, exactly."""
    first, after, density = grid.first[t], grid.last[t] + 1, sign * grid.density[t]
    own, widths = volume[first:after], grid.widths[first:after]
    for b in range(own.size):
        own[b] += (density * widths[b] + rounder) - rounder
    volume[first] -= (density * grid.below[t] + rounder) - rounder
    volume[after - 1] -= (density * grid.above[t] + rounder) - rounder


@summing_kernel
def _total(volume: Floats) -> float:
    """Sum of the bins; it is exact, so its order may change."""
    total = 0.0
    for b in range(volume.size):
        total += volume[b]
    return total


@helper_kernel
def _point_of_control(volume: Floats, span: Span, previous: int) -> tuple[int, bool]:
    """The bin of greatest volume, and whether no other has as much.

    Of several the one nearest the centre of the span, of two as near the lower. Floats that are not negative are
    ordered as their bits are, and a maximum of integers vectorises.
    """
    bits = volume.view(np.int64)
    filled = bits[span[0] : span[1] + 1]
    greatest = holders = 0
    for b in range(filled.size):
        greatest = max(greatest, filled[b])
    for b in range(filled.size):
        holders += filled[b] == greatest
    if holders == 1 and bits[previous] == greatest:
        return previous, True
    below = (span[0] + span[1]) // 2
    above = span[0] + span[1] - below
    while bits[below] != greatest and bits[above] != greatest:
        below -= 1
        above += 1
    return below if bits[below] == greatest else above, holders == 1


@helper_kernel
def _raised(volume: Floats, first: int, last: int, poc: int) -> tuple[int, bool]:
    """As _point_of_control, if `poc` alone was greatest before the bins first..last rose; False: search again."""
    best, greatest, alone, rose = poc, volume[poc], True, volume[first : last + 1]
    for b in range(rose.size):
        if rose[b] > greatest:
            best, greatest, alone = first + b, rose[b], True
        elif rose[b] == greatest and first + b != best:
            alone = False
    return best, alone


@helper_kernel
def _value_area(volume: Floats, poc: int, span: Span, target: float, hint: float) -> tuple[int, int, float]:
    """Lowest and highest bin of the value area by the two-bin rule (CBOT Market Profile; Dalton), and the next hint.

    From the POC, the two bins above are compared with the two below and the greater pair joins (the upper of equals)
    until `target` is reached. `hint` is the smallest pair that joined in the last profile. Pairs next to the area that
    are greater than it join before any other does, in whatever order: they are taken first, without comparing. If they
    reach the target alone, the hint was too low, and the search starts again from the POC.
    """
    middle, ceiling = np.uint64(poc), np.uint64(span[1])
    low, high, smallest = middle, middle, np.inf
    while volume[high + ONE] + volume[high + TWO] > hint:
        high += TWO
    while volume[low - ONE] + volume[low - TWO] > hint:
        low -= TWO
    inside = _total(volume[low : high + ONE])
    if inside >= target:
        low, high, inside = middle, middle, volume[middle]
    while inside < target:
        above = volume[high + ONE] + volume[high + TWO]
        below = volume[low - ONE] + volume[low - TWO]
        upwards = above > below or (above == below and high < ceiling)
        if upwards:
            high += TWO
        else:
            low -= TWO
        inside += above if upwards else below
        smallest = min(smallest, above if upwards else below)
    return max(np.int64(low).item(), span[0]), min(np.int64(high).item(), span[1]), smallest


@helper_kernel
def _node(volume: Floats, b: int, step: float, span: Span, mean: float, sign: float) -> int:
    """First bin of the span, from `b` on, that is a high (sign 1) or low (sign -1) volume node; -1 without one.

    A node lies beyond `mean`, and no bin within NODE_RADIUS of it lies further beyond. `step` is 1 or -1, as a float:
    for each integer written in a call numba would compile this anew.
    """
    b = max(b, span[0]) if step > 0 else min(b, span[1])
    while span[0] <= b <= span[1]:
        here = sign * volume[b]
        d = 1 if here > sign * mean else NODE_RADIUS + 2
        while d <= NODE_RADIUS and here >= max(sign * volume[b - d], sign * volume[b + d]):
            d += 1
        if d == NODE_RADIUS + 1:
            return b
        b += int(step)
    return -1


@helper_kernel
def _write_nodes(
    out: Floats, i: int, volume: Floats, edges: Floats, b: int, close: float, span: Span, mean: float
) -> None:
    """Write the nearest nodes: high below, high above, low below, low above `close`, which is near bin `b`.

    A bin is above if its centre is. Low nodes keep NODE_RADIUS away from the ends, where every profile thins out.
    `mean` is the weight of a bin of the span.
    """
    b = min(max(b, 0), edges.size - 2)
    while b < edges.size - 2 and edges[b + 1] <= close:
        b += 1
    while b > 0 and edges[b] > close:
        b -= 1
    up = b if (edges[b] + edges[b + 1]) / 2 > close else b + 1
    inner = span[0] + NODE_RADIUS, span[1] - NODE_RADIUS
    nodes = (
        _node(volume, up - 1, -1.0, span, mean, 1.0),
        _node(volume, up, 1.0, span, mean, 1.0),
        _node(volume, up - 1, -1.0, inner, mean, -1.0),
        _node(volume, up, 1.0, inner, mean, -1.0),
    )
    for n in range(4):
        if nodes[n] >= 0:
            out[n, i] = (edges[nodes[n]] + edges[nodes[n] + 1]) / 2


@helper_kernel
def _trimmed(volume: Floats, bottom: int, top: int) -> Span:
    """The span within these bins; the lowest is above the highest where all are empty."""
    while bottom <= top and volume[bottom] == 0:
        bottom += 1
    while bottom <= top and volume[top] == 0:
        top -= 1
    return bottom, top


@helper_kernel
def _latest_largest(values: Floats, best: int, first: int, end: int) -> int:
    """Row of the largest of values[best] and values[first:end], the latest of equals."""
    for row in range(first, end):
        if values[row] >= values[best]:
            best = row
    return best


@part_kernel
def _write_levels(out: Floats, i: int, edges: Floats, poc: int, low: int, high: int) -> None:
    """Write point of control, value area low and high, and the width of the bin at the point of control."""
    out[0, i] = (edges[poc] + edges[poc + 1]) / 2
    out[1, i] = edges[low]
    out[2, i] = edges[high + 1]
    out[3, i] = edges[poc + 1] - edges[poc]


@part_kernel
def _fill_series(out: Floats, bars: Bars, windows: Windows, width: float, linear: bool) -> None:
    """Profiles of one series from its own bars; `windows` count rows from the first of these.

    `volume` has the bins of the bars head..tail - 1. For each window the bars before its start are taken out and those
    up to its end put in. What is kept from the last profile saves most searches: its `heaviest` bar, its `poc` and
    whether that bin is `alone` the greatest, its lowest and highest filled bins, the `hint` for its value area.
    """
    grid = _grid(bars, width, linear)
    edges, volume = grid.edges, np.zeros(grid.edges.size)
    head, tail, alone, hint, heaviest, rounder = 0, 0, False, np.inf, -1, 0.0
    bottom, top, poc = volume.size, -1, volume.size - 1  # no bin, and one that stays empty
    for i in range(windows.end.size):
        if not windows.wanted[i]:
            continue
        start, end = windows.start[i], windows.end[i]
        is_gone = heaviest < start
        heaviest = _latest_largest(bars.weight, start if is_gone else heaviest, start if is_gone else tail, end)
        rounding = _rounder(bars.weight[heaviest])
        if rounder != rounding:  # the heaviest bar left or entered: all bars are rounded and put in anew
            volume[:] = 0.0
            head, tail, alone, rounder = start, start, False, rounding
            bottom, top = volume.size, -1
        for leaving in range(head, min(tail, start)):
            _spread(volume, grid, leaving, rounder, -1.0)
            # A bar within one bin may have put less than 0 into it, by rounding: without the bar that bin is greater.
            alone &= grid.first[leaving] < grid.last[leaving] and (
                poc < grid.first[leaving] or poc > grid.last[leaving]
            )
        head = start
        for entering in range(max(head, tail), end):
            _spread(volume, grid, entering, rounder, 1.0)
            bottom, top = min(bottom, grid.first[entering]), max(top, grid.last[entering])
            if alone:
                poc, alone = _raised(volume, grid.first[entering], grid.last[entering], poc)
        tail = end
        bottom, top = _trimmed(volume, bottom, top)
        if bottom > top:
            continue
        total = _total(volume[bottom : top + 1])
        if not alone:
            poc, alone = _point_of_control(volume, (bottom, top), poc)
        low, high, hint = _value_area(volume, poc, (bottom, top), VALUE_AREA_RATIO * total, hint)
        _write_levels(out, i, edges, poc, low, high)
        if out.shape[0] > 4:
            near, mean = grid.first[end - 1], total / (top - bottom + 1)
            _write_nodes(out[4:], i, volume, edges, near, windows.close[i], (bottom, top), mean)


@exact_kernel
def fill_profiles(out: Floats, bars: Bars, windows: Windows, width: float, linear: bool) -> None:
    """Write each wanted profile into its column of `out`; a window without weight is left as it was.

    Bins are `width` wide, in points if linear, else in log price; bin k is around k times `width`. Each bar spreads its
    weight evenly from its low to its high. With bins of one point, a bar of weight 4 from 9.5 to 11.5 and one of weight
    1 from 10.5 to 11.5 put 2 into bin 10 and 3 into bin 11, so the point of control (POC) is 11. The value area grows
    from there until it has VALUE_AREA_RATIO of the weight; a node is a bin that no near one exceeds (or undercuts).

    The rows of `out`, in prices: POC, value area low and high, bin width at the POC and, if there are eight, the
    nodes: high below, high above, low below, low above the close; a node that is not there is left as it was. Only bars
    of wanted windows are read.
    """
    for series in range(windows.offsets.size - 1):
        a, b = windows.offsets[series], windows.offsets[series + 1]
        while a < b and not windows.wanted[a]:
            a += 1
        while a < b and not windows.wanted[b - 1]:
            b -= 1
        if a < b:
            begin, end = windows.start[a], windows.end[b - 1]
            own = Bars(bars.low[begin:end], bars.high[begin:end], bars.weight[begin:end])
            start, last = windows.start[a:b] - begin, windows.end[a:b] - begin
            asked = Windows(start, last, windows.close[a:b], windows.wanted[a:b], windows.offsets)
            _fill_series(out[:, a:b], own, asked, width, linear)


@exact_kernel
def latest_highest(high: Floats, offsets: Integers, bars: int) -> Integers:
    """Row of the highest of the last `bars` highs of the symbol up to each row; the latest of equals."""
    rows = np.empty(high.size, np.int64)
    for s in range(offsets.size - 1):
        best = offsets[s]
        for t in range(offsets[s], offsets[s + 1]):
            gone = t - best >= bars
            best = _latest_largest(high, best + 1 if gone else best, best + 1 if gone else t, t + 1)
            rows[t] = best
    return rows
