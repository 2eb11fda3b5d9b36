"""Builds every derived table of a lake without Dagster, and cuts tables to what was known at a moment."""

from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path

import polars as pl

from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.orchestration.tables import derived_tables
from r2k_pipeline.settings import Settings

DATED = {
    "features.daily_indicators": "session_date",
    "features.moving_average_crosses": "session_date",
    "features.swing_pivots": "confirmed_date",
    "features.volume_profiles": "session_date",
    "features.consolidations": "confirmed_date",
    "features.levels": "session_date",
}
"""Tables without known_at: the day at whose session's first known moment their rows are known."""
STANDING = ("staging.daily_prices", "staging.cot_positions", "marts.weekly_positioning")
"""Tables of what stands: a row that was revised later is not there any more, the others must not change."""
SUMMARIES = ("features.level_outcomes",)
"""Tables that sum up all that was known at `as_of`: a row has no moment of its own."""
HISTORIES = ("staging.price_vintages", "staging.cot_position_vintages", "staging.price_action_vintages",
             "staging.market_bars", "staging.market_positions", "marts.positioning_vintages",
             "marts.positioning_vs_technicals", *DATED)  # fmt: skip


def build_tables(lake: Path, as_of: datetime | None, **settings: object) -> dict[str, pl.DataFrame]:
    """Every derived table of the lake as known at `as_of`, by dotted name; nothing is fetched."""
    run = Run.of(Settings(lake=lake, as_of=as_of, **settings))  # type: ignore[arg-type]
    derived = {table.table.dotted(): table for table in derived_tables()}
    order = TopologicalSorter({name: [u for u in t.upstreams if u in derived] for name, t in derived.items()})
    built = {}
    for name in order.static_order():
        table = derived[name].table
        built[name] = pl.DataFrame(table.validate(derived[name].build(run), cast=True))
        run.lake.write(table, built[name])
    return built


def known_by(tables: dict[str, pl.DataFrame], name: str, moment: datetime) -> pl.DataFrame:
    """The rows of one table known at or before `moment`, as they looked then, sorted by every column."""
    rows = tables[name]
    if name in DATED:
        bars = tables["staging.market_bars"]
        first = bars.group_by("market", pl.col("session_date").alias(DATED[name])).agg(pl.col("known_at").min())
        rows = rows.join(first, on=["market", DATED[name]])
    rows = rows.filter(pl.col("known_at") <= moment)
    if "superseded_at" in rows.columns:
        superseded = pl.when(pl.col("superseded_at") <= moment).then("superseded_at")
        rows = rows.with_columns(superseded_at=superseded)
    return rows.sort(rows.columns)
