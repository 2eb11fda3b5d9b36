"""When a session's price and its volume have settled at the vendors, by kind of symbol; the schedule follows from it.

Belongs here: the spans of time and the facts behind them. Not here: what is done with a value before it has settled
(prices.py, log/revisions.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final


@dataclass(frozen=True)
class Settlement:
    """How long after the close of the symbol's exchange calendar its values are those of the session.

    `final`: until then the price moves; `final_on_half_day`: the same on half-days. `volume`: until then an answer's
    volume is still growing.
    """

    final: timedelta
    final_on_half_day: timedelta
    volume: timedelta

    @property
    def price(self) -> timedelta:
        """Until then an answer may hold a live bar."""
        return self.final + LATE_QUOTES

    @property
    def half_day(self) -> timedelta:
        """`price` on half-days."""
        return self.final_on_half_day + LATE_QUOTES


GRACE: Final = timedelta(hours=12)
"""A session or a report is awaited this long after its close or release. Vendors have a session hours later at times,
and the next scheduled run comes an hour after a report."""
LATE_QUOTES: Final = timedelta(minutes=20)
"""Index quotes come 15 minutes late. A later answer may rarely still hold another price than the close (^RUT 2026-08-04
at 20:32 New York: 2997.70 for a close of 3036.98); the next answer corrects it, and the run reports that."""
VOLUME: Final = timedelta(hours=12)
"""Yahoo at 16:35 New York: volume 0 for indices, 0.3 to 6 % too little for funds (12 of 12 same-day answers), whole the
next day. Twelve hours after a close of 16:00 it is 04:00: a run before the next open has every volume."""
FUTURES_LATER: Final = timedelta(hours=1)
"""Index futures trade until 17:00 New York, an hour after the close of their market's calendar."""
VOLATILITY_LATER: Final = timedelta(minutes=15)
"""Options on the S&P 500, and so VIX, go on for longer than shares: until 16:15 New York, 13:15 on half-days."""
YIELDS_LATER: Final = timedelta(hours=1)
"""On half-days: Treasury yields are computed until 14:00 New York, shares trade until 13:00; else until 15:00."""

INDEX = Settlement(timedelta(), timedelta(), VOLUME)
FUTURE = Settlement(FUTURES_LATER, FUTURES_LATER, VOLUME)
VOLATILITY = Settlement(VOLATILITY_LATER, VOLATILITY_LATER, VOLUME)
YIELD = Settlement(timedelta(), YIELDS_LATER, VOLUME)
ANY_INDEX = Settlement(VOLATILITY.final, YIELD.final_on_half_day, VOLUME)
SETTLEMENTS: Final = {
    **{"index": INDEX, "proxy": INDEX, "future": FUTURE, "context": ANY_INDEX},
    **{"spot": INDEX, "fund": INDEX, "yield": YIELD, "volatility": VOLATILITY},
}
"""By the role that the catalogue gives a symbol, and for a market's own prices by what they are."""


def settlement_of(kinds: Iterable[str]) -> Settlement:
    """The settlement of a symbol that is of these kinds in one market or several: the latest of each value."""
    of_kinds = [SETTLEMENTS[kind] for kind in kinds]
    return Settlement(*(max(getattr(settlement, span.name) for settlement in of_kinds) for span in fields(Settlement)))
