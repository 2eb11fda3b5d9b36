"""Every derived table and how it is built: SQL models by file, Polars tables by function.

Belongs here: which function builds which contract from which upstream contracts. Not here: the functions
(transforms/, sources/), what Dagster makes of a table (assets.py).
"""

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any, Final

import polars as pl

from r2k_pipeline.claims.known import SOURCES
from r2k_pipeline.claims.note import SHIPPED, NoteError, read_note
from r2k_pipeline.contracts import claims, cot, indicators, levels, marts, meta, outcomes, prices, profiles, reference
from r2k_pipeline.contracts.columns import measure_of, sql_type_of
from r2k_pipeline.contracts.table import TABLES, Table
from r2k_pipeline.orchestration.findings import findings_model, read_checks
from r2k_pipeline.orchestration.observed_releases import observe_releases
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.settings import PROJECT
from r2k_pipeline.sources.release_calendar import build_cot_releases
from r2k_pipeline.sql_models import SqlModel, read_models, run_model
from r2k_pipeline.transforms.replay import as_first_known, replay, replay_facts, standing
from r2k_pipeline.transforms.setups import read_setups

SQL: Final = PROJECT / "sql"
DAYS_AHEAD: Final = timedelta(days=400)
"""How far sessions look ahead."""
MARKETS_AT_ONCE: Final = 4
"""Markets of one task where a model runs market by market: a century of each fits in the memory limit. DuckDB itself
shares out work by row groups, and these rows are fewer than one."""
REPORTS_AHEAD: Final = timedelta(days=14)
"""How far the release ledger looks ahead: the next report is always in it, holidays and all."""


@dataclass(frozen=True)
class DerivedTable:
    """One table: its contract, the tables it reads, what it is made with, and `build(run)` -> its rows."""

    table: type[Table]
    upstreams: tuple[str, ...]
    kind: str
    build: Callable[[Run], pl.DataFrame]
    why: str = ""


@cache
def derived_tables() -> tuple[DerivedTable, ...]:
    """All of them: reference, staging, features, marts, meta (but for what publishing itself writes)."""
    models = [model for model in read_models(SQL) if model.name in TABLES]
    return (*_REFERENCE, *_FEATURES, _CLAIMS, *map(_of_sql, [*models, findings_model(read_checks(SQL / "checks"))]))


def _of_sql(model: SqlModel) -> DerivedTable:
    def build(run: Run) -> pl.DataFrame:
        rows_of = partial(
            run_model,
            model,
            {name: run.lake.files(name) for name in model.upstreams},
            ({"as_of": run.as_of} if model.reads_as_of else {}) | read_setups().variables(),
            memory_limit=run.settings.memory_limit,
            empty={name: TABLES[name].create_empty() for name in model.upstreams},
        )
        if not model.is_by_market:
            return rows_of()
        markets = sorted(market.market for market in run.markets)
        batches = [markets[start : start + MARKETS_AT_ONCE] for start in range(0, len(markets), MARKETS_AT_ONCE)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return pl.concat(pool.map(lambda batch: rows_of(markets=batch), batches))

    upstreams = {*model.upstreams, *([meta.FetchLog.dotted()] if model.reads_as_of else [])}
    return DerivedTable(TABLES[model.name], tuple(sorted(upstreams)), "duckdb", build, model.comment)


def _of_bars(
    table: type[Table],
    function: str,
    dated: str = "session_date",
    replayed: Callable[..., pl.DataFrame] = replay,
) -> DerivedTable:
    """A feature of bars by `module:function`, replayed as known at each close; `dated` is when its rows are known."""

    def build(run: Run) -> pl.DataFrame:
        return replayed(run.lake.read(prices.MarketBars), _transform(function), dated)

    return DerivedTable(table, (prices.MarketBars.dotted(),), "polars", build)


def _transform(function: str) -> Callable[..., pl.DataFrame]:
    """`module:function` of transforms, imported when it is called: kernels are not paid for by a look-up."""
    module, name = function.split(":")

    def transform(*frames: Any) -> pl.DataFrame:
        result: pl.DataFrame = getattr(importlib.import_module(f"r2k_pipeline.transforms.{module}"), name)(*frames)
        return result

    return transform


_EVIDENCE: Final = {
    indicators.DailyIndicators: _transform("indicators:build_daily_indicators"),
    profiles.SwingPivots: _transform("pivots:build_swing_pivots"),
    profiles.VolumeProfiles: _transform("volume_profiles:build_volume_profiles"),
    levels.Consolidations: _transform("consolidations:build_consolidations"),
}
"""What levels are made of, in the order find_evidence takes it."""


def _level_evidence(run: Run) -> pl.DataFrame:
    """What levels are made of, from the tables at hand; where bars were revised, from those of each epoch."""
    at_hand = [run.lake.read(table) for table in _EVIDENCE]
    return replay_facts(
        run.lake.read(prices.MarketBars),
        lambda bars: _evidence_of(bars, *(build(bars) for build in _EVIDENCE.values())),
        "filed_date",
        built=lambda bars: _evidence_of(bars, *at_hand),
    )


def _evidence_of(bars: pl.DataFrame, indicator_rows: pl.DataFrame, *others: pl.DataFrame) -> pl.DataFrame:
    """Evidence of levels out of plain bars and the tables of _EVIDENCE."""
    found = _transform("level_evidence:find_evidence")(bars, indicator_rows, *others)
    return _transform("levels:build_level_evidence")(bars, indicator_rows, found)


def _levels(run: Run) -> pl.DataFrame:
    """Levels from their evidence; where bars were revised, from what stood in each epoch."""
    build_levels, build_indicators = _transform("levels:build_levels"), _EVIDENCE[indicators.DailyIndicators]
    at_hand, evidence = (run.lake.read(table) for table in (indicators.DailyIndicators, levels.LevelEvidence))
    return replay(
        run.lake.read(prices.MarketBars),
        lambda bars: build_levels(bars, build_indicators(bars), standing(bars, evidence, "filed_date")),
        built=lambda bars: build_levels(bars, at_hand, evidence),
    )


def _profiles(run: Run) -> pl.DataFrame:
    """Rolling profiles, those since the year's high and since days that a user named, and those of open ranges."""
    windows = [f"since_{day}" for day in run.settings.profile_since]
    of_ranges = _transform("consolidation_profiles:build_consolidation_profiles")

    def build(bars: pl.DataFrame, open_ranges: pl.DataFrame) -> pl.DataFrame:
        rolling = _transform("volume_profiles:build_volume_profiles")(bars)
        named = [_transform("volume_profiles:build_volume_profiles")(bars, windows)] if windows else []
        return pl.concat([rolling, *named, of_ranges(bars, open_ranges)]).sort(
            "market", "session_date", "profile_window"
        )

    at_hand = run.lake.read(levels.OpenRanges)
    return replay(
        run.lake.read(prices.MarketBars), lambda b: build(b, _ranges_of(b)), built=lambda b: build(b, at_hand)
    )


def _ranges_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Open ranges of plain bars."""
    return _transform("open_ranges:build_open_ranges")(bars, _transform("consolidations:build_consolidations")(bars))


def _open_ranges(run: Run) -> pl.DataFrame:
    """Open ranges; where bars were revised, of the ranges that the bars of each epoch have."""
    build, at_hand = _transform("open_ranges:build_open_ranges"), run.lake.read(levels.Consolidations)
    return replay(run.lake.read(prices.MarketBars), _ranges_of, built=lambda bars: build(bars, at_hand))


def _crosses(run: Run) -> pl.DataFrame:
    """Crosses of the averages as they were known: those of an epoch's own would miss what a correction turned over."""
    return _transform("crosses:build_moving_average_crosses")(run.lake.read(indicators.DailyIndicators))


def _level_outcomes(run: Run) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    bars = as_first_known(run.lake.read(prices.MarketBars))
    shown = (run.lake.read(table) for table in (indicators.DailyIndicators, levels.Levels))
    return _transform("level_outcomes:build_level_outcomes")(bars, *shown)


def _setup_outcomes(run: Run) -> pl.DataFrame:
    """What followed the setups of the mart."""
    rules = read_setups()
    sessions = run.lake.read(marts.PositioningVsTechnicals, ("market", "session_date", "close", "setup"))
    return _transform("setup_outcomes:build_setup_outcomes")(sessions, rules.names(), rules.outcomes)


def _claims(run: Run) -> pl.DataFrame:
    """Verdicts on the shipped notes, on the tables that are about to be published."""
    from r2k_pipeline.claims.box import Box  # noqa: PLC0415  (checks import numba)
    from r2k_pipeline.claims.verdicts import build_claims  # noqa: PLC0415

    notes = [read_note(file) for file in sorted(SHIPPED.glob("*.toml"))]
    if mistakes := [mistake for note in notes for mistake in note.mistakes]:
        raise NoteError("; ".join(mistakes))
    with Box.over_files({name: run.lake.files(name) for name in SOURCES}) as box:
        return build_claims(notes, box, run.as_of)


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
    ledger = build_cot_releases(reports["report_date"].unique(), (run.as_of + REPORTS_AHEAD).date())
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
                "data_type": sql_type_of(column),
                "unit": table.units()[name],
                "measure": measure_of(column),
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
    DerivedTable(indicators.MovingAverageCrosses, (indicators.DailyIndicators.dotted(),), "polars", _crosses),
    _of_bars(profiles.SwingPivots, "pivots:build_swing_pivots", "confirmed_date", replay_facts),
    DerivedTable(
        profiles.VolumeProfiles,
        tuple(t.dotted() for t in (prices.MarketBars, levels.OpenRanges)),
        "polars",
        _profiles,
    ),
    _of_bars(levels.Consolidations, "consolidations:build_consolidations", "confirmed_date"),
    DerivedTable(
        levels.OpenRanges,
        tuple(t.dotted() for t in (prices.MarketBars, levels.Consolidations)),
        "polars",
        _open_ranges,
    ),
    DerivedTable(
        levels.LevelEvidence,
        (prices.MarketBars.dotted(), *(table.dotted() for table in _EVIDENCE)),
        "polars",
        _level_evidence,
    ),
    DerivedTable(
        levels.Levels,
        tuple(t.dotted() for t in (prices.MarketBars, indicators.DailyIndicators, levels.LevelEvidence)),
        "polars",
        _levels,
    ),
    DerivedTable(
        levels.LevelOutcomes,
        tuple(table.dotted() for table in (prices.MarketBars, indicators.DailyIndicators, levels.Levels)),
        "polars",
        _level_outcomes,
    ),
    DerivedTable(
        outcomes.SetupOutcomes,
        (marts.PositioningVsTechnicals.dotted(),),
        "polars",
        _setup_outcomes,
    ),
)
_CLAIMS: Final = DerivedTable(claims.Claims, SOURCES, "python", _claims)
