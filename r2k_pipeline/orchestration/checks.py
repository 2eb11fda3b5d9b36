"""Dagster's asset checks: one for each file of sql/checks, on the table it names, and three of what is published.

Belongs here: when a run counts as failed, how findings are shown beside a table. Not here: what is checked
(sql/checks), the findings themselves (findings.py), which items are required (ingest.py).
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.holes import read_holes
from r2k_pipeline.lake import Lake
from r2k_pipeline.orchestration.assets import asset_key
from r2k_pipeline.orchestration.events import HOLES, REPEATS, ROWS, as_list, checks_of, events_of, failed_checks
from r2k_pipeline.orchestration.resources import WAREHOUSE, Pipeline
from r2k_pipeline.report.note.kept import unwritten
from r2k_pipeline.snapshot import reading
from r2k_pipeline.tables.findings import Check, read_checks
from r2k_pipeline.tables.registry import SQL
from r2k_pipeline.warehouse import open_warehouse

FIRST_ROWS: Final = 10
SEVERITY: Final = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}
INFO: Final = "info"
"""The severity of a check that only informs: in Dagster it passes, with its rows beside it."""


def reconciliation_checks() -> dg.AssetChecksDefinition:
    """All checks in one step after meta.findings, where each reads its rows; none blocks.

    Of a table that is made alone, its own checks tell what meta.findings had before.
    """
    checks = read_checks(SQL / "checks")
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=asset_key(check.table),
            additional_deps=[asset_key(Findings)],
            description=check.why,
            metadata={"severity": check.severity},
        )
        for check in checks
    ]

    @dg.multi_asset_check(name="reconciliation", specs=specs, can_subset=True)
    def reconcile(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> Iterator[dg.AssetCheckResult]:
        found = pipeline.run.lake.read(Findings).partition_by("check_name", as_dict=True)
        asked = {key.name for key in context.selected_asset_check_keys}
        for check in checks:
            if check.name in asked:
                yield check_result(check, found.get((check.name,), Findings.create_empty()))

    return reconcile


def check_result(check: Check, rows: pl.DataFrame) -> dg.AssetCheckResult:
    """Passed if nothing was found that is in doubt; the number of rows, and the newest of them."""
    newest = rows.sort("known_at", "row_key", descending=True).head(FIRST_ROWS)
    lines = [f"{key}: {evidence}" for key, evidence in newest.select("row_key", "evidence").iter_rows()]
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=asset_key(check.table),
        passed=rows.is_empty() or check.severity == INFO,
        severity=SEVERITY.get(check.severity, dg.AssetCheckSeverity.WARN),
        metadata={ROWS: rows.height, "newest": as_list(lines)},
    )


@dg.asset_check(
    asset=WAREHOUSE,
    name="newest",
    description="What the calendars say should be known at the run's moment is there: each symbol's last session, the "
    "last report of each type of each market.",
)
def newest(pipeline: Pipeline) -> dg.AssetCheckResult:
    """A warning, not an error, that names what is missing: the source may have nothing newer."""
    run = pipeline.fixed
    with open_warehouse(run.lake.warehouse) as connection:
        holes = read_holes(connection, run.as_of)
    return dg.AssetCheckResult(passed=not holes, severity=dg.AssetCheckSeverity.WARN, metadata={HOLES: as_list(holes)})


@dg.asset_check(
    asset=WAREHOUSE,
    name="notes",
    description="The newest session of each market has its note. One that cannot be written stops no publication.",
)
def notes(pipeline: Pipeline) -> dg.AssetCheckResult:
    """An error that names each missing note and says why. A rebuild of a past moment adds no notes."""
    run = pipeline.fixed
    with reading(run.lake, memory_limit=run.settings.memory_limit) as snapshot:
        lines = [] if run.is_replay else [*unwritten(snapshot)]
    return dg.AssetCheckResult(passed=not lines, metadata={"notes": "\n".join(lines)} if lines else None)


@dg.asset_check(
    asset=WAREHOUSE,
    name="required",
    description="Nothing required failed in the run. Otherwise this last step fails, and with it the run: what could "
    "be built is published all the same.",
)
def required(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> dg.AssetCheckResult:
    """Raise dg.Failure with every required thing that failed in this run, by name."""
    checks = checks_of(events_of(context.instance, context.run.run_id))
    if failures := [*failed_checks(checks), *_errors(pipeline.run.lake)]:
        lines, metadata = dict.fromkeys(failures), {REPEATS: "what the checks and findings say"}
        raise dg.Failure("\n".join(lines), metadata=metadata, allow_retries=False)
    return dg.AssetCheckResult(passed=True)


def _errors(lake: Lake) -> Iterator[str]:
    """A line for each check that found errors; read from its table, as the step `reconciliation` may run later."""
    counts = lake.read(Findings).filter(severity="error").group_by("check_name").len().sort("check_name")
    return (f"{name}: {count:,} rows; next: {lake.command('doctor')}" for name, count in counts.iter_rows())
