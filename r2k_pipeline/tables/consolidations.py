"""Consolidation ranges: every state they were known in, and which of them stood open at each close.

Belongs here: what a range is, and what it is made from. Not here: the search (transforms/consolidations.py), range
edges as levels (levels.py).
"""

from datetime import date

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import count, day, instant, number, points, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import BySession, Facts, Rebuilt, Series
from r2k_pipeline.tables.indicators import KNOWN_AT, WITHDRAWN_AT
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.open_ranges import build_open_ranges
from r2k_pipeline.transforms.replay import built_columns


class Consolidations(Table, layer="features"):
    """One state of a consolidation range, as it was known from one session on: confirmed, edges moved, or ended.

    A corrected bar may withdraw a state or give new ones. As of a session the states are the rows known by then and
    not withdrawn by then. Of a range (market, start_date, first_confirmed_date) the row with the latest confirmed_date
    counts; the range is open while that row has no end_date.
    """

    market = text("market id, e.g. RUT", key=True)
    start_date = day("first session in the range", key=True)
    confirmed_date = day("session whose close made the range what it is in this row", key=True)
    known_date = day(
        "session at whose close this row was first known: confirmed_date, or the first after a correction", key=True
    )
    first_confirmed_date = day("session whose close confirmed the range itself")
    end_date = day("last close inside the edges; null while the range is open", nullable=True)
    end_confirmed_date = day(
        "session whose close ended it: the tenth outside in a row, or the first after 1,000", nullable=True
    )
    low = points(
        "lower edge: lowest close from start_date to when the edges last moved; closes outside since do not move it"
    )
    high = points("upper edge: highest of those closes")
    midpoint = points("mean of the edges")
    core_low = points("1st percentile of the closes between the edges, of those that `sessions` counts")
    core_high = points("99th percentile of those closes")
    tightness = number(
        Unit.PLAIN_RATIO,
        "log(highest / lowest) / (sigma sqrt(n)) of all n `sessions`, closes outside the edges too: at most 0.8 while "
        "open, an ended range may have more; a random walk's span has about 1.6",
        low=0,
    )
    sessions = count(
        Unit.SESSIONS, "from start_date to end_date or, while open, confirmed_date; some may close outside"
    )
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
        ended = (pl.col("end_date") <= pl.col("confirmed_date")) & (
            pl.col("end_confirmed_date") == pl.col("confirmed_date")
        )
        return open_still | ended


MOVES = ("market", "confirmed_date", "end_confirmed_date", "known_date")
"""When a state was confirmed and ended moves with a late session; the state is the same."""
STATE = tuple(name for name in built_columns(Consolidations) if name not in MOVES)


@builds(Consolidations, Facts("known_date", STATE))
def consolidations(bars: Series[MarketBars]) -> pl.DataFrame:
    """Every state of every range that the bars have."""
    return build_consolidations(bars)


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


@builds(OpenRanges, BySession())
def open_ranges(bars: Series[MarketBars], ranges: Rebuilt[Consolidations], since: date | None = None) -> pl.DataFrame:
    """Consolidation ranges open at each close."""
    return build_open_ranges(bars, ranges, since=since)
