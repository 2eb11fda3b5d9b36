"""Bounds of what prices can be: every limit with its unit and its reason, in one place.

Belongs here: the limits, and the rules that one row breaks by itself. Not here: what is done with a file or a series
that is beyond them (wrong_files.py, plausibility.py).
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

HIGHEST_PRICE: Final = 1e7
"""Index points or USD: ten times the dearest share and the highest index there are (Berkshire, Merval)."""
LOWEST_PRICE: Final = 1e-4
"""Index points or USD: the smallest step in which any exchange quotes."""
HIGHEST_VOLUME: Final = 1e13
"""Shares or contracts a session: a hundred times what a whole exchange trades."""
POSSIBLE: Final = {
    "price_possible": (pl.max_horizontal("open", "high", "low", "close") <= HIGHEST_PRICE)
    & (pl.min_horizontal("open", "high", "low", "close") >= LOWEST_PRICE),
    "volume_possible": (pl.col("volume") <= HIGHEST_VOLUME).fill_null(True),
}
"""Rules by name, true where a bar is possible; a missing price or volume breaks none of them."""

CLOSED_SHARE: Final = 0.05
"""Of a file's rows. Days that are one off put a fifth of them on closed days; a future has one in 500."""
CLOSED_ROWS: Final = 3
"""Rows: up to this many on closed days are treated as a vendor's stray rows, however short the file."""
FRACTION_SHARE: Final = 0.5
"""Of a file's rows. No share is traded in parts that a day's volume shows; a vendor that adjusts volumes makes them."""
SKIPPING_SHARE: Final = 1 / 3
"""Of the steps from one row to the next. All of them skip sessions in a weekly file; gaps are few, however long."""
SKIPPING_STEPS: Final = 10
"""Steps: with fewer, the interval between a file's rows cannot be judged."""
REGULAR_SINCE: Final = date(1970, 1, 1)
"""Before this day the exchange calendar lacks some closed days."""

LOST: Final = timedelta(days=14)
"""How long before the newest recorded bar a vendor's answer may end: its newest sessions are gone for a day or two."""

STEP: Final = 1.4
"""Times the close before, up or down. The widest of any index, fund or future is 1.26 (^GSPC 1987-10-19); the smallest
usual split is 1.5."""
WIDE_STEP: Final = 5.0
"""The same for volatility (^VIX 2018-02-05: 2.16), yields near 0, context symbols, and across a gap."""
GAP_DAYS: Final = 7
"""Days from one close to the next that are no gap (September 2001)."""
REACH: Final = 12.0
"""Median true ranges that a high or a low may be away from open, close and the close before (QQQ 2015-08-24: 9.2)."""
LEAST_REACH: Final = 0.05
"""As a ratio: less is left alone, however calm the sessions before were."""
REACH_SESSIONS: Final = 63
"""Sessions before, of whose true ranges the median is taken."""
LEAST_SESSIONS: Final = 20
"""Of them; with fewer, the median of the whole series stands for it."""

RECENT: Final = 250
"""Newest sessions by which two series are compared."""
COMMON: Final = 20
"""Sessions that two series must have in common to be compared."""
TRACKED: Final = 0.001
"""Ratio: the median difference of one-day returns within one market is below it (^RUT and RTY=F: 0.0006)."""
BETTER: Final = 2.0
"""Factor: if another market's series is this much nearer than the own market's, the files are mixed up."""
FLAT_SHARE: Final = 0.5
"""Of these with one price: closes alone. Of an index or a fund that trades it is none (^GSPC before 1962: all)."""
COPIED_SHARE: Final = 0.5
"""Of common sessions with the same close: by chance it is one in a thousand."""
DRIFT: Final = 0.005
"""Ratio a year that a fund gains on its index where dividends are in its prices (QQQ: 0.007); traded, at most 0.001."""
DRIFT_YEARS: Final = 5.0
"""Years of data needed to see that gain."""
DRIFT_SESSIONS: Final = 2520
"""The newest sessions (ten years) by which the gain is judged: some funds did not always pay dividends."""
