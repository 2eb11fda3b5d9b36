"""Every derived table and how it is built: SQL models by file, Polars tables by function.

Belongs here: which function builds which contract from which upstream contracts. Not here: the functions
(features.py, transforms/, sources/), what Dagster makes of a table (assets.py).
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from r2k_pipeline.claims.known import SOURCES
from r2k_pipeline.claims.note import SHIPPED, Note, read_note
from r2k_pipeline.contracts import claims, cot, indicators, levels, marts, meta, outcomes, prices, profiles, reference
from r2k_pipeline.contracts.columns import measure_of, sql_type_of
from r2k_pipeline.contracts.table import AHEAD, PUBLISHED_LAYERS, TABLES, Table
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.run import Run
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.release_calendar import build_cot_releases
from r2k_pipeline.sql_models import SqlModel, read_models, run_model
from r2k_pipeline.tables import features
from r2k_pipeline.tables.findings import findings_model, read_checks
from r2k_pipeline.tables.observed_releases import observe_releases
from r2k_pipeline.told import Growth
from r2k_pipeline.transforms.setups import read_setups

SQL: Final = shipped("sql")
DAYS_AHEAD: Final = timedelta(days=400)
"""How far sessions look ahead."""
MARKETS_AT_ONCE: Final = range(8, 41)
"""Markets of one task where a model runs market by market. A century of the most fits in the memory limit; fewer than
the least are not worth planning the query anew. DuckDB itself shares out work by row groups, of dozens of markets."""


@dataclass(frozen=True)
class DerivedTable:
    """One table: its contract, the tables it reads, what it is made with, and `build(run)` -> its rows.

    `reads_as_of`: its rows depend on the moment whose knowledge they are. Of a table that grows a build may give only
    what is new (told.py).
    """

    table: type[Table]
    upstreams: tuple[str, ...]
    kind: str
    build: Callable[[Run], pl.DataFrame | Growth]
    why: str = ""
    reads_as_of: bool = False

    def rows_and_kept(self, run: Run) -> tuple[pl.DataFrame, list[Path]]:
        """The rows that are to be written, and the parts of the last generation that stay as they are beside them."""
        built = self.build(run)
        return built.changed() if isinstance(built, Growth) else (built, [])


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
        batches = _batches(sorted(market.market for market in run.markets))
        threads = None if len(batches) == 1 else 1
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return pl.concat(pool.map(lambda batch: rows_of(markets=batch, threads=threads), batches))

    upstreams = {*model.upstreams, *([meta.FetchLog.dotted()] if model.reads_as_of else [])}
    return DerivedTable(TABLES[model.name], tuple(sorted(upstreams)), "duckdb", build, model.comment, model.reads_as_of)


def _batches(markets: Sequence[str]) -> list[Sequence[str]]:
    """Markets in parts of even size: one for each processor, within MARKETS_AT_ONCE."""
    least, most = MARKETS_AT_ONCE[0], MARKETS_AT_ONCE[-1]
    parts = max(math.ceil(len(markets) / most), min(os.cpu_count() or 1, len(markets) // least), 1)
    size = math.ceil(len(markets) / parts)
    return [markets[start : start + size] for start in range(0, len(markets), size)]


def _notes() -> list[Note]:
    return [read_note(file) for file in sorted(SHIPPED.glob("*.toml"))]


def moments_of_claims() -> list[datetime]:
    """The moments at which readings of the shipped notes are judged, in their order."""
    definitions = [definition for note in _notes() for claim in note.claims for definition in claim.definitions]
    moments = [definition.judged_until or definition.as_of for definition in definitions]
    return sorted({moment for moment in moments if isinstance(moment, datetime)})


def _claims(run: Run) -> pl.DataFrame:
    """Verdicts on the shipped notes, on the tables that are about to be published."""
    from r2k_pipeline.claims.box import Box  # noqa: PLC0415  (checks import numba)
    from r2k_pipeline.claims.verdicts import build_claims  # noqa: PLC0415

    notes = _notes()
    if mistakes := [mistake for note in notes for mistake in note.mistakes]:
        raise MistakesError("; ".join(mistakes))
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
    until, seen = (run.as_of + AHEAD).date(), reports["report_date"].unique()
    ledger = build_cot_releases(seen.filter(seen <= until), until)
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


_REFERENCE: Final = (
    DerivedTable(reference.Markets, (), "python", _markets),
    DerivedTable(reference.MarketSymbols, (), "python", _market_symbols),
    DerivedTable(reference.MarketContracts, (), "python", _market_contracts),
    DerivedTable(reference.Sessions, (), "python", _sessions),
    DerivedTable(
        cot.CotReleases, (cot.CotReports.dotted(), meta.FetchLog.dotted()), "python", _cot_releases, reads_as_of=True
    ),
    DerivedTable(meta.ColumnDictionary, (), "python", _column_dictionary),
)


def _of_bars(table: type[Table], build: Callable[[Run], pl.DataFrame | Growth], *others: type[Table]) -> DerivedTable:
    """A feature of the bars, and of `others`."""
    upstreams = (prices.MarketBars.dotted(), *(other.dotted() for other in others))
    return DerivedTable(table, upstreams, "polars", build)


_FEATURES: Final = (
    _of_bars(indicators.DailyIndicators, features.indicators_of),
    DerivedTable(
        indicators.MovingAverageCrosses, (indicators.DailyIndicators.dotted(),), "polars", features.crosses_of
    ),
    _of_bars(profiles.SwingPivots, features.pivots_of),
    _of_bars(profiles.VolumeProfiles, features.profiles_of, levels.OpenRanges),
    _of_bars(levels.Consolidations, features.consolidations_of),
    _of_bars(levels.OpenRanges, features.open_ranges_of),
    _of_bars(levels.LevelEvidence, features.level_evidence_of),
    _of_bars(levels.Levels, features.levels_of, levels.LevelEvidence),
    _of_bars(levels.LevelOutcomes, features.level_outcomes_of, indicators.DailyIndicators, levels.Levels),
    DerivedTable(
        outcomes.SetupOutcomes, (marts.PositioningVsTechnicals.dotted(),), "polars", features.setup_outcomes_of
    ),
)
_CLAIMS: Final = DerivedTable(claims.Claims, SOURCES, "python", _claims, reads_as_of=True)
