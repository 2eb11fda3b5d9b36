"""Runs the refresh job in this process, as `r2k run` and the Python API do.

Belongs here: the run. Not here: its steps, Dagster's records (instance.py), the wording of its end
(report/run_summary.py).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

from r2k_pipeline.errors import R2kError
from r2k_pipeline.last_run import read_last_run, recording, recording_refusal
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.orchestration.events import failures_of, notes_of
from r2k_pipeline.orchestration.instance import forget_old_runs, open_instance
from r2k_pipeline.orchestration.launcher import LAKE, end_dead_runs
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.report.run_summary import Summary, next_commands, published_generation
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings


def execute_refresh(
    definitions: dg.Definitions, settings: Settings, run_of: Callable[[Settings], Run] = Run.of
) -> Summary:
    """Materialize everything for `settings` in this process; a failed step is in the summary, not raised.

    `run_of` makes the Run of the steps: a caller may give it another clock, other markets or sources. Raises R2kError
    if the run cannot begin or be recorded, KeyboardInterrupt if it is interrupted. The lake is locked before the run is
    recorded: a command-line run that does not hold the lock is dead.
    """
    started, run_id = time.monotonic(), make_new_run_id()
    with recording_refusal(settings):
        run = run_of(settings)
        with (
            _interrupted_alike(),
            run.lake.lock(settings.lock_wait_seconds, run_id),
            capture_interrupts(),  # outside of steps an interrupt waits: a second one would break the end of the first
            open_instance(settings) as instance,
            recording(run.lake, run.clock) as failures,
        ):
            end_dead_runs(instance, run.lake.root)
            remark, before = begin(run), run.lake.published.resolve()
            result = definitions.resolve_job_def("refresh").execute_in_process(
                instance=instance,
                run_id=run_id,
                run_config={"loggers": {"narrator": {}}},
                resources={"pipeline": Pipeline.of(run)},
                tags={LAKE: str(run.lake.root)},
                raise_on_error=False,
            )
            if _was_interrupted(result):
                raise KeyboardInterrupt
            failures.extend(failures_of(result.all_events))
            forget_old_runs(instance, settings.keep_runs)
            # A step may fail after the swap: whether a generation was published is seen where it lies.
            is_new = run.lake.published.resolve() != before
            return _summarise(run, result, failures, remark, published=is_new, seconds=time.monotonic() - started)


@contextmanager
def _interrupted_alike() -> Iterator[None]:
    """Turn Dagster's interrupt, which is neither a KeyboardInterrupt nor an Exception, into KeyboardInterrupt."""
    try:
        yield
    except DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a step was interrupted, or an interrupt waits."""
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    names = {error.cls_name for error in errors if error is not None}
    return DagsterExecutionInterruptedError.__name__ in names or check_captured_interrupt()


def _summarise(
    run: Run,
    result: dg.ExecuteInProcessResult,
    failures: list[str],
    remark: str | None,
    *,
    published: bool,
    seconds: float,
) -> Summary:
    """The summary of a run; adds to `failures` if what is published cannot be read, which must not hide the rest."""
    row, ok = {}, result.success
    try:
        row = published_generation(run.lake)
    except (R2kError, duckdb.Error) as error:
        ok = False
        failures.append(str(error))
    last = read_last_run(run.lake)
    materialized = [event.materialization for event in result.get_asset_materialization_events()]
    notes = notes_of(materialized, result.get_asset_check_evaluations(), run.lake)
    return Summary(
        ok=ok,
        published=published,
        checked_at=last.checked_at if last else None,
        seconds=seconds,
        label=row.get("label", run.settings.source),
        as_of=row.get("as_of"),
        generation_id=row.get("generation_id"),
        warehouse=run.lake.warehouse,
        rows_new=_total(materialized, "rows_written"),
        rows_refused=_total(materialized, "rows_quarantined"),
        failures=tuple(failures),
        notes=tuple(filter(None, (remark, *notes))),
        next=next_commands(run.settings),
    )


def _total(materialized: list[dg.AssetMaterialization], name: str) -> int:
    return sum(int(str(table.metadata[name].value)) for table in materialized if name in table.metadata)
