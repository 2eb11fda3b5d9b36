"""What a price chart shows of its own past: confirmed swing pivots and volume profiles.

Belongs here: pivots, points of control, value areas and nodes; which profiles there are. Not here: zones made out of
them (levels.py), the arithmetic (transforms/).
"""

from datetime import date
from typing import Annotated

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, day, instant, points, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.consolidations import OpenRanges
from r2k_pipeline.tables.forms import Alongside, BySession, Columns, Facts, Series
from r2k_pipeline.tables.indicators import KNOWN_AT, WITHDRAWN_AT
from r2k_pipeline.transforms.level_evidence import ROLLING
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.volume_profiles import build_consolidation_profiles, build_volume_profiles

PIVOT_KINDS = ("high", "low")
PROFILE_METHODS = ("proxy_volume", "time_at_price")
PROFILE_WINDOW = r"^(rolling_[1-9]\d*|since_year_high|(since|consolidation)_\d{4}-\d{2}-\d{2})$"


class SwingPivots(Table, layer="features"):
    """One swing high or low: a bar strictly above (below) the 5 before it that none of the 5 after it goes beyond.

    A corrected bar may withdraw a pivot, or give it another price. As of a session the pivots are the rows
    confirmed by then and not withdrawn by then.
    """

    market = text("market id, e.g. RUT", key=True)
    pivot_date = day("session of the extreme", key=True)
    kind = choice(PIVOT_KINDS, "a high or a low; one bar can be both", key=True)
    confirmed_date = day(
        "session at whose close the row was first known: 5 bars after pivot_date, or the first after a correction",
        key=True,
    )
    price = points("the bar's high, or its low")
    known_at = instant(KNOWN_AT)
    withdrawn_date = day("first session without it, after a correction; null = it stands", nullable=True)
    withdrawn_at = instant(WITHDRAWN_AT, nullable=True)

    @dy.rule()
    def dates_in_order(cls) -> pl.Expr:  # noqa: N805
        withdrawn = pl.coalesce("withdrawn_date", pl.lit(date.max))
        return (pl.col("confirmed_date") > pl.col("pivot_date")) & (withdrawn > pl.col("confirmed_date"))


@builds(SwingPivots, Facts("confirmed_date", ("pivot_date", "kind", "price")))
def swing_pivots(bars: Series[MarketBars]) -> pl.DataFrame:
    """Every pivot that the bars confirm."""
    return build_swing_pivots(bars)


class VolumeProfiles(Table, layer="features", grows=True):
    """The volume profile of one market as it was known at one session's close, over one window of sessions before it.

    A session's volume settles some hours after its close, so its own bar is in the profiles of the next session.
    """

    market = text("market id, e.g. RUT", key=True)
    session_date = day("session at whose close this was known; the last one in the profile is the one before", key=True)
    profile_window = text(
        "rolling_N sessions, since_year_high (of 252 sessions), since_DATE, consolidation_DATE (an open range)",
        key=True,
        regex=PROFILE_WINDOW,
    )
    known_at = instant(KNOWN_AT)
    start_date = day("first session in the profile, before session_date")
    poc = points("point of control: centre of the bin of greatest volume; null where no volume traded", nullable=True)
    value_area_low = points("lower edge of the value area (70 % of volume, two-bin rule)", nullable=True)
    value_area_high = points("upper edge of the value area", nullable=True)
    bin_points = points("width of the bin at the point of control", nullable=True)
    high_node_below = points("nearest high-volume node at or below the close", nullable=True)
    high_node_above = points("nearest high-volume node above the close", nullable=True)
    low_node_below = points("nearest low-volume node at or below the close", nullable=True)
    low_node_above = points("nearest low-volume node above the close", nullable=True)
    volume_symbol = text("whose volume it is; null for time_at_price", nullable=True)
    method = choice(PROFILE_METHODS, "what was spread over each bar: the proxy's volume, or 1 a bar (time at price)")

    @dy.rule()
    def poc_within_value_area(cls) -> pl.Expr:  # noqa: N805
        return pl.col("poc").is_between("value_area_low", "value_area_high")

    @dy.rule()
    def all_or_nothing(cls) -> pl.Expr:  # noqa: N805
        missing = [pl.col(name).is_null() for name in ("poc", "value_area_low", "value_area_high", "bin_points")]
        return pl.all_horizontal(missing) | ~pl.any_horizontal(missing)

    @dy.rule()
    def volume_is_attributed(cls) -> pl.Expr:  # noqa: N805
        return (pl.col("method") == "time_at_price") == pl.col("volume_symbol").is_null()


@builds(VolumeProfiles, BySession(reads_volume=True))
def volume_profiles(
    bars: Series[MarketBars],
    ranges: Annotated[Alongside[OpenRanges], Columns("market", "start_date", "first_confirmed_date", "session_date")],
    profile_since: tuple[date, ...],
    since: date | None = None,
) -> pl.DataFrame:
    """Rolling profiles, those since the year's high and since days that a user named, and those of open ranges."""
    windows = tuple(f"since_{day}" for day in profile_since)
    named = [build_volume_profiles(bars, windows, since=since)] if windows else []
    of_ranges = build_consolidation_profiles(bars, ranges, since=since)
    profiles = [build_volume_profiles(bars, since=since), *named, of_ranges]
    return pl.concat(profiles).sort("market", "session_date", "profile_window")


def rolling_profiles(bars: Series[MarketBars], since: date | None = None) -> pl.DataFrame:
    """The profiles whose edges are evidence of levels."""
    return build_volume_profiles(bars, ROLLING, since=since)
