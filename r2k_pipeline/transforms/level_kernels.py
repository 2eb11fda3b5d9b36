"""The compiled walk of the levels: one market's zones, bar by bar.

Belongs here: records and loops. Not here: frames, dates, names (levels.py, level_evidence.py). Zones never overlap, so
one order by price serves every search; a bar looks only at the zones within its reach, and each piece of evidence is
filed once and expires once: linear in history.
"""

from typing import Any

import numpy as np

from r2k_pipeline.transforms.compiled import exact_kernel

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
"""What so many sessions leave of strength; no zone is older than its newest evidence allows."""
BREAK_FACTOR = 0.75
"""What a break leaves of a zone's strength."""

ARMED, TOUCHED, NEW = 0, 1, 2
"""Ready to be touched; touched and not yet decided; born at the price and not yet left by a close."""

COUNTS = ["evidence", "touches", "holds", "breaks", "role_flips"]
BAR = np.dtype([(name, "f8") for name in ("high", "low", "close", "atr")] + [("day", "i8")])
PIECE = np.dtype([("price", "f8"), ("known_day", "i8"), ("row", "i4"), ("zone", "i4"), ("previous", "i4")])
"""A piece of evidence. The walk fills in the row it was filed at (left as it is where none was), its zone (the piece
that founded it), and the piece that came before it in that zone (-1: none)."""
ZONE = np.dtype(
    [(name, "f8") for name in ("price", "low", "high", "strength")]
    + [(name, "i4") for name in ("strength_row", "latest", "last_touch", "prices", *COUNTS)]
    + [("side", "i1"), ("state", "i1"), ("was_broken", "?")]
)
"""A zone, kept at the place of its founding piece. `latest`: its newest piece; `prices`: how many different ones its
pieces have; `side`: +1 if the last close that stood clear of it was above, -1 below."""
BOOK = np.dtype([(name, "i4") for name in ("live", "filed", "expired", "cursor")])
"""How many zones live (the first places of `order`), how many pieces are filed and have expired, and where among the
zones the last search ended: the next one is for a price near by."""
SNAPSHOT = np.dtype(
    [(name, "f8") for name in ("price", "low", "high", "strength")]
    + [(name, "i4") for name in ("row", "founder", "latest", "last_touch", "nearness", *COUNTS)]
    + [("is_support", "?")]
)
"""A zone as it stood at the bar `row`."""


@exact_kernel
def _first_reaching(book: Any, zones: Any, order: Any, price: float) -> int:
    """Position in `order` of the lowest zone whose upper edge is at or above `price`, from where we last looked."""
    position: int = min(book.cursor, book.live)
    while position > 0 and zones[order[position - 1]].high >= price:
        position -= 1
    while position < book.live and zones[order[position]].high < price:
        position += 1
    book.cursor = position
    return position


@exact_kernel
def _credit(zone: Any, row: int, factor: float, points: float) -> None:
    """Let the zone's strength fade up to `row`, then scale it and add to it."""
    zone.strength = zone.strength * FADE[row - zone.strength_row] * factor + points
    zone.strength_row = row


@exact_kernel
def _meet_bar(zone: Any, row: int, bar: Any) -> None:
    """What a bar does to a zone: touch it; close clear of it where the price came from (hold), or beyond (break)."""
    near, clear = TOUCH_ATR * bar.atr, CLEAR_ATR * bar.atr
    if zone.state == ARMED and bar.low <= zone.high + near and bar.high >= zone.low - near:
        zone.touches += 1
        zone.last_touch = row
        zone.state = TOUCHED
    side = 1 if bar.close > zone.high + clear else -1 if bar.close < zone.low - clear else 0
    if side == 0:
        return
    if side != zone.side:
        zone.breaks += 1
        zone.was_broken = True
        zone.side = side
        _credit(zone, row, BREAK_FACTOR, 0.0)
    elif zone.state == TOUCHED:
        zone.holds += 1
        zone.role_flips += zone.was_broken
        zone.was_broken = False
        _credit(zone, row, 1.0, 1.0)
    zone.state = ARMED


@exact_kernel
def _meet_zones(book: Any, zones: Any, order: Any, row: int, bars: Any) -> None:
    """Let the bar meet the zones in reach; any other is clear of the last close and of this bar, so nothing changes."""
    bar, before = bars[row], bars[max(row - 1, 0)]
    reach = CLEAR_ATR * (max(bar.atr, before.atr) if before.atr > 0 else bar.atr)
    top = max(bar.high, before.close) + reach
    position = _first_reaching(book, zones, order, min(bar.low, before.close) - reach)
    while position < book.live and zones[order[position]].low <= top:
        _meet_bar(zones[order[position]], row, bar)
        position += 1


@exact_kernel
def _expire(book: Any, zones: Any, order: Any, pieces: Any, row: int) -> None:
    """Drop the zones whose newest piece is too old."""
    while book.expired < book.filed and pieces[book.expired].row + LIFE_SESSIONS < row:
        zone = zones[pieces[book.expired].zone]
        if zone.latest == book.expired:
            position = _first_reaching(book, zones, order, zone.low)
            book.live -= 1
            for place in range(position, book.live):
                order[place] = order[place + 1]
        book.expired += 1


@exact_kernel
def _home(book: Any, zones: Any, order: Any, price: float, atr: float) -> tuple[int, bool]:
    """Position of the zone that `price` belongs to and True, or the position where a new one goes and False."""
    at = _first_reaching(book, zones, order, price)
    if at < book.live and zones[order[at]].low <= price:
        return at, True
    best, distance = -1, JOIN_ATR * atr
    for position in range(max(at - 1, 0), min(at + 1, book.live)):
        zone = zones[order[position]]
        width = max(zone.high, price) - min(zone.low, price)
        if abs(zone.price - price) <= distance and width <= 2 * JOIN_ATR * atr:
            best, distance = position, abs(zone.price - price)
    return (best, True) if best >= 0 else (at, False)


@exact_kernel
def _found(book: Any, zones: Any, order: Any, position: int, row: int, bar: Any, price: float) -> None:
    """Begin a zone at `position` with the piece now being filed; it is armed once a close stands clear of it."""
    for place in range(book.live, position, -1):
        order[place] = order[place - 1]
    order[position] = book.filed
    book.live += 1
    zone = zones[book.filed]
    zone.price = zone.low = zone.high = price
    zone.latest = zone.last_touch = -1
    zone.strength_row = row
    zone.side = 1 if bar.close > price else -1
    zone.state = ARMED if abs(bar.close - price) > CLEAR_ATR * bar.atr else NEW


@exact_kernel
def _is_told(zone: Any, pieces: Any, price: float) -> bool:
    """Whether one of the zone's pieces has this very price."""
    if not zone.low <= price <= zone.high:
        return False
    item = zone.latest
    while item >= 0 and pieces[item].price != price:
        item = pieces[item].previous
    return bool(item >= 0)


@exact_kernel
def _count_price(zone: Any, price: float) -> None:
    """Let a price that is new in the zone widen it; the zone's price is the mean of them."""
    zone.low, zone.high = min(zone.low, price), max(zone.high, price)
    zone.prices += 1
    mean = zone.price + (price - zone.price) / zone.prices
    zone.price = min(max(mean, zone.low), zone.high)  # rounding must not carry it out of its edges


@exact_kernel
def _file(book: Any, zones: Any, order: Any, pieces: Any, row: int, bar: Any) -> None:
    """File the pieces known by now: each joins a zone, or founds one; a price counts once in a zone."""
    while book.filed < len(pieces) and pieces[book.filed].known_day <= bar.day:
        piece = pieces[book.filed]
        position, exists = _home(book, zones, order, piece.price, bar.atr)
        if not exists:
            _found(book, zones, order, position, row, bar, piece.price)
        zone = zones[order[position]]
        points = 0.0 if _is_told(zone, pieces, piece.price) else 1.0
        if points > 0:
            _count_price(zone, piece.price)
        _credit(zone, row, 1.0, points)
        piece.row, piece.zone, piece.previous = row, order[position], zone.latest
        zone.evidence += 1
        zone.latest = book.filed
        book.filed += 1


@exact_kernel
def _show(book: Any, zones: Any, order: Any, row: int, close: float, per_side: int, out: Any) -> int:
    """Write the nearest zones on each side, in rising order of price; returns how many."""
    split = _first_reaching(book, zones, order, close)
    if split < book.live and zones[order[split]].low <= close and zones[order[split]].side > 0:
        split += 1  # the zone that contains the close was support, and still is
    first = max(split - per_side, 0)
    last: int = min(split + per_side, book.live)
    for position in range(first, last):
        zone, shown = zones[order[position]], out[position - first]
        shown.row, shown.founder, shown.latest, shown.is_support = row, order[position], zone.latest, position < split
        shown.price, shown.low, shown.high = zone.price, zone.low, zone.high
        shown.strength = zone.strength * FADE[row - zone.strength_row]
        shown.evidence, shown.touches, shown.last_touch = zone.evidence, zone.touches, zone.last_touch
        shown.holds, shown.breaks, shown.role_flips = zone.holds, zone.breaks, zone.role_flips
        start, end = (first, split) if position < split else (split, last)
        shown.nearness = 1
        for other in range(start, end):
            gap = abs(zones[order[other]].price - close) - abs(zone.price - close)
            shown.nearness += gap < 0 or (gap == 0 and other < position)
    return last - first


@exact_kernel
def _walk_zones(bars: Any, pieces: Any, per_side: int, first_day: int, out: Any) -> int:
    """One market; returns how many records it wrote."""
    zones, order = np.zeros(len(pieces), ZONE), np.empty(len(pieces), np.int32)
    book = np.zeros(1, BOOK)[0]
    written = 0
    for row in range(len(bars)):
        bar = bars[row]
        if bar.atr > 0:
            _expire(book, zones, order, pieces, row)
            _meet_zones(book, zones, order, row, bars)
            _file(book, zones, order, pieces, row, bar)
            if bar.day >= first_day:
                written += _show(book, zones, order, row, bar.close, per_side, out[written:])
    return written


@exact_kernel
def walk_markets(bars: Any, offsets: Any, pieces: Any, shares: Any, per_side: int, first_day: int) -> Any:
    """SNAPSHOT records of the `per_side` nearest zones on either side of the close, at every bar from `first_day` on.

    `bars`: BAR records of a batch of markets, `pieces`: PIECE records of the same, sorted by known_day, with -1 as row
    and previous; the walk fills in these and the zone. Market i has the bars from offsets[i] on and the pieces from
    shares[i] on, counted through all batches, as are the rows and pieces that come out.
    A bar whose ATR is NaN or 0 shows no zones; evidence waits for the first bar that has one.
    """
    shown = 0
    for bar in bars:
        shown += bar.day >= first_day
    out = np.empty(shown * 2 * per_side, SNAPSHOT)
    written = 0
    for market in range(len(offsets) - 1):
        row, piece = offsets[market], shares[market]
        its = pieces[piece - shares[0] : shares[market + 1] - shares[0]]
        days = bars[row - offsets[0] : offsets[market + 1] - offsets[0]]
        count = _walk_zones(days, its, per_side, first_day, out[written:])
        for zone in out[written : written + count]:
            zone.row += row
            zone.last_touch += row if zone.last_touch >= 0 else 0
            zone.founder += piece
            zone.latest += piece
        for item in its:
            item.row += row if item.row >= 0 else 0
            item.zone += piece
            item.previous += piece if item.previous >= 0 else 0
        written += count
    return out[:written]
