"""Builds and publishes every derived table of a lake without Dagster, and cuts tables to what was known at a moment."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from r2k_pipeline import build
from r2k_pipeline.contracts.clock import rows_known_at, standing_at
from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.generations import publish_generation
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import read_macros
from r2k_pipeline.tables import TABLES
from tests.sql.rows import no_rows, rows_of

FEATURES = (
    "features.daily_indicators",
    "features.weekly_indicators",
    "features.moving_average_crosses",
    "features.swing_pivots",
    "features.volume_profiles",
    "features.anchored_vwaps",
    "features.consolidations",
    "features.open_ranges",
    "features.level_evidence",
    "features.levels",
)
STANDING = ("staging.daily_prices", "staging.cot_positions", "marts.weekly_positioning")
"""Tables of what stands of their vintages."""
SUMMARIES = ("features.level_outcomes", "marts.setup_outcomes")
"""Tables that sum up all that was known at `as_of`: a row has no moment of its own."""
HISTORIES = (
    *("staging.price_vintages", "staging.cot_position_vintages", "staging.price_action_vintages"),
    *("staging.market_bars", "staging.market_positions", "marts.positioning_vintages"),
    *("marts.positioning_vs_technicals", "marts.movers", "marts.cross_market", "marts.claims", *FEATURES),
)


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


def built(run: Run, table: type[Table], given: Iterable[type[Table]] = ()) -> pl.DataFrame:
    """The rows of `table`, built with all that it reads but the tables that are `given`."""
    failed = [outcome.message() for outcome in build.build_tables(run, [table], given) if outcome.state == "failed"]
    assert failed == []
    return run.lake.read(table)


def publish_as_built(run: Run) -> None:
    """Publish the tables of the run's lake as they are: no gate, no checks; one that was not built is empty."""
    as_of = run.fixed().as_of
    generation = {"generation_id": "0" * 16, "published_at": as_of, "as_of": as_of, "source": "generated"}
    run.lake.write(Generation, rows_of(Generation, [generation]))
    tables = [table for table in TABLES.values() if table.layer in PUBLISHED_LAYERS]
    for table in tables:
        if not run.lake.files(table.dotted()):
            run.lake.write(table, no_rows(table))
    files = {table: run.lake.files(table.dotted()) for table in tables}
    macros = read_macros(shipped("sql/macros"), [table.dotted() for table in tables])
    publish_generation(run.lake, files, macros, run.settings.memory_limit, "generated")


def known_by(tables: dict[str, pl.DataFrame], name: str, moment: datetime) -> pl.DataFrame:
    """What one table told by `moment` or, of what stands, what stood of its vintages then; sorted by every column."""
    table = TABLES[name]
    if table.stands_of:
        rows = standing_at(TABLES[table.stands_of], tables[table.stands_of], moment).select(table.column_names())
    else:
        rows = rows_known_at(table, tables[name], moment)
    return rows.sort(rows.columns)
