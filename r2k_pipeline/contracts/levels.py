"""Contracts of levels: consolidation ranges, zones of support and resistance, and how often such zones held.

Belongs here: what a range, a zone and an outcome are. Not here: pivots and volume profiles (profiles.py).
"""

from datetime import date

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, instant, number, points, ratio, text
from r2k_pipeline.contracts.indicators import KNOWN_AT
from r2k_pipeline.contracts.profiles import WITHDRAWN_AT
from r2k_pipeline.contracts.table import Table

LEVEL_ROLES = ("support", "around", "resistance")
"""From below the close to above it."""
LEVEL_SIDES = ("support", "resistance")
LEVEL_KIND = (
    r"^(swing_high|swing_low|range_high|range_low|year_high|year_low|high_252d|low_252d"
    r"|(poc|value_area_low|value_area_high)_rolling_[1-9]\d*)$"
)


class Consolidations(Table, layer="features"):
    """One state of a consolidation range, as it was known from one session on: confirmed, edges moved, or ended.

    A corrected bar may withdraw a state, or tell others anew. As of a session the states are the rows known by then
    and not withdrawn by then; of a range (market, start_date, first_confirmed_date) the one with the latest
    confirmed_date counts, and it is open while that has no end_date.
    """

    market = text("market id, e.g. RUT", key=True)
    start_date = day("first session in the range", key=True)
    confirmed_date = day("session whose close made the range what it is in this row", key=True)
    known_date = day(
        "session at whose close this row was first known: confirmed_date, or the first after a correction", key=True
    )
    first_confirmed_date = day("session whose close confirmed the range itself")
    end_date = day("last close inside the edges; null while the range is open", nullable=True)
    end_confirmed_date = day("session whose close ended it, the tenth outside in a row", nullable=True)
    low = points(
        "lower edge: lowest close from start_date to when the edges last moved; closes outside since do not move it"
    )
    high = points("upper edge: highest of those closes")
    midpoint = points("mean of the edges")
    core_low = points("1st percentile of the closes between the edges, of those that `sessions` counts")
    core_high = points("99th percentile of those closes")
    tightness = number(
        "ratio",
        "log(highest / lowest) / (sigma sqrt(n)) of all n `sessions`, closes outside the edges too: at most 0.8 while "
        "open, an ended range may have more; a random walk's span has about 1.6",
        low=0,
    )
    sessions = count("sessions", "from start_date to end_date or, while open, confirmed_date; some may close outside")
    parent_start_date = day(
        "start of the range around it: of those open that started before and held both its edges then, the last",
        nullable=True,
    )
    known_at = instant(KNOWN_AT)
    withdrawn_date = day("first session without it, after a correction; null = it stands", nullable=True)
    withdrawn_at = instant(WITHDRAWN_AT, nullable=True)

    @dy.rule()
    def core_within_edges(cls) -> pl.Expr:  # noqa: N805
        return pl.col("core_low").is_between("low", "core_high") & (pl.col("core_high") <= pl.col("high"))

    @dy.rule()
    def dates_in_order(cls) -> pl.Expr:  # noqa: N805
        confirmed = pl.col("first_confirmed_date").is_between("start_date", "confirmed_date")
        known = (pl.col("known_date") >= pl.col("confirmed_date")) & (
            pl.coalesce("withdrawn_date", pl.lit(date.max)) > pl.col("known_date")
        )
        return confirmed & known & (pl.coalesce("parent_start_date", pl.lit(date.min)) < pl.col("start_date"))

    @dy.rule()
    def end_with_its_date(cls) -> pl.Expr:  # noqa: N805
        open_still = pl.col("end_date").is_null() & pl.col("end_confirmed_date").is_null()
        ended = (pl.col("end_date") < pl.col("confirmed_date")) & (
            pl.col("end_confirmed_date") == pl.col("confirmed_date")
        )
        return open_still | ended


class OpenRanges(Table, layer="features", grows=True):
    """One consolidation range that stood open at one session's close, as it was known then."""

    market = text("market id, e.g. RUT", key=True)
    session_date = day("session at whose close the range stood open", key=True)
    start_date = day("first session in the range", key=True)
    known_at = instant(KNOWN_AT)
    first_confirmed_date = day("session whose close confirmed the range itself")
    low = points(
        "lower edge: lowest close from start_date to when the edges last moved; closes outside since do not move it"
    )
    high = points("upper edge: highest of those closes")
    core_low = points("1st percentile of the closes between the edges, from start_date to this session")
    core_high = points("99th percentile of those closes")
    parent_start_date = day(
        "start of the range around it: of those open that started before and hold both its edges, the last",
        nullable=True,
    )

    @dy.rule()
    def core_within_edges(cls) -> pl.Expr:  # noqa: N805
        return pl.col("core_low").is_between("low", "core_high") & (pl.col("core_high") <= pl.col("high"))

    @dy.rule()
    def dates_in_order(cls) -> pl.Expr:  # noqa: N805
        known = pl.col("first_confirmed_date").is_between("start_date", "session_date")
        return known & (pl.coalesce("parent_start_date", pl.lit(date.min)) < pl.col("start_date"))


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
        LEVEL_ROLES,
        "support wholly below the close, resistance wholly above; around = the one zone that contains the close",
    )
    strength = number(
        "prices and holds",
        "a price new in the zone and a hold add 1 each, a break (touched or not) takes a quarter; it halves in 252",
    )
    touches = count("touches", "bars that came within 0.1 ATR after a close had stood more than 0.5 ATR clear")
    holds = count("touches", "touches after which the next clear close was on the side the price came from")
    breaks = count("touches", "touches after which the next clear close was on the other side")
    undecided = count("touches", "touches that no clear close has followed yet: the last, or none")
    breaks_untouched = count("breaks", "clear closes on the other side than the one before, without a touch between")
    role_flips = count("breaks", "breaks, touched or not, after which the zone held from its new side")
    born_date = day("birth of the founding evidence, as in features.level_evidence")
    confirmed_date = day("session at whose close the founding evidence, and so the zone, was first known")
    last_touch_date = day("session of the last touch; null = not touched since confirmed", nullable=True)
    distance_atr = number("ATR", "(price - close) / atr_14 of the session; negative below the close")
    nearness = count("place", "1 = the nearest to the close among the zones of its role")
    evidence_count = count(
        "pieces of evidence", "how many pieces joined the zone up to this session, repeats of a price too"
    )
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


class LevelOutcomes(Table, layer="features"):
    """How often touched levels held within a horizon, by kind and role, against random prices at the same distance.

    It summarises the whole history that it was built on: it is known at its end, not at `last_session_date`.
    """

    market = text("market id, e.g. RUT", key=True)
    kind = text("kind of the founding evidence; all = every kind together", key=True, regex=f"{LEVEL_KIND}|^all$")
    role = choice(LEVEL_SIDES, "role of the zone before the touch", key=True)
    horizon_sessions = count("sessions", "a touch is decided within these, its own session the first", key=True)
    touches = count(
        "touches", "zones shown more than 0.5 ATR off a close and reached to within 0.1 ATR by the next bar"
    )
    touch_sessions = count("sessions", "different sessions among the touches")
    held = count("touches", "a close got 1 ATR back off the near edge before one got 1 ATR beyond the far edge")
    broken = count("touches", "a close got 1 ATR beyond the far edge first")
    undecided = count("touches", "neither within the horizon")
    held_share_ratio = ratio("held / (held + broken); null below ten sessions with a decided touch", nullable=True)
    held_share_low_ratio = ratio(
        "lower end of its 95 % Wilson interval, n = decided sessions; covers 90 to 94 % where touches cluster",
        nullable=True,
    )
    held_share_high_ratio = ratio("upper end of that interval", nullable=True)
    baseline_draws = count(
        "draws",
        "random prices within 1,260 sessions at the same distance, with zones of the same width, that were decided",
    )
    baseline_share_ratio = ratio("share of those that held", nullable=True)
    excess_share_ratio = ratio("held_share_ratio - baseline_share_ratio", nullable=True)
    p_value = number(
        "probability",
        "two-sided, that touches hold as their baselines do; of sums over blocks of 20 sessions; cautious for kind all",
        nullable=True,
        low=0,
    )
    q_value = number(
        "probability", "false discovery rate among all rows (Benjamini and Hochberg)", nullable=True, low=0
    )
    first_session_date = day("session before the first touch")
    last_session_date = day("session before the last touch")

    @dy.rule()
    def touches_add_up(cls) -> pl.Expr:  # noqa: N805
        return pl.col("touches") == pl.col("held") + pl.col("broken") + pl.col("undecided")

    @dy.rule()
    def interval_holds_share(cls) -> pl.Expr:  # noqa: N805
        return pl.col("held_share_ratio").is_between("held_share_low_ratio", "held_share_high_ratio")
