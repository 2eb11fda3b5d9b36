"""Indicators of price: one row per market and session, and the crosses of its moving averages.

Belongs here: what every column means, its unit, when it begins, what it is made from. Not here: the arithmetic
(transforms/indicators.py), levels, positioning.
The first sessions of a market are null: an indicator begins when its whole window is there.
"""

from datetime import date
from typing import Annotated

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, instant, number, percentile, points, ratio, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import BySession, Columns, Series, Stored
from r2k_pipeline.transforms.crosses import build_moving_average_crosses
from r2k_pipeline.transforms.indicators import build_daily_indicators

AVERAGES = "(50|100|200)"
CLOSE_AND_AVERAGES = (1, 20, 50, 100, 200)
KNOWN_AT = "when the row was known: the session's price was final, or a late session was recorded"
WITHDRAWN_AT = "when the first session without it was known; null = it stands"


class DailyIndicators(Table, layer="features", grows=True):
    """One market and session: its close and the indicators known at that close, from that market's sessions so far."""

    market = text("market id, e.g. RUT", key=True)
    session_date = day("exchange-local trading day", key=True)
    known_at = instant(KNOWN_AT)
    close = points("last price of the session")
    return_1d = ratio("close / previous session's close - 1; null where that session is missing", nullable=True)
    rsi_14 = percentile(
        "Wilder's RSI over 14 sessions, seeded with the mean of the first 14 moves (from the 15th session); "
        "null while nothing has moved"
    )
    sma_20 = points("mean of the last 20 closes", nullable=True)
    sma_50 = points("mean of the last 50 closes", nullable=True)
    sma_100 = points("mean of the last 100 closes", nullable=True)
    sma_200 = points("mean of the last 200 closes", nullable=True)
    ema_20 = points("exponential mean of closes, weight 2/21, seeded with the first 20-session mean", nullable=True)
    macd = points(
        "exponential means of closes over 12 less 26 sessions, both seeded at the 26th; from the 34th, as TA-Lib",
        nullable=True,
        positive=False,
    )
    macd_signal = points("exponential mean of macd over 9 sessions; from the 34th", nullable=True, positive=False)
    macd_histogram = points("macd - macd_signal", nullable=True, positive=False)
    atr_14 = number(Unit.POINTS, "Wilder's average true range over 14 sessions; from the 15th", nullable=True, low=0.0)
    bollinger_upper = points("sma_20 + 2 population standard deviations of the last 20 closes", nullable=True)
    bollinger_lower = points(
        "sma_20 - 2 population standard deviations of the last 20 closes", nullable=True, positive=False
    )
    high_252d = points("highest high of the last 252 sessions", nullable=True)
    low_252d = points("lowest low of the last 252 sessions", nullable=True)
    realised_volatility_20d = number(
        Unit.RATIO_A_YEAR,
        "sample standard deviation of the last 20 daily log returns x square root of 252",
        nullable=True,
        low=0.0,
    )
    drawdown_ratio = ratio("close / highest close since the history begins - 1; never above 0")
    moving_average_order = text(
        "sma_50, sma_100, sma_200 from the highest to the lowest, e.g. 100>50>200; "
        "`=` between two that differ by less than 1e-10 of themselves, the shorter first",
        nullable=True,
        regex=f"^{AVERAGES}[>=]{AVERAGES}[>=]{AVERAGES}$",
    )
    missing_sessions_252d = count(
        Unit.SESSIONS, "sessions of the exchange without a bar since the 252nd last bar (or the first one)"
    )
    ema_50 = points("exponential mean of closes, weight 2/51, seeded with the first 50-session mean", nullable=True)
    ema_200 = points("exponential mean of closes, weight 2/201, seeded with the first 200-session mean", nullable=True)
    adx_14 = percentile(
        "Wilder's average directional index over 14 sessions, 0 no trend in either direction; from the 28th session; "
        "null while nothing has moved"
    )
    plus_di_14 = percentile("Wilder's +DI: upward movement, percent of the true range, 14 sessions; from the 15th")
    minus_di_14 = percentile("Wilder's -DI: downward movement, percent of the true range; from the 15th")
    rsi_30_trigger_close = points(
        "the next session's close that would put rsi_14 at exactly 30; null where no positive close does", nullable=True
    )
    rsi_70_trigger_close = points(
        "the next session's close that would put rsi_14 at exactly 70; null where no positive close does", nullable=True
    )
    sma_50_200_trigger_close = points(
        "the next session's close that would make sma_50 and sma_200 equal: beyond it they cross; "
        "null where no positive close does",
        nullable=True,
    )

    @dy.rule()
    def low_not_above_high(cls) -> pl.Expr:  # noqa: N805
        return pl.col("low_252d").is_null() | (pl.col("low_252d") <= pl.col("high_252d"))

    @dy.rule()
    def drawdown_not_above_zero(cls) -> pl.Expr:  # noqa: N805
        return pl.col("drawdown_ratio").is_between(-1, 0)


@builds(DailyIndicators, BySession())
def daily_indicators(bars: Series[MarketBars], since: date | None = None) -> pl.DataFrame:
    """Indicators at every close, from the bars so far."""
    return build_daily_indicators(bars, since=since)


class MovingAverageCrosses(Table, layer="features"):
    """One cross: at this close an average (or the close itself) went from one side of a longer average to the other."""

    market = text("market id, e.g. RUT", key=True)
    session_date = day("session at whose close the cross was first known", key=True)
    fast = count(Unit.SESSIONS, "length of the shorter average; 1 = the close itself", key=True)
    slow = count(Unit.SESSIONS, "length of the longer average", key=True)
    known_at = instant(KNOWN_AT)
    direction = choice(("up", "down"), "up: the shorter is above the longer now")
    close = points("last price of the session")

    @dy.rule()
    def fast_shorter_than_slow(cls) -> pl.Expr:  # noqa: N805
        known = [list(CLOSE_AND_AVERAGES)]
        return (pl.col("fast") < pl.col("slow")) & pl.col("fast").is_in(*known) & pl.col("slow").is_in(*known)


LINES = ("close", "sma_20", "sma_50", "sma_100", "sma_200")


@builds(MovingAverageCrosses)
def moving_average_crosses(
    indicators: Annotated[Stored[DailyIndicators], Columns("market", "session_date", "known_at", *LINES)],
) -> pl.DataFrame:
    """Crosses of the averages as they were known: a later series would miss the crosses that a correction undid."""
    return build_moving_average_crosses(indicators.sort("market", "session_date"))
