"""Weekly indicators: one row per market and complete week.

Belongs here: what every column means, its unit, when it begins, what it is made from. Not here: which sessions are a
week (transforms/weekly_indicators.py), daily indicators (indicators.py).
"""

from datetime import date
from typing import Annotated

import polars as pl

from r2k_pipeline.contracts.columns import count, day, instant, percentile, points, ratio, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import BySession, Columns, Series, Stored
from r2k_pipeline.tables.indicators import KNOWN_AT
from r2k_pipeline.tables.reference import Markets, Sessions
from r2k_pipeline.transforms.weekly_indicators import build_weekly_indicators


class WeeklyIndicators(Table, layer="features", grows=True):
    """One market and complete week: its close, and the indicators of weekly closes known at that close.

    A week that is still running has no row: at any moment the latest row is of the last complete week.
    """

    market = text("market id, e.g. RUT", key=True)
    session_date = day(
        "last session of the week (Monday to Sunday) by the exchange's calendar: the week is complete at its close",
        key=True,
    )
    known_at = instant(KNOWN_AT)
    close = points("last price of that session")
    return_1w = ratio(
        "close / close of the week before - 1; null where that week's last session is missing", nullable=True
    )
    rsi_14w = percentile(
        "Wilder's RSI over 14 weeks, seeded with the mean of the first 14 moves (from the 15th week); "
        "null while nothing has moved"
    )
    sma_50w = points("mean of the last 50 weekly closes", nullable=True)
    sma_100w = points("mean of the last 100 weekly closes", nullable=True)
    sma_200w = points("mean of the last 200 weekly closes", nullable=True)
    missing_sessions = count(Unit.SESSIONS, "sessions of the exchange in this week without a bar")


@builds(WeeklyIndicators, BySession())
def weekly_indicators(
    bars: Series[MarketBars],
    sessions: Annotated[Stored[Sessions], Columns("calendar", "session_date")],
    markets: Annotated[Stored[Markets], Columns("market", "calendar")],
    since: date | None = None,
) -> pl.DataFrame:
    """Indicators of weekly closes at the end of every week, from the bars so far."""
    own = markets.join(bars, on="market", how="semi")
    return build_weekly_indicators(bars, own.join(sessions, on="calendar"), since=since)
