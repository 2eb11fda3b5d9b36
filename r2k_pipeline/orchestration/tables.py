"""Every derived table and how it is built: SQL models by file, Polars tables by function.

Belongs here: which function builds which contract from which upstream contracts. Not here: the functions
(transforms/, sources/), what Dagster makes of a table (assets.py).
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts import cot, indicators, levels, meta, prices, profiles, reference
from r2k_pipeline.contracts.table import TABLES, Table
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.settings import PROJECT
from r2k_pipeline.sources.release_calendar import build_cot_releases
from r2k_pipeline.sql_models import SqlModel, read_models, run_model

SQL: Final = PROJECT / "sql"
DAYS_AHEAD: Final = timedelta(days=400)
"""How far sessions and the release ledger look ahead, for what is due next."""


@dataclass(frozen=True)
class DerivedTable:
    """One table: its contract, the tables it reads, what it is made with, and `build(run)` -> its rows."""

    table: type[Table]
    upstreams: tuple[str, ...]
    kind: str
    build: Callable[[Run], pl.DataFrame]
    why: str = ""


def derived_tables() -> tuple[DerivedTable, ...]:
    """All of them: reference, staging, features, marts, meta (but for what publishing itself writes)."""
    return (*_REFERENCE, *_FEATURES, *(_of_sql(model) for model in read_models(SQL) if model.name in TABLES))


def _of_sql(model: SqlModel) -> DerivedTable:
    def build(run: Run) -> pl.DataFrame:
        return run_model(
            model,
            {name: run.lake.files(name) for name in model.upstreams},
            {"as_of": run.as_of} if model.reads_as_of else {},
            memory_limit=run.settings.memory_limit,
            empty={name: TABLES[name].create_empty() for name in model.upstreams},
        )

    upstreams = {*model.upstreams, *([meta.FetchLog.dotted()] if model.reads_as_of else [])}
    return DerivedTable(TABLES[model.name], tuple(sorted(upstreams)), "duckdb", build, model.comment)


def _of_frames(table: type[Table], function: str, *upstreams: type[Table]) -> DerivedTable:
    """A transform by `module:function`, imported when it first runs: kernels are not paid for by a look-up."""

    def build(run: Run) -> pl.DataFrame:
        module, name = function.split(":")
        transform: Callable[..., pl.DataFrame] = getattr(
            importlib.import_module(f"r2k_pipeline.transforms.{module}"), name
        )
        return transform(*(run.lake.read(upstream) for upstream in upstreams))

    return DerivedTable(table, tuple(upstream.dotted() for upstream in upstreams), "polars", build)


def _rows(table: type[Table], rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=table.create_empty().schema)


def _markets(run: Run) -> pl.DataFrame:
    return _rows(
        reference.Markets,
        [
            {"market": m.market, "name": m.name, "calendar": m.calendar, "contract_multiplier_usd": m.multiplier}
            for m in run.markets
        ],
    )


def _market_symbols(run: Run) -> pl.DataFrame:
    return _rows(
        reference.MarketSymbols,
        [
            {"market": m.market, "symbol": symbol, "role": role, "calendar": m.calendar}
            for m in run.markets
            for symbol, role in m.symbols().items()
        ],
    )


def _market_contracts(run: Run) -> pl.DataFrame:
    return _rows(
        reference.MarketContracts,
        [
            {
                "market": m.market,
                "contract_code": c.code,
                "first_report_date": c.first,
                "last_report_date": c.last,
                "scale": c.scale,
            }
            for m in run.markets
            for c in m.cot
        ],
    )


def _sessions(run: Run) -> pl.DataFrame:
    from r2k_pipeline.sources.sessions import build_sessions  # noqa: PLC0415  (pulls in pandas)

    return build_sessions((market.calendar for market in run.markets), (run.clock() + DAYS_AHEAD).date())


def _cot_releases(run: Run) -> pl.DataFrame:
    seen = run.lake.read(cot.CotReports)["report_date"].unique()
    return build_cot_releases(seen, run.as_of.date())


def _column_dictionary(_: Run) -> pl.DataFrame:
    return _rows(
        meta.ColumnDictionary,
        [
            {
                "layer_name": table.layer,
                "table_name": table.table,
                "column_name": name,
                "position": position,
                "data_type": str(column.dtype),
                "unit": table.units()[name],
                "meaning": column.description,
                "is_key": column.primary_key,
                "is_nullable": column.nullable,
            }
            for table in TABLES.values()
            if table.layer in PUBLISHED_LAYERS
            for position, (name, column) in enumerate(table.columns().items(), 1)
        ],
    )


def _tmp(run):
    from r2k_pipeline.transforms.levels import build_levels

    e = pl.DataFrame(
        schema={
            "market": pl.String,
            "start_date": pl.Date,
            "confirmed_date": pl.Date,
            "low": pl.Float64,
            "high": pl.Float64,
        }
    )
    return build_levels(
        *(
            run.lake.read(t)
            for t in (prices.MarketBars, indicators.DailyIndicators, profiles.SwingPivots, profiles.VolumeProfiles)
        ),
        e,
    )


PUBLISHED_LAYERS: Final = ("staging", "features", "marts", "meta")
_REFERENCE: Final = (
    DerivedTable(reference.Markets, (), "python", _markets),
    DerivedTable(reference.MarketSymbols, (), "python", _market_symbols),
    DerivedTable(reference.MarketContracts, (), "python", _market_contracts),
    DerivedTable(reference.Sessions, (), "python", _sessions),
    DerivedTable(cot.CotReleases, (cot.CotReports.dotted(), meta.FetchLog.dotted()), "python", _cot_releases),
    DerivedTable(meta.ColumnDictionary, (), "python", _column_dictionary),
)
_FEATURES: Final = (
    _of_frames(indicators.DailyIndicators, "indicators:build_daily_indicators", prices.MarketBars),
    _of_frames(indicators.MovingAverageCrosses, "crosses:build_moving_average_crosses", prices.MarketBars),
    _of_frames(profiles.SwingPivots, "pivots:build_swing_pivots", prices.MarketBars),
    _of_frames(profiles.VolumeProfiles, "volume_profiles:build_volume_profiles", prices.MarketBars),
    DerivedTable(
        levels.Levels,
        ("staging.market_bars", "features.daily_indicators", "features.swing_pivots", "features.volume_profiles"),
        "polars",
        _tmp,
    ),
)
