"""Contracts of the price side: raw bars and actions, and the bars as known at `as_of`.

Belongs here: what a bar is and when it counts as known. Not here: sessions (reference.py),
indicators, levels.
"""

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import additive, choice, count, day, flag, instant, number, points, text
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit

SYMBOL = r"^[A-Z0-9^=.\-]{1,16}$"
ACTION_KINDS = ("split", "dividend")
ROUNDING = 1e-6
"""Relative slack between high, low, open and close: vendors print float32 values as float64."""


def _settled_volume(description: str) -> dy.Float64:
    return additive(number(Unit.VOLUME, description, nullable=True, low=0))


def _volume_known_at() -> dy.Datetime:
    return instant("when the volume was known: 12 hours after the close, or later; null without one", nullable=True)


class _Bar(dy.Schema):
    """open, high, low, close as one bar must hold them."""

    open = points(
        "first traded price of the session, of a fund in USD a share; null where the vendor has none inside the bar",
        nullable=True,
    )
    high = points("highest price of the session; of a fund in USD a share")
    low = points("lowest price of the session; of a fund in USD a share")
    close = points("last price of the session, as traded (never adjusted); of a fund in USD a share")

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
    volume = additive(number(Unit.VOLUME, "volume as the vendor gave it", nullable=True, low=0))
    source = text("where the row came from: source name and file or address")
    is_final = flag("the session had ended when the value was asked for; false = live partial bar, never published")
    is_settled = flag(
        "the volume had settled when the value was asked for: 12 hours after the close; null = recorded before r2k "
        "kept this",
        nullable=True,
    )
    is_withdrawn = flag("the vendor no longer lists this bar: a tombstone that repeats the last values")


class PriceActions(Table, layer="raw"):
    """One split or dividend as a vendor said it at one moment."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    action_date = day("ex-date", key=True)
    kind = choice(ACTION_KINDS, "what happened", key=True)
    recorded_at = instant("when we learned this value", key=True)
    amount = number(Unit.USD_A_SHARE, "dividend in USD a share, or split ratio", low=0)
    source = text("where the row came from")
    is_withdrawn = flag("the vendor no longer lists this action: a tombstone")


class _SettledBar(_Bar):
    """A bar whose volume is null until it has settled, and when it was known."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    session_date = day("exchange-local trading day", key=True)
    volume = _settled_volume("volume as the vendor gave it once it had settled; null until then")
    volume_known_at = _volume_known_at()
    known_at = instant("when the price was final; of corrections, late and accepted rows the moment they were recorded")


class DailyPrices(_SettledBar, Table, layer="staging", stands_of="staging.price_vintages"):
    """One bar per symbol and session as known at `as_of`: finished sessions, latest vintage known by then."""

    revision = count(Unit.REVISIONS, "how often the value had changed by then; 0 = as first recorded")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class PriceVintages(_SettledBar, Table, layer="staging"):
    """One vintage of one bar: what was known from `known_at` until `superseded_at`."""

    revision = count(Unit.REVISIONS, "0 = as first recorded", key=True)
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
    is_withdrawn = flag("from then on the vendor listed no such bar")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class PriceActionVintages(Table, layer="staging"):
    """One vintage of one split or dividend: what was known from `known_at` until `superseded_at`."""

    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    action_date = day("ex-date", key=True)
    kind = choice(ACTION_KINDS, "what happened", key=True)
    revision = count(Unit.REVISIONS, "0 = as first recorded", key=True)
    amount = number(Unit.USD_A_SHARE, "dividend in USD a share, or split ratio", low=0)
    known_at = instant("ex-date's close for first values, the moment of recording for corrections, late and held ones")
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
    is_withdrawn = flag("from then on the vendor listed no such action")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class MarketBars(_Bar, Table, layer="staging"):
    """One vintage of one market's bar: the index's prices with its volume proxy's volume; what all features read.

    The volume settles after the session; it is null where it was not known before the next vintage.
    """

    market = text("market id, e.g. RUT", key=True)
    session_date = day("exchange-local trading day", key=True)
    known_at = instant("when this was known: the session's close, or later for a correction", key=True)
    session_number = count(
        Unit.SESSIONS, "place of the session in the exchange's calendar: the next one has the next number"
    )
    volume = _settled_volume("the proxy's settled volume; null where it did not trade yet, or has not settled")
    volume_symbol = text("whose volume it is", nullable=True)
    volume_known_at = _volume_known_at()
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
