"""Anchored averages of price weighted by volume: what those who bought since a known moment have paid on average.

Belongs here: the contract, which anchors there are, what the table is made from. Not here: the arithmetic
(transforms/anchored_vwaps.py), volume at price (profiles.py).
"""

from datetime import date

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import count, day, instant, points, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import BySession, Rebuilt, Series
from r2k_pipeline.tables.indicators import KNOWN_AT
from r2k_pipeline.tables.profiles import SwingPivots
from r2k_pipeline.transforms.anchored_vwaps import ANCHORS, build_anchored_vwaps

ANCHOR = rf"^({'|'.join(ANCHORS)}|since_\d{{4}}-\d{{2}}-\d{{2}})$"


class AnchoredVwaps(Table, layer="features", grows=True):
    """The volume-weighted average price of one market since one anchor, as it was known at one session's close.

    A session's volume settles some hours after its close, so its own bar is in the average of the next session. A
    session at which less than 90 % of the volumes since the anchor are known has no row.
    """

    market = text("market id, e.g. RUT", key=True)
    session_date = day("session at whose close this was known; the last one in the average is the one before", key=True)
    anchor = text(
        "swing_high, swing_low: the one confirmed last; high_252d, low_252d: the session of the highest high (lowest "
        "low) of 252 sessions; year: the first session of the year; since_DATE: the first session from a user's day on",
        key=True,
        regex=ANCHOR,
    )
    known_at = instant(KNOWN_AT)
    anchor_date = day("the anchor's session, the first in the average")
    vwap = points(
        "sum of typical price x volume / sum of volume; typical price: (high + low + close) / 3 of the index; "
        "volume of the proxy ETF"
    )
    sessions = count(Unit.SESSIONS, "from anchor_date to the session before session_date")
    volume_symbol = text("whose volume it is")

    @dy.rule()
    def anchored_before(cls) -> pl.Expr:  # noqa: N805
        return (pl.col("anchor_date") < pl.col("session_date")) & (pl.col("sessions") > 0)


@builds(AnchoredVwaps, BySession(reads_volume=True))
def anchored_vwaps(
    bars: Series[MarketBars], pivots: Rebuilt[SwingPivots], profile_since: tuple[date, ...], since: date | None = None
) -> pl.DataFrame:
    """The averages since the last swings, the year's extremes, the turn of the year and days that a user named."""
    return build_anchored_vwaps(bars, pivots, profile_since, since=since)
