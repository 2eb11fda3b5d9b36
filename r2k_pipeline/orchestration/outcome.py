"""Checks of the published data, and the last step of a run, which fails if something required failed.

Belongs here: when a run that published counts as failed, the text of its warnings. Not here: which items are required
(ingest.py), how a run is summarised (execute.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.holes import read_holes, say_doubts
from r2k_pipeline.orchestration.checks import ROWS
from r2k_pipeline.orchestration.failures import REPEATS, events_of, failed_checks
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.report.note.kept import unwritten
from r2k_pipeline.snapshot import reading
from r2k_pipeline.warehouse import open_warehouse

HOLES: Final = "holes"
WAREHOUSE: Final = dg.AssetKey("warehouse")


@dg.asset_check(
    asset=WAREHOUSE,
    name="required",
    description="Nothing required failed in the run. Otherwise this last step fails, and with it the run: what could "
    "be built is published all the same.",
)
def required(context: dg.AssetCheckExecutionContext, pipeline: Pipeline) -> dg.AssetCheckResult:
    """Raise dg.Failure with every required thing that failed in this run, by name."""
    evaluations = [
        event.asset_check_evaluation_data
        for event in events_of(context.instance, context.run.run_id)
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    failures = [*failed_checks(evaluations), *_errors(pipeline)]
    if failures:
        lines, metadata = dict.fromkeys(failures), {REPEATS: "what the checks and findings say"}
        raise dg.Failure("\n".join(lines), metadata=metadata, allow_retries=False)
    return dg.AssetCheckResult(passed=True)


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
    return dg.AssetCheckResult(
        passed=not holes,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={HOLES: dg.MetadataValue.md("\n".join(f"- {hole}" for hole in holes))},
    )


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


def notes_of(evaluations: Sequence[dg.AssetCheckEvaluation]) -> Iterator[str]:
    """Summary of a run's warnings: what is missing, and how many rows are in doubt."""
    warned = [check for check in evaluations if not check.passed and check.severity is dg.AssetCheckSeverity.WARN]
    for check in warned:
        if HOLES in check.metadata:
            yield from (line.removeprefix("- ") for line in str(check.metadata[HOLES].value).splitlines())
    doubts = {check.check_name: int(str(check.metadata[ROWS].value)) for check in warned if ROWS in check.metadata}
    if doubts:
        yield f"in doubt: {say_doubts(doubts)}"


def _errors(pipeline: Pipeline) -> Iterator[str]:
    """Errors found by the reconciliation, read here because its Dagster step may run after this one."""
    errors = pipeline.run.lake.read(Findings).filter(pl.col("severity") == "error")
    for name, count in errors.group_by("check_name").len().sort("check_name").iter_rows():
        yield f"{name}: {count:,} rows; next: r2k doctor"
