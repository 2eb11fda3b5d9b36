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
from r2k_pipeline.orchestration.observed_releases import observe_releases
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.settings import PROJECT
from r2k_pipeline.sources.release_calendar import build_cot_releases
from r2k_pipeline.sql_models import SqlModel, read_models, run_model
from r2k_pipeline.transforms.replay import as_first_known, replay

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


def _of_bars(table: type[Table], function: str, dated: str = "session_date") -> DerivedTable:
    """A feature of bars by `module:function`, replayed as known at each close; `dated` is when its rows are known."""

    def build(run: Run) -> pl.DataFrame:
        return replay(run.lake.read(prices.MarketBars), _transform(function), dated)

    return DerivedTable(table, (prices.MarketBars.dotted(),), "polars", build)


def _transform(function: str) -> Callable[..., pl.DataFrame]:
    """`module:function` of transforms, imported when it is called: kernels are not paid for by a look-up."""
    module, name = function.split(":")

    def transform(*frames: pl.DataFrame) -> pl.DataFrame:
        result: pl.DataFrame = getattr(importlib.import_module(f"r2k_pipeline.transforms.{module}"), name)(*frames)
        return result

    return transform


_EVIDENCE: Final = {
    indicators.DailyIndicators: _transform("indicators:build_daily_indicators"),
    profiles.SwingPivots: _transform("pivots:build_swing_pivots"),
    profiles.VolumeProfiles: _transform("volume_profiles:build_volume_profiles"),
    levels.Consolidations: _transform("consolidations:build_consolidations"),
}
"""What levels are made of, in the order build_levels takes it."""


def _levels(run: Run) -> pl.DataFrame:
    """Levels from the tables at hand; where bars were revised, from the evidence as it was known in each epoch."""
    build_levels = _transform("levels:build_levels")
    at_hand = [run.lake.read(table) for table in _EVIDENCE]
    return replay(
        run.lake.read(prices.MarketBars),
        lambda bars: build_levels(bars, *(build(bars) for build in _EVIDENCE.values())),
        built=lambda bars: build_levels(bars, *at_hand),
    )


def _level_outcomes(run: Run) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    bars = as_first_known(run.lake.read(prices.MarketBars))
    shown = (run.lake.read(table) for table in (indicators.DailyIndicators, levels.Levels))
    return _transform("level_outcomes:build_level_outcomes")(bars, *shown)


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
    reports = run.lake.read(cot.CotReports)
    ledger = build_cot_releases(reports["report_date"].unique(), run.as_of.date())
    return observe_releases(ledger, reports, run.lake.read(meta.FetchLog))


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
    _of_bars(indicators.DailyIndicators, "indicators:build_daily_indicators"),
    _of_bars(indicators.MovingAverageCrosses, "crosses:build_moving_average_crosses"),
    _of_bars(profiles.SwingPivots, "pivots:build_swing_pivots", "confirmed_date"),
    _of_bars(profiles.VolumeProfiles, "volume_profiles:build_volume_profiles"),
    _of_bars(levels.Consolidations, "consolidations:build_consolidations", "confirmed_date"),
    DerivedTable(
        levels.Levels,
        (prices.MarketBars.dotted(), *(table.dotted() for table in _EVIDENCE)),
        "polars",
        _levels,
    ),
    DerivedTable(
        levels.LevelOutcomes,
        tuple(table.dotted() for table in (prices.MarketBars, indicators.DailyIndicators, levels.Levels)),
        "polars",
        _level_outcomes,
    ),
)
