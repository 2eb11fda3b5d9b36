"""The compiled walk of the levels: one market's zones, bar by bar.

Belongs here: records and loops. Not here: frames, dates, names (levels.py, level_evidence.py).
Evidence joins the zone that is near its price or founds one. Zones never overlap, so they are kept in the order of
their prices, and a bar looks only at the few near its close: the time grows in proportion to the bars.
"""

from typing import Any, NamedTuple

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel, inner_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers

JOIN_ATR = 0.5
"""Evidence joins a zone that lies within this many ATR of it; joining makes no zone wider than twice this."""
TOUCH_ATR = 0.1
"""A bar touches a zone that it comes to within this many ATR of."""
CLEAR_ATR = 0.5
"""A close stands clear of a zone when it is more than this many ATR beyond its edge."""
LIFE_SESSIONS = 504
"""A zone ends so many sessions (two years) after its last piece of evidence."""
HALF_LIFE_SESSIONS = 252
"""Strength halves in so many sessions (one year)."""
FADE = 0.5 ** (np.arange(LIFE_SESSIONS + 1) / HALF_LIFE_SESSIONS)
"""Share of strength left, by number of sessions; no zone lasts longer without new evidence."""
BREAK_FACTOR = 0.75
"""The share of a zone's strength left after a break."""

ARMED, TOUCHED, NEW = 0, 1, 2
"""Ready to be touched; touched and not yet decided; founded at the price and no close has stood clear of it yet."""

COUNTS = ["evidence", "touches", "holds", "breaks", "breaks_untouched", "role_flips"]
PIECE = np.dtype(
    [("price", "f8"), *((name, "i4") for name in ("item", "row", "zone", "previous", "next")), ("is_new", "?")]
)
"""A piece of evidence, in filing order: price, `item` in the list of evidence, the row by whose close it is known.

The walk sets the row it was filed at (-1: none), its zone (the number of the piece that founded it), the pieces that
came before and after it in that zone (-1: none), and whether its price is new there."""
ZONE = np.dtype(
    [(name, "f8") for name in ("price", "low", "high", "bottom", "top", "strength")]
    + [(name, "i4") for name in ("founder", "latest", "unmet", "prices", "met_row", "strength_row", "last_touch")]
    + [(name, "i4") for name in COUNTS]
    + [("side", "i1"), ("state", "i1"), ("was_broken", "?")]
)
"""A zone, in prices and rows. Two halves are up to date to different rows.

Its evidence is filed at once: `founder` and `latest` are the first and newest piece, `prices` counts their different
prices, `price` is the mean of these, from `low` to `high`.
Its touches, holds, breaks and strength are computed only when it is shown, which most never are. They are those up to
the bar `met_row`, at which its edges were `bottom` and `top`; `unmet` is the first piece filed since (-1: none).
`side`: +1 if the last close that stood clear of it was above, -1 below. `strength` is that of the row `strength_row`.
"""
BOOK = np.dtype([(name, "i4") for name in ("live", "filed", "expired", "end")])
"""One market's counters. `live`: how many zones are current; they are the first of `zones`, in rising order of price,
and their upper edges the first of `highs`. `filed`, `expired`: the next piece to file and to expire; `end`: where the
market's pieces end."""
SNAPSHOT = np.dtype(
    [(name, "f8") for name in ("price", "low", "high", "strength")]
    + [(name, "i4") for name in ("row", "founder", "latest", "last_touch", "nearness", "undecided", *COUNTS)]
    + [("place", "i1")]
)
"""A zone as it stood at the bar `row`; `place`: -1 wholly below its close, 0 around it, 1 wholly above."""


class Bars(NamedTuple):
    """Columns of bars, each close within its bar; `day` counts days (or any other unit of session dates)."""

    high: Floats
    low: Floats
    close: Floats
    atr: Floats
    day: Integers


@inner_kernel
def _first_reaching(book: Any, highs: Any, price: float) -> int:
    """Position of the lowest zone whose upper edge is at or above `price`. With few zones, counting beats searching."""
    position = 0
    for place in range(book.live):
        position += highs[place] < price
    return position


@inner_kernel
def _credit(zone: Any, row: int, factor: float, points: float) -> None:
    """Let the zone's strength fade up to `row`, then scale it and add to it."""
    zone.strength = zone.strength * FADE[row - zone.strength_row] * factor + points
    zone.strength_row = row


@inner_kernel
def _meet_bar(zone: Any, row: int, bars: Any) -> None:
    """The effect of a bar on a zone: a touch; a close clear of it where the price came from (hold), or beyond (break).

    A break without an open touch (after a gap; of a zone born at the price) is counted apart. An example, with a zone
    from 100 to 101, an ATR of 4 and the price above: a low of 101.4 or less touches it; then a close above 103 is a
    hold, one below 98 a break, and any other leaves the touch undecided.
    """
    close, near, clear = bars.close[row], TOUCH_ATR * bars.atr[row], CLEAR_ATR * bars.atr[row]
    if zone.state == ARMED and bars.low[row] <= zone.top + near and bars.high[row] >= zone.bottom - near:
        zone.touches += 1
        zone.last_touch = row
        zone.state = TOUCHED
    side = 1 if close > zone.top + clear else -1 if close < zone.bottom - clear else 0
    if side == 0:
        return
    if side != zone.side:
        zone.breaks += zone.state == TOUCHED
        zone.breaks_untouched += zone.state != TOUCHED
        zone.was_broken = True
        zone.side = side
        _credit(zone, row, BREAK_FACTOR, 0.0)
    elif zone.state == TOUCHED:
        zone.holds += 1
        zone.role_flips += zone.was_broken
        zone.was_broken = False
        _credit(zone, row, 1.0, 1.0)
    zone.state = ARMED


@inner_kernel
def _row_that_matters(zone: Any, row: int, end: int, bars: Any) -> int:
    """The first of the bars row..end - 1 that can change the zone, `end` if none does.

    An armed zone waits for a bar that comes near from where the price is, any other for a close that stands clear.
    """
    atr = bars.atr[row:end]
    if zone.state != ARMED:
        close, bottom, top = bars.close[row:end], zone.bottom, zone.top
        for ahead in range(atr.size):
            clear = CLEAR_ATR * atr[ahead]
            if close[ahead] > top + clear or close[ahead] < bottom - clear:
                return row + ahead
    elif zone.side > 0:
        low, edge = bars.low[row:end], zone.top
        for ahead in range(atr.size):
            if low[ahead] <= edge + TOUCH_ATR * atr[ahead]:
                return row + ahead
    else:
        high, edge = bars.high[row:end], zone.bottom
        for ahead in range(atr.size):
            if high[ahead] >= edge - TOUCH_ATR * atr[ahead]:
                return row + ahead
    return end


@inner_kernel
def _meet_bars(zone: Any, row: int, bars: Any) -> None:
    """Apply the bars up to `row` to the zone while its edges do not move."""
    at = _row_that_matters(zone, zone.met_row + 1, row + 1, bars)
    while at <= row:
        if bars.atr[at] > 0:
            _meet_bar(zone, at, bars)
        at = _row_that_matters(zone, at + 1, row + 1, bars)
    zone.met_row = row


@inner_kernel
def _catch_up(zone: Any, pieces: Any, row: int, bars: Any) -> None:
    """Bring the zone up to date to `row`: apply the bars and pieces since `met_row`."""
    while zone.unmet >= 0:
        piece = pieces[zone.unmet]
        _meet_bars(zone, int(piece.row), bars)
        zone.bottom, zone.top = min(zone.bottom, piece.price), max(zone.top, piece.price)
        _credit(zone, int(piece.row), 1.0, 1.0 if piece.is_new else 0.0)
        zone.unmet = piece.next
    _meet_bars(zone, row, bars)


@inner_kernel
def _expire(book: Any, zones: Any, highs: Any, pieces: Any, row: int) -> None:
    """Drop the zones whose newest piece is too old."""
    while book.expired < book.filed and pieces[book.expired].row + LIFE_SESSIONS < row:
        position = _first_reaching(book, highs, pieces[book.expired].price)
        if zones[position].latest == book.expired:
            book.live -= 1
            for place in range(position, book.live):
                zones[place] = zones[place + 1]
                highs[place] = highs[place + 1]
        book.expired += 1


@inner_kernel
def _home(book: Any, zones: Any, highs: Any, price: float, atr: float) -> tuple[int, bool]:
    """Position of the zone that `price` belongs to and True, or the position where a new one goes and False."""
    at = _first_reaching(book, highs, price)
    if at < book.live and zones[at].low <= price:
        return at, True
    best, distance = -1, JOIN_ATR * atr
    for position in range(max(at - 1, 0), min(at + 1, book.live)):
        zone = zones[position]
        width = max(zone.high, price) - min(zone.low, price)
        if abs(zone.price - price) <= distance and width <= 2 * JOIN_ATR * atr:
            best, distance = position, abs(zone.price - price)
    return (best, True) if best >= 0 else (at, False)


@inner_kernel
def _found(book: Any, zones: Any, highs: Any, position: int, row: int, bars: Any, price: float) -> None:
    """Begin a zone at `position` with the piece now being filed; it is armed once a close stands clear of it."""
    for place in range(book.live, position, -1):
        zones[place] = zones[place - 1]
        highs[place] = highs[place - 1]
    zone, close = zones[position], bars.close[row]
    book.live += 1
    zone.price = zone.low = zone.high = zone.bottom = zone.top = price
    zone.strength, zone.strength_row, zone.met_row = 0.0, row, row
    zone.founder, zone.latest, zone.unmet, zone.last_touch, zone.prices = book.filed, -1, -1, -1, 0
    zone.evidence = zone.touches = zone.holds = zone.breaks = zone.breaks_untouched = zone.role_flips = 0
    zone.side = 1 if close > price else -1
    zone.state = ARMED if abs(close - price) > CLEAR_ATR * bars.atr[row] else NEW
    zone.was_broken = False


@inner_kernel
def _has_price(zone: Any, pieces: Any, price: float) -> bool:
    """Whether one of the zone's pieces has this very price."""
    if not zone.low <= price <= zone.high:
        return False
    item = zone.latest
    while item >= 0 and pieces[item].price != price:
        item = pieces[item].previous
    return bool(item >= 0)


@inner_kernel
def _count_price(zone: Any, price: float) -> None:
    """Add a price that is new in the zone: its edges include it, and its price is the mean of all of them."""
    zone.low, zone.high = min(zone.low, price), max(zone.high, price)
    zone.prices += 1
    mean = zone.price + (price - zone.price) / zone.prices
    zone.price = min(max(mean, zone.low), zone.high)  # rounding must not put the price outside the edges


@inner_kernel
def _file(book: Any, zones: Any, highs: Any, pieces: Any, row: int, bars: Any) -> None:
    """File the pieces known by now: each joins a zone, or founds one; a price counts once in a zone."""
    while book.filed < book.end and pieces[book.filed].row <= row:
        piece = pieces[book.filed]
        position, exists = _home(book, zones, highs, piece.price, bars.atr[row])
        if not exists:
            _found(book, zones, highs, position, row, bars, piece.price)
        zone = zones[position]
        piece.is_new = not _has_price(zone, pieces, piece.price)
        if piece.is_new:
            _count_price(zone, piece.price)
            highs[position] = zone.high
        piece.row, piece.zone, piece.previous, piece.next = row, zone.founder, zone.latest, -1
        if zone.latest >= 0:
            pieces[zone.latest].next = book.filed
        if zone.unmet < 0:
            zone.unmet = book.filed
        zone.evidence += 1
        zone.latest = book.filed
        book.filed += 1


@inner_kernel
def _show(book: Any, zones: Any, highs: Any, pieces: Any, row: int, bars: Any, per_side: int, out: Any) -> int:
    """Write the zone around the close and the nearest on each side, in rising order of price; returns how many."""
    close = bars.close[row]
    split = _first_reaching(book, highs, close)
    above = split + (split < book.live and zones[split].low <= close)  # one zone at most is around the close
    first = max(split - per_side, 0)
    last: int = min(above + per_side, book.live)
    for position in range(first, last):
        zone, shown = zones[position], out[position - first]
        _catch_up(zone, pieces, row, bars)
        shown.row, shown.founder, shown.latest = row, zone.founder, zone.latest
        shown.price, shown.low, shown.high = zone.price, zone.low, zone.high
        shown.strength = zone.strength * FADE[row - zone.strength_row]
        shown.evidence, shown.touches, shown.last_touch = zone.evidence, zone.touches, zone.last_touch
        shown.holds, shown.breaks, shown.undecided = zone.holds, zone.breaks, zone.state == TOUCHED
        shown.breaks_untouched, shown.role_flips = zone.breaks_untouched, zone.role_flips
        shown.place = (position >= above) - (position < split)
        shown.nearness = 1 + max(split - 1 - position, position - above, 0)
    return last - first


@exact_kernel
def walk_markets(bars: Any, offsets: Any, pieces: Any, shares: Any, per_side: int, first_day: int) -> Any:
    """SNAPSHOT records: at every bar from `first_day` on the zone around the close and the `per_side` nearest above
    and below it.

    Market i has the `bars` offsets[i]..offsets[i + 1] - 1 and the `pieces` shares[i]..shares[i + 1] - 1, PIECE records
    in filing order, which are filled in. At each bar old zones are dropped, evidence known by then is filed, and the
    zones to show are brought up to date. Bars before `first_day` without new evidence are skipped. A bar whose ATR is
    NaN or 0 shows no zones; evidence waits for the first bar that has one.
    """
    markets, shown, most = len(offsets) - 1, 0, 0
    shows_from = offsets[1:].copy()
    for market in range(markets):
        while shows_from[market] > offsets[market] and bars.day[shows_from[market] - 1] >= first_day:
            shows_from[market] -= 1
        shown += offsets[market + 1] - shows_from[market]
        most = max(most, shares[market + 1] - shares[market])
    zones, highs, books = np.empty(most, ZONE), np.empty(most), np.empty(markets, BOOK)
    out, written = np.empty(shown * (2 * per_side + 1), SNAPSHOT), 0
    for market in range(markets):
        book = books[market]
        book.live, book.filed, book.expired, book.end = 0, shares[market], shares[market], shares[market + 1]
        row, end = offsets[market], offsets[market + 1]
        while row < end:
            if bars.atr[row] > 0:
                _expire(book, zones, highs, pieces, row)
                _file(book, zones, highs, pieces, row, bars)
                if row >= shows_from[market]:
                    written += _show(book, zones, highs, pieces, row, bars, per_side, out[written:])
            due = pieces[book.filed].row if book.filed < book.end else end
            row = max(row + 1, min(due, shows_from[market]))
        for piece in pieces[book.filed : book.end]:
            piece.row = -1
    return out[:written]
