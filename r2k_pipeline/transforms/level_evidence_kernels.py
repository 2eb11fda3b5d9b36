"""The compiled searches for evidence of levels. Belongs here: arrays only. Not here: frames and dates."""

from typing import Any, NamedTuple

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, helper_kernel, inner_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

YEAR = np.dtype([("high", "i8"), ("low", "i8"), ("next", "i8")])
"""A finished year: the rows of its highest high and lowest low, each the first of equals, and the next year's first."""


class Evidence(NamedTuple):
    """Columns of evidence as filing needs them: the days it was known and born on, the rank of its kind."""

    price: Floats
    known: Integers
    kind: Integers
    born: Integers


@inner_kernel
def _row_of(days: Integers, day: int) -> int:
    """The first row whose day is `day` or later; interpolates first, as sessions are nearly evenly spaced."""
    row = 0
    if days.size > 1:
        row = int((day - days[0]) / (days[-1] - days[0]) * (days.size - 1))
    row = min(max(row, 0), days.size)
    while row < days.size and days[row] < day:
        row += 1
    while row > 0 and days[row - 1] >= day:
        row -= 1
    return row


@inner_kernel
def _comes_before(evidence: Any, one: int, other: int) -> bool:
    """Whether `one` is filed before `other`, of the same market."""
    if evidence.known[one] != evidence.known[other]:
        return bool(evidence.known[one] < evidence.known[other])
    if evidence.kind[one] != evidence.kind[other]:
        return bool(evidence.kind[one] < evidence.kind[other])
    return bool(evidence.born[one] < evidence.born[other])


@exact_kernel
def standing(values: Floats, unit: Floats, units: float, offsets: Integers, hold: int) -> tuple[Integers, Integers]:
    """Where a moving reference has stood within `units` times `unit` of one value for `hold` rows, and is new.

    `unit` is that of each row; series i has the rows from offsets[i] on. A value is new if it is the first to stand or
    lies further than that from the one that stood before. NaN, in values or unit, ends what stands. Returns (rows at
    which the value was reached, rows by which it had stood).
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
    start = 0
    for place in range(value.size):
        first, end = offsets[market[place]], offsets[market[place] + 1]
        if place == 0 or market[place] != market[place - 1] or since[place] != since[place - 1]:
            start = first + _row_of(day[first:end], since[place])
        price = value[place]
        for row in range(start, end):
            if close[row] == price:
                rows[place] = row
                break
    return rows


@exact_kernel
def year_extremes(high: Floats, low: Floats, day: Integers, new_years: Integers, offsets: Integers) -> Any:
    """YEAR records of every market (its rows from offsets[i] on), in order.

    `new_years` are the days (counted as `day` is) on which years begin, in order, the last one after every `day`.
    """
    years = np.empty((offsets.size - 1) * new_years.size, YEAR)
    count = 0
    for market in range(offsets.size - 1):
        year, highest, lowest, top, bottom = -1, 0, 0, 0.0, 0.0
        for row in range(offsets[market], offsets[market + 1]):
            if year < 0 or day[row] >= new_years[year]:
                if year >= 0:
                    years[count].high, years[count].low, years[count].next = highest, lowest, row
                    count += 1
                year = np.searchsorted(new_years, day[row], "right")
                highest = lowest = row
                top, bottom = high[row], low[row]
            if high[row] > top:
                highest, top = row, high[row]
            if low[row] < bottom:
                lowest, bottom = row, low[row]
    return years[:count]


@helper_kernel
def _place_by_row(known: Integers, items: Integers, days: Integers, out: Any) -> None:
    """Put `items` into the records `out` by the row (of `days`) at which each was known; in a row in their order."""
    begins, rows = np.zeros(days.size + 2, np.int64), np.empty(items.size, np.int64)
    for place in range(items.size):
        rows[place] = _row_of(days, known[items[place]])
        begins[rows[place] + 1] += 1
    for row in range(days.size + 1):  # numbers of pieces become the places at which rows begin
        begins[row + 1] += begins[row]
    for place in range(items.size):
        piece = out[begins[rows[place]]]
        piece.item, piece.row = items[place], rows[place]
        begins[rows[place]] += 1


@helper_kernel
def _sort_within_rows(evidence: Any, out: Any) -> None:
    """Sort the items of each row into filing order. The rows stay: items known at different rows are in order."""
    for place in range(out.size):
        item, at = out[place].item, place
        while at > 0 and _comes_before(evidence, item, out[at - 1].item):
            out[at].item = out[at - 1].item
            at -= 1
        out[at].item = item


@exact_kernel
def order_pieces(evidence: Any, items: Integers, shares: Integers, day: Integers, offsets: Integers, out: Any) -> None:
    """Fill the PIECE records of each market: item, row and price, in filing order.

    Market i has the evidence items[shares[i]..] and the rows from offsets[i] on, whose days are in `day`.
    """
    for market in range(offsets.size - 1):
        first, share, end = offsets[market], shares[market], shares[market + 1]
        pieces = out[share:end]
        _place_by_row(evidence.known, items[share:end], day[first : offsets[market + 1]], pieces)
        _sort_within_rows(evidence, pieces)
        for place in range(pieces.size):
            pieces[place].row += first
            pieces[place].price = evidence.price[pieces[place].item]
