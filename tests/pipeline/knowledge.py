"""Builds every derived table of a lake without Dagster, and cuts tables to what was known at a moment."""

from dataclasses import replace
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
    "features.consolidations": "known_date",
    "features.open_ranges": "session_date",
    "features.level_evidence": "filed_date",
    "features.levels": "session_date",
}
"""Tables without known_at: the day at whose session's first known moment their rows are known."""
STANDING = ("staging.daily_prices", "staging.cot_positions", "marts.weekly_positioning")
"""Tables of what stands: a row that was revised later is not there any more, the others must not change."""
SUMMARIES = ("features.level_outcomes", "marts.setup_outcomes")
"""Tables that sum up all that was known at `as_of`: a row has no moment of its own."""
HISTORIES = ("staging.price_vintages", "staging.cot_position_vintages", "staging.price_action_vintages",
             "staging.market_bars", "staging.market_positions", "marts.positioning_vintages",
             "marts.positioning_vs_technicals", "marts.cross_market", "marts.claims", *DATED)  # fmt: skip


def run_of(lake: Path, as_of: datetime | None, markets: tuple[str, ...] = (), **settings: object) -> Run:
    """A run on the lake, of some markets or all."""
    run = Run.of(Settings(lake=lake, as_of=as_of, **settings))  # type: ignore[arg-type]
    return replace(run, markets=tuple(m for m in run.markets if not markets or m.market in markets))


def build_tables(run: Run) -> dict[str, pl.DataFrame]:
    """Every table that the truncation property is about, as known at the run's moment; nothing is fetched."""
    derived = {table.table.dotted(): table for table in derived_tables()}
    wanted, order = set(HISTORIES) | set(STANDING) | set(SUMMARIES), TopologicalSorter[str]()
    while wanted:
        name = wanted.pop()
        upstreams = [upstream for upstream in derived[name].upstreams if upstream in derived]
        order.add(name, *upstreams)
        wanted |= set(upstreams)
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
    if "withdrawn_date" in rows.columns:
        sessions = first.select("market", pl.col(DATED[name]).alias("withdrawn_date"), withdrawn_at="known_at")
        rows = rows.join(sessions, on=["market", "withdrawn_date"], how="left")
        withdrawn = pl.when(pl.col("withdrawn_at") <= moment).then("withdrawn_date")
        rows = rows.with_columns(withdrawn_date=withdrawn).drop("withdrawn_at")
    if "superseded_at" in rows.columns:
        superseded = pl.when(pl.col("superseded_at") <= moment).then("superseded_at")
        rows = rows.with_columns(superseded_at=superseded)
    return rows.sort(rows.columns)
