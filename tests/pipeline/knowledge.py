"""Builds every derived table of a lake without Dagster, and cuts tables to what was known at a moment."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from r2k_pipeline import build
from r2k_pipeline.run import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables import TABLES

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
KNOWN_LATER = {
    "superseded_at": ("superseded_at",),
    "withdrawn_at": ("withdrawn_at", "withdrawn_date"),
    "volume_known_at": ("volume_known_at", "volume", "volume_symbol"),
}
"""Columns that become known later than their row, by the column that says when."""
STANDING = ("staging.daily_prices", "staging.cot_positions", "marts.weekly_positioning")
"""Tables of what stands: a row that was revised later is not there any more, the others must not change."""
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
    """The rows of one table known at or before `moment`, as they looked then, sorted by every column."""
    rows = tables[name].filter(pl.col("known_at") <= moment)
    for at, names in KNOWN_LATER.items():
        if at in rows.columns:
            dated = [column for column in names if column in rows.columns]
            later = [pl.when(pl.col(at) <= moment).then(column).alias(column) for column in dated]
            rows = rows.with_columns(later)
    return rows.sort(rows.columns)
