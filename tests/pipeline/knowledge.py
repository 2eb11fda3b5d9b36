"""Builds every derived table of a lake without Dagster, and cuts tables to what was known at a moment."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from r2k_pipeline import build
from r2k_pipeline.contracts.clock import standing_at, told_by
from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.run import Run
from r2k_pipeline.settings import Settings

FEATURES = (
    "features.daily_indicators",
    "features.moving_average_crosses",
    "features.swing_pivots",
    "features.volume_profiles",
    "features.consolidations",
    "features.open_ranges",
    "features.level_evidence",
    "features.levels",
)
STANDING = ("staging.daily_prices", "staging.cot_positions", "marts.weekly_positioning")
"""Tables of what stands of their vintages."""
SUMMARIES = ("features.level_outcomes", "marts.setup_outcomes")
"""Tables that sum up all that was known at `as_of`: a row has no moment of its own."""
HISTORIES = ("staging.price_vintages", "staging.cot_position_vintages", "staging.price_action_vintages",
             "staging.market_bars", "staging.market_positions", "marts.positioning_vintages",
             "marts.positioning_vs_technicals", "marts.cross_market", "marts.claims", *FEATURES)  # fmt: skip


def run_of(lake: Path, as_of: datetime | None, markets: tuple[str, ...] = (), **settings: object) -> Run:
    """A run on the lake, of some markets or all."""
    run = Run.of(Settings(lake=lake, as_of=as_of, **settings))  # type: ignore[arg-type]
    return replace(run, markets=tuple(m for m in run.markets if not markets or m.market in markets))


def build_tables(run: Run) -> dict[str, pl.DataFrame]:
    """Every table that the truncation property is about, as known at the run's moment; nothing is fetched."""
    wanted = [TABLES[name] for name in (*HISTORIES, *STANDING, *SUMMARIES)]
    outcomes = list(build.build_tables(run, wanted))
    assert [outcome.message() for outcome in outcomes if outcome.state == "failed"] == []
    return {outcome.table.dotted(): run.lake.read(outcome.table) for outcome in outcomes}


def known_by(tables: dict[str, pl.DataFrame], name: str, moment: datetime) -> pl.DataFrame:
    """What one table told by `moment` or, of what stands, what stood of its vintages then; sorted by every column."""
    table = TABLES[name]
    if table.stands_of:
        rows = standing_at(TABLES[table.stands_of], tables[table.stands_of], moment).select(table.column_names())
    else:
        rows = told_by(table, tables[name], moment)
    return rows.sort(rows.columns)
