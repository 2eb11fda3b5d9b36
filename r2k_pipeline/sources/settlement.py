"""When a session's price and its volume have settled at the vendors, by kind of symbol; the schedule follows from it.

Belongs here: the spans of time and the facts behind them. Not here: what is done with a value before it has settled
(prices.py, log/revisions.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True)
class Settlement:
    """How long after the close of the symbol's exchange calendar the vendor's values are those of the session.

    `price`: an earlier answer may hold a live bar. `volume`: an earlier answer's volume is still growing.
    """

    price: timedelta
    volume: timedelta


LATE_QUOTES: Final = timedelta(minutes=20)
"""Index quotes come 15 minutes late. A later answer may rarely still hold another price than the close (^RUT 2026-08-04
at 20:32 New York: 2997.70 for a close of 3036.98); the next answer corrects it, and the run reports that."""
VOLUME: Final = timedelta(hours=12)
"""Yahoo at 16:35 New York: volume 0 for indices, 0.3 to 6 % too little for funds (12 of 12 same-day answers), whole the
next day. Twelve hours after a close of 16:00 it is 04:00: a run before the next open has every volume."""
FUTURES_LATER: Final = timedelta(hours=1)
"""Index futures trade until 17:00 New York, an hour after the close of their market's calendar."""

INDEX = Settlement(LATE_QUOTES, VOLUME)
FUND = Settlement(LATE_QUOTES, VOLUME)
FUTURE = Settlement(LATE_QUOTES + FUTURES_LATER, VOLUME)
SETTLEMENTS: Final = {
    **{"index": INDEX, "proxy": FUND, "future": FUTURE, "context": INDEX},
    **{"spot": INDEX, "fund": FUND, "yield": INDEX},
}
"""By the role that the catalogue gives a symbol, and for a market's own prices by what they are."""


def settlement_of(kinds: Iterable[str]) -> Settlement:
    """The settlement of a symbol that is of these kinds in one market or several: the latest of each value."""
    of_kinds = [SETTLEMENTS[kind] for kind in kinds]
    return Settlement(max(its.price for its in of_kinds), max(its.volume for its in of_kinds))
