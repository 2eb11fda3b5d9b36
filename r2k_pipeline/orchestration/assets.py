"""Dagster assets: one per table, made from its contract and how it is built.

Belongs here: keys, groups, metadata, the blocking contract check. Not here: what a table holds or how it is
computed (tables/, log/, warehouse publication in publication.py).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import dagster as dg
import polars as pl

from r2k_pipeline.build import Outcome, build_table
from r2k_pipeline.contracts.columns import sql_type_of
from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.lake import Lake
from r2k_pipeline.log.ingest import Intake, ingest_prices, ingest_reports
from r2k_pipeline.orchestration.events import NOTES, as_list
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.origins import code_digest
from r2k_pipeline.raw_check import FETCHED
from r2k_pipeline.runs import Run
from r2k_pipeline.tables.reference import MarketSymbols, Sessions
from r2k_pipeline.tables.registry import DerivedTable, derived_tables

OWNERS: Final = ["team:r2k"]
PREVIEW_ROWS: Final = 5
LONGEST_NAME: Final = 50
"""Characters of a cell in a preview: the names of all columns fit."""
Step = Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]


def asset_key(table: type[Table] | str) -> dg.AssetKey:
    """`layer/table`; the bookkeeping logs of raw stand for all raw assets and have no key of their own."""
    name = table if isinstance(table, str) else table.dotted()
    return dg.AssetKey(name.split("."))


def table_spec(table: type[Table], upstreams: Iterable[str], kind: str, why: str = "") -> dg.AssetSpec:
    """A table's metadata in the UI before it exists."""
    keys = {asset_key(name) for name in _with_raw_assets(upstreams)}
    return dg.AssetSpec(
        asset_key(table),
        deps=sorted(keys),
        group_name=table.layer,
        code_version=code_digest(),
        kinds={kind, "parquet"},
        owners=OWNERS,
        description="\n\n".join(filter(None, (table.description(), why))),
        metadata={"dagster/column_schema": column_schema(table), "dagster/table_name": table.dotted()},
    )


def _with_raw_assets(upstreams: Iterable[str]) -> Iterator[str]:
    """`upstreams` with all raw assets in place of the logs of refused rows and fetches, which each of them writes."""
    for name in upstreams:
        if name in ("raw.refused_rows", "raw.fetch_log"):
            yield from (table.dotted() for table in FETCHED)
        else:
            yield name


def column_schema(table: type[Table]) -> dg.TableSchema:
    """The contract as Dagster shows it: type, unit and meaning of each column."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                sql_type_of(column),
                description=f"{column.description} [{table.units()[name]}]",
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, other=["key"] if column.primary_key else []
                ),
            )
            for name, column in table.columns().items()
        ],
        constraints=dg.TableConstraints(other=[f"key: {', '.join(table.primary_key())}", *rule_names(table)]),
    )


def rule_names(table: type[Table]) -> list[str]:
    """The contract's rules over whole rows."""
    return list(table._schema_validation_rules())


def preview(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The last rows as a Markdown table."""
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_rows=PREVIEW_ROWS,
        tbl_width_chars=-1,
        fmt_str_lengths=LONGEST_NAME,
    ):
        return dg.MetadataValue.md(str(frame.tail(PREVIEW_ROWS)))


def contract_check(table: type[Table]) -> dg.AssetCheckSpec:
    """The blocking check of a table: every row fits its contract, or nothing is written."""
    return dg.AssetCheckSpec(
        "contract", asset=asset_key(table), blocking=True, description="every row fits its contract"
    )


def contract_result(outcome: Outcome) -> dg.AssetCheckResult:
    """The check's result, with failures by rule."""
    metadata: dict[str, Any] = {}
    if outcome.examples is not None:
        metadata = {
            "failed rows by rule": dg.MetadataValue.json(dict(outcome.broken)),
            "failed rows": preview(outcome.examples),
        }
    return dg.AssetCheckResult(
        check_name="contract", asset_key=asset_key(outcome.table), passed=outcome.state != "failed", metadata=metadata
    )


def derived_asset(derived: DerivedTable) -> dg.AssetsDefinition:
    """One derived table: build, validate against its contract, write; a failure writes nothing."""
    table = derived.table

    @dg.multi_asset(
        name=f"{table.layer}__{table.table}",
        specs=[table_spec(table, derived.upstreams, derived.kind, derived.why)],
        check_specs=[contract_check(table)],
    )
    def build(pipeline: Pipeline) -> Step:
        outcome = build_table(pipeline.fixed if derived.needs_moment else pipeline.run, derived)
        yield contract_result(outcome)
        if outcome.state == "failed":
            raise dg.Failure(outcome.message())
        pipeline.built.add(table.dotted())
        files = pipeline.run.lake.files(table.dotted())
        yield dg.MaterializeResult(
            asset_key(table),
            metadata={
                "dagster/row_count": outcome.rows,
                "state": outcome.state,
                "preview": preview(pl.scan_parquet(files[-1]).tail(PREVIEW_ROWS).collect()),
                "path": dg.MetadataValue.path(files[-1] if len(files) == 1 else files[-1].parent),
            },
            data_version=dg.DataVersion(outcome.version),
        )

    return build


def raw_result(lake: Lake, table: type[Table], intake: Intake) -> dg.MaterializeResult[Any]:
    """Metadata of a fetch: counts of rows, and messages by item."""
    counts = [name for name in intake.log.columns if name.startswith("rows_")]
    remarks = intake.log.filter(pl.col("status") == "ok").drop_nulls("message").select("item", "message")
    notes = [*(f"{item}: {message}" for item, message in remarks.iter_rows()), *intake.notes]
    failures = [*map(lake.here, [*intake.failures["message"], *intake.alarms])]
    return dg.MaterializeResult(
        asset_key(table),
        metadata={
            **{name: intake.total(name) for name in counts},
            "items": preview(intake.log.select("item", "status", *counts)),
            NOTES: as_list(notes),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="fetched",
                asset_key=asset_key(table),
                passed=not failures,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"failures": as_list(failures)},
            )
        ],
    )


def fetched_check(table: type[Table]) -> dg.AssetCheckSpec:
    """A check that does not block: it names the failed items, and the run goes on with the last good data."""
    return dg.AssetCheckSpec("fetched", asset=asset_key(table), description="every required item was fetched")


@dg.multi_asset(
    name="raw__prices",
    specs=[table_spec(t, (MarketSymbols.dotted(), Sessions.dotted()), "yahoo") for t in (PriceBars, PriceActions)],
    check_specs=[fetched_check(PriceBars), fetched_check(PriceActions)],
)
def raw_prices(pipeline: Pipeline) -> Step:
    """Daily bars and actions of every symbol, appended where they are new."""
    run = pipeline.run
    if run.is_replay:
        yield from as_recorded(run, PriceBars, PriceActions)
        return
    bars, actions = ingest_prices(run, run.lake.read(Sessions))
    yield raw_result(run.lake, PriceBars, bars)
    yield raw_result(run.lake, PriceActions, actions)


@dg.multi_asset(
    name="raw__cot_reports",
    # After the prices: their newest bars show a wrong clock before a report is appended with its time.
    specs=[table_spec(CotReports, (PriceBars.dotted(),), "cftc")],
    check_specs=[fetched_check(CotReports)],
)
def raw_cot_reports(pipeline: Pipeline) -> Step:
    """Commitments of Traders reports, appended where they are new."""
    run = pipeline.run
    yield from (
        as_recorded(run, CotReports) if run.is_replay else [raw_result(run.lake, CotReports, ingest_reports(run))]
    )


def as_recorded(run: Run, *tables: type[Table]) -> Step:
    """A replay fetches nothing: raw is as it was recorded."""
    for table in tables:
        yield dg.MaterializeResult(
            asset_key(table),
            metadata={"replay": f"nothing fetched: as known at {run.fixed().as_of:%Y-%m-%d %H:%M:%S} UTC"},
            check_results=[dg.AssetCheckResult(check_name="fetched", asset_key=asset_key(table), passed=True)],
        )


def table_assets() -> list[dg.AssetsDefinition]:
    """Raw assets and every derived table."""
    return [raw_prices, raw_cot_reports, *(derived_asset(derived) for derived in derived_tables())]
