"""Contracts of the price side: raw bars and actions, and the bars as known at `as_of`.

Belongs here: what a bar is and when it counts as known. Not here: sessions (reference.py),
indicators, levels.
"""

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import additive, choice, count, day, flag, instant, number, points, text
from r2k_pipeline.contracts.table import Table

SYMBOL = r"^[A-Z0-9^=.\-]{1,16}$"
ACTION_KINDS = ("split", "dividend")
ROUNDING = 1e-6
"""Relative slack between high, low, open and close: vendors print float32 values as float64."""


class _Bar(dy.Schema):
    """open, high, low, close as one bar must hold them."""

    open = points("first traded price of the session")
    high = points("highest price of the session")
    low = points("lowest price of the session")
    close = points("last price of the session, as traded (never adjusted)")

    @dy.rule()
    def high_not_below_low(cls) -> pl.Expr:  # noqa: N805
        return pl.col("high") >= pl.col("low")

    @dy.rule()
    def open_within_range(cls) -> pl.Expr:  # noqa: N805
        return pl.col("open").is_between(pl.col("low") * (1 - ROUNDING), pl.col("high") * (1 + ROUNDING))

    @dy.rule()
    def close_within_range(cls) -> pl.Expr:  # noqa: N805
        return pl.col("close").is_between(pl.col("low") * (1 - ROUNDING), pl.col("high") * (1 + ROUNDING))


class PriceBars(_Bar, Table, layer="raw"):
    """One daily bar as a vendor said it at one moment; a changed value is a new row, nothing is rewritten."""

    symbol = text("vendor symbol, e.g. ^RUT", key=True, regex=SYMBOL)
    session_date = day("exchange-local trading day", key=True)
    recorded_at = instant("when we learned this value", key=True)
    volume = additive(number("shares or contracts", "volume as the vendor gave it", nullable=True, low=0))
    source = text("where the row came from: source name and file or address")
    is_final = flag("the session had ended when the value was recorded; false = live partial bar, never published")
    is_withdrawn = flag("the vendor no longer lists this bar: a tombstone that repeats the last values")


class PriceActions(Table, layer="raw"):
    """One split or dividend as a vendor said it at one moment."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    action_date = day("ex-date", key=True)
    kind = choice(ACTION_KINDS, "what happened", key=True)
    recorded_at = instant("when we learned this value", key=True)
    amount = number("USD a share, or new shares per old", "dividend in USD a share, or split ratio", low=0)
    source = text("where the row came from")
    is_withdrawn = flag("the vendor no longer lists this action: a tombstone")


class DailyPrices(_Bar, Table, layer="staging", known_by=None):
    """One bar per symbol and session as known at `as_of`: finished sessions, latest vintage known by then."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    session_date = day("exchange-local trading day", key=True)
    volume = additive(number("shares or contracts", "volume as the vendor gave it", nullable=True, low=0))
    known_at = instant("session close for first values, the moment of recording for corrections, late and held ones")
    revision = count("revisions", "how often the value had changed by then; 0 = as first recorded")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class PriceVintages(_Bar, Table, layer="staging"):
    """One vintage of one bar: what was known from `known_at` until `superseded_at`."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    session_date = day("exchange-local trading day", key=True)
    revision = count("revisions", "0 = as first recorded", key=True)
    volume = additive(number("shares or contracts", "volume as the vendor gave it", nullable=True, low=0))
    known_at = instant("session close for first values, the moment of recording for corrections, late and held ones")
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
    is_withdrawn = flag("from then on the vendor listed no such bar")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class PriceActionVintages(Table, layer="staging"):
    """One vintage of one split or dividend: what was known from `known_at` until `superseded_at`."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    action_date = day("ex-date", key=True)
    kind = choice(ACTION_KINDS, "what happened", key=True)
    revision = count("revisions", "0 = as first recorded", key=True)
    amount = number("USD a share, or new shares per old", "dividend in USD a share, or split ratio", low=0)
    known_at = instant("ex-date's close for first values, the moment of recording for corrections, late and held ones")
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
    is_withdrawn = flag("from then on the vendor listed no such action")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class MarketBars(_Bar, Table, layer="staging"):
    """One vintage of one market's bar: the index's prices with its volume proxy's volume; what all features read."""

    market = text("market id, e.g. RUT", key=True)
    session_date = day("exchange-local trading day", key=True)
    known_at = instant("when this was known: the session's close, or later for a correction", key=True)
    volume = additive(
        number("shares or contracts", "the proxy's volume; null where it did not trade yet", nullable=True, low=0)
    )
    volume_symbol = text("whose volume it is", nullable=True)
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
