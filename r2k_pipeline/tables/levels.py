"""Levels: the evidence that a chartist would mark, and the zones of support and resistance that it piles up in.

Belongs here: what a piece of evidence and a zone are, and what they are made from. Not here: pivots and profiles
(profiles.py), ranges (consolidations.py), the arithmetic (transforms/), whether zones held (level_outcomes.py).
"""

from datetime import date
from typing import Annotated

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, instant, number, points, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.consolidations import Consolidations
from r2k_pipeline.tables.forms import BySession, Facts, OfSeries, Rebuilt, Regrown, Series, Standing
from r2k_pipeline.tables.indicators import KNOWN_AT, WITHDRAWN_AT, DailyIndicators
from r2k_pipeline.tables.profiles import SwingPivots, rolling_profiles
from r2k_pipeline.transforms.level_evidence import find_evidence, latest_births, since_births, with_published_dates
from r2k_pipeline.transforms.levels import ROLES, build_level_evidence, build_levels

LEVEL_KIND = (
    r"^(swing_high|swing_low|range_high|range_low|year_high|year_low|high_252d|low_252d"
    r"|(poc|value_area_low|value_area_high)_rolling_[1-9]\d*)$"
)


class LevelEvidence(Table, layer="features"):
    """One piece of evidence in one zone: a price that a chartist would mark, filed at one session's close.

    At a session a zone's pieces are its rows filed by then and not withdrawn by then: `features.levels.price` is the
    mean of their different prices, evidence_count their number.
    """

    market = text("market id, e.g. RUT", key=True)
    level_id = text("the zone, as in features.levels", key=True)
    kind = text("what the price is", key=True, regex=LEVEL_KIND)
    born_date = day(
        "session whose bar made the price; of a moving reference, the first at which it stood there", key=True
    )
    confirmed_date = day("session at whose close it could first be known", key=True)
    filed_date = day("session from whose close on the piece is in the zone", key=True)
    price = points("the price")
    known_at = instant(KNOWN_AT)
    withdrawn_date = day("first session without it, after a correction; null = it stands", nullable=True)
    withdrawn_at = instant(WITHDRAWN_AT, nullable=True)

    @dy.rule()
    def dates_in_order(cls) -> pl.Expr:  # noqa: N805
        known = pl.col("confirmed_date").is_between("born_date", "filed_date")
        return known & (pl.coalesce("withdrawn_date", pl.lit(date.max)) > pl.col("filed_date"))


@builds(LevelEvidence, Facts("filed_date", ("level_id", "kind", "born_date", "price"), reads_volume=True))
def level_evidence(
    bars: Series[MarketBars],
    indicators: Rebuilt[DailyIndicators],
    pivots: Rebuilt[SwingPivots],
    ranges: Rebuilt[Consolidations],
    rolling: Annotated[OfSeries, Regrown(rolling_profiles)],
    stood: Standing[LevelEvidence],
    extends: bool,
) -> pl.DataFrame:
    """Every piece in its zone. If the series extend those before, profiles begin where their edges last moved."""
    if extends:
        births, first = latest_births(stood, bars["market"].n_unique())
        profiles = since_births(rolling_profiles(bars, first), births)
    else:
        profiles = rolling(bars)
    found = find_evidence(bars, indicators, pivots, profiles, ranges)
    return build_level_evidence(bars, indicators, with_published_dates(found, stood, extends))


class Levels(Table, layer="features", grows=True):
    """One zone as it stood at one session's close: the one around the close, or of the nearest on each side of it."""

    market = text("market id, e.g. RUT", key=True)
    session_date = day("the session at whose close the zone stood so", key=True)
    level_id = text(
        "kind and birth of the founding evidence (of a range also when it was known); kept through time", key=True
    )
    known_at = instant(KNOWN_AT)
    price = points("mean of the different prices of the zone's evidence")
    low = points("lowest price of the zone's evidence")
    high = points("highest price of the zone's evidence")
    kind = text("kind of the founding evidence", regex=LEVEL_KIND)
    role = choice(
        ROLES,
        "support wholly below the close, resistance wholly above; around = the one zone that contains the close",
    )
    strength = number(
        Unit.SCORE,
        "a price new in the zone and a hold add 1 each, a break (touched or not) takes a quarter; it halves in 252",
    )
    touches = count(Unit.TOUCHES, "bars that came within 0.1 ATR after a close had stood more than 0.5 ATR clear")
    holds = count(Unit.TOUCHES, "touches after which the next clear close was on the side the price came from")
    breaks = count(Unit.TOUCHES, "touches after which the next clear close was on the other side")
    undecided = count(Unit.TOUCHES, "touches that no clear close has followed yet: the last, or none")
    breaks_untouched = count(Unit.BREAKS, "clear closes on the other side than the one before, without a touch between")
    role_flips = count(Unit.BREAKS, "breaks, touched or not, after which the zone held from its new side")
    born_date = day("birth of the founding evidence, as in features.level_evidence")
    confirmed_date = day("session at whose close the founding evidence, and so the zone, was first known")
    last_touch_date = day("session of the last touch; null = not touched since confirmed", nullable=True)
    distance_atr = number(Unit.ATR, "(price - close) / atr_14 of the session; negative below the close")
    nearness = count(Unit.PLACE, "1 = the nearest to the close among the zones of its role")
    evidence_count = count(Unit.PIECES, "how many pieces joined the zone up to this session, repeats of a price too")
    evidence = text("the newest pieces of evidence, newest first: kind date at price")

    @dy.rule()
    def price_within_zone(cls) -> pl.Expr:  # noqa: N805
        return pl.col("price").is_between("low", "high")

    @dy.rule()
    def known_when_shown(cls) -> pl.Expr:  # noqa: N805
        return pl.col("confirmed_date").is_between("born_date", "session_date")

    @dy.rule()
    def touched_after_confirmed(cls) -> pl.Expr:  # noqa: N805
        touched = pl.col("last_touch_date")
        return ((pl.col("touches") > 0) == touched.is_not_null()) & touched.is_between("confirmed_date", "session_date")

    @dy.rule()
    def touches_add_up(cls) -> pl.Expr:  # noqa: N805
        return pl.col("touches") == pl.col("holds") + pl.col("breaks") + pl.col("undecided")

    @dy.rule()
    def flips_within_breaks(cls) -> pl.Expr:  # noqa: N805
        return pl.col("role_flips") <= pl.col("breaks") + pl.col("breaks_untouched")

    @dy.rule()
    def role_is_the_side_of_the_zone(cls) -> pl.Expr:  # noqa: N805
        """A support's price lies below the close and a resistance's above it; one zone at most is around the close."""
        away = pl.col("distance_atr")
        sides = pl.when(role="support").then(away < 0).when(role="resistance").then(away > 0)
        return sides.otherwise(pl.col("nearness") == 1)


@builds(Levels, BySession(reads_volume=True))
def levels(
    bars: Series[MarketBars],
    indicators: Rebuilt[DailyIndicators],
    evidence: Standing[LevelEvidence],
    since: date | None = None,
) -> pl.DataFrame:
    """The zones around and nearest to each close, from the evidence that stood."""
    return build_levels(bars, indicators, evidence, since=since)
