"""Runs the refresh job in this process and summarises it.

Belongs here: the run and its summary. Not here: the steps themselves, Dagster's records (instance.py).
"""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
import duckdb
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import begin_run, end_run, read_last_run, record_failures, record_refusal
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.orchestration.assets import NOTES
from r2k_pipeline.orchestration.failures import failures_of
from r2k_pipeline.orchestration.instance import forget_old_runs, open_instance
from r2k_pipeline.orchestration.launcher import LAKE, end_dead_runs
from r2k_pipeline.orchestration.outcome import notes_of
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.runs import Run, now
from r2k_pipeline.settings import Settings
from r2k_pipeline.warehouse import open_warehouse

_QUERY: Final = '"select market, session_date, close, rsi_14 from latest()"'


@dataclass(frozen=True)
class Summary:
    """Summary of a run. `failures` are required items and checks that failed. If not published, the last generation

    stays. `checked_at`: the moment at which a run found nothing new since the last generation, else None. `next`: the
    commands that show what is published.
    """

    ok: bool
    published: bool
    checked_at: datetime | None
    seconds: float
    label: str
    as_of: datetime | None
    generation_id: str | None
    warehouse: Path
    rows_new: int
    rows_refused: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    next: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: str(value) if isinstance(value, Path | datetime) else value for name, value in asdict(self).items()
        }

    def text(self) -> str:
        """The end of a run on a terminal: what happened, what failed, where to look next."""
        state = "NOT published: the last generation stays" if self.as_of else "NOT published"
        if self.published:
            state = f"published in {self.seconds:.1f} s"
        elif self.checked_at:
            state = f"stays: nothing new, checked at {self.checked_at:%Y-%m-%d %H:%M:%S} UTC in {self.seconds:.1f} s"
        known = f"{self.as_of:%Y-%m-%d %H:%M:%S} UTC" if self.as_of else "nothing yet"
        lines = [
            f"{self.label}: generation {self.generation_id or '-'} {state}",
            f"  known as of  {known}",
            f"  raw rows     {self.rows_new:,} new, {self.rows_refused:,} refused now (all: meta.quarantine)",
            f"  warehouse    {self.warehouse}",
            *(f"  FAILED       {failure}" for failure in self.failures),
            *(f"  NOTE         {note}" for note in self.notes),
            f"  next         {self.next if self.as_of else 'mend what failed, then r2k run again'}",
        ]
        return "\n".join(lines)


def execute_refresh(
    definitions: dg.Definitions, settings: Settings, run_of: Callable[[Settings], Run] = Run.of
) -> Summary:
    """Materialize everything for `settings` in this process; a failed step is in the summary, not raised.

    `run_of` makes the Run of the steps: a caller may give it another clock, other markets or sources. Raises R2kError
    if the run cannot begin or be recorded, KeyboardInterrupt if it is interrupted. The lake is locked before the run is
    recorded: a command-line run that does not hold the lock is dead.
    """
    try:
        return _execute(definitions, settings, run_of(settings))
    except R2kError as error:
        record_refusal(Lake.of(settings.lake, settings.source, settings.as_of), now(), (str(error),))
        raise


def _execute(definitions: dg.Definitions, settings: Settings, run: Run) -> Summary:
    started, run_id = time.monotonic(), make_new_run_id()
    with (
        _interrupted_alike(),
        run.lake.lock(settings.lock_wait_seconds, run_id),
        capture_interrupts(),  # outside of steps an interrupt waits: a second one would break the end of the first
        open_instance(settings) as instance,
    ):
        end_dead_runs(instance, run.lake.root)
        said = begin(run)
        begin_run(run.lake, run.clock())
        before = run.lake.published.resolve()
        try:
            result = definitions.resolve_job_def("refresh").execute_in_process(
                instance=instance,
                run_id=run_id,
                run_config={"loggers": {"narrator": {}}},
                resources={"pipeline": Pipeline.of(run)},
                tags={LAKE: str(run.lake.root)},
                raise_on_error=False,
            )
        finally:
            end_run(run.lake, run.clock())
        if DagsterExecutionInterruptedError.__name__ in _error_names(result) or check_captured_interrupt():
            raise KeyboardInterrupt
        forget_old_runs(instance, settings.keep_runs)
        summary = _summarise(settings, result, before, time.monotonic() - started, said)
        record_failures(run.lake, summary.failures)
    return summary


@contextmanager
def _interrupted_alike() -> Iterator[None]:
    """Turn Dagster's interrupt, which is neither a KeyboardInterrupt nor an Exception, into KeyboardInterrupt."""
    try:
        yield
    except DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error


def _summarise(
    settings: Settings, result: dg.ExecuteInProcessResult, before: Path, seconds: float, said: str | None
) -> Summary:
    """`before`: the folder that was published when the run began: a step may fail after the swap."""
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    try:
        row, unreadable = _published(lake), []
    except (R2kError, duckdb.Error) as error:  # a file that cannot be read must not hide the result of the run
        row, unreadable = {}, [str(error)]
    run = read_last_run(lake)
    checked_at = run.checked_at if run else None
    checks = result.get_asset_check_evaluations()
    materialized = result.get_asset_materialization_events()
    fetched = [event.materialization.metadata for event in materialized]
    return Summary(
        ok=result.success and not unreadable,
        published=lake.published.resolve() != before,
        checked_at=checked_at,
        seconds=seconds,
        label=row.get("label", settings.source),
        as_of=row.get("as_of"),
        generation_id=row.get("generation_id"),
        warehouse=lake.warehouse,
        rows_new=_total(fetched, "rows_written"),
        rows_refused=_total(fetched, "rows_quarantined"),
        failures=(*failures_of(result.all_events), *unreadable),
        notes=tuple(filter(None, (said, *_notes(fetched), *notes_of(checks)))),
        next=next_commands(settings),
    )


def next_commands(settings: Settings) -> str:
    """The commands that show what a run with these settings published, with the options that lead to its lake."""
    where = f" --source {settings.source}" if settings.source != "sample" else ""
    where += f" --lake {shlex.quote(str(settings.lake))}" if "lake" in settings.model_fields_set else ""
    where += f" --as-of {settings.as_of:%Y-%m-%dT%H:%M:%SZ}" if settings.as_of else ""
    note = "brief" if settings.as_of else "note"
    files = f" --files {shlex.quote(str(settings.files))}" if settings.files and not settings.as_of else ""
    shows = (note, where), ("status", where), ("ui", where + files), (f"sql {_QUERY}", where)
    return " · ".join(f"r2k {command}{options}" for command, options in shows)


def _published(lake: Lake) -> dict[str, Any]:
    """The row of meta.generation in the published DuckDB file; the Parquet may be of a generation that fails later.

    Raises R2kError or duckdb.Error where there is a file and it cannot be read.
    """
    if not lake.warehouse.exists():
        return {}
    with open_warehouse(lake.warehouse) as connection:
        row: dict[str, Any] = connection.sql(f"from {Generation.dotted()}").pl().row(0, named=True)
    return row


def _total(metadata: list[Mapping[str, dg.MetadataValue[Any]]], name: str) -> int:
    return sum(entry[name].value for entry in metadata if name in entry)


def _lines(text: dg.MetadataValue[Any] | None) -> list[str]:
    return str(text.value).splitlines() if text else []


def _notes(metadata: list[Mapping[str, dg.MetadataValue[Any]]]) -> Iterator[str]:
    return (note.removeprefix("- ") for entry in metadata for note in _lines(entry.get(NOTES)))


def _error_names(result: dg.ExecuteInProcessResult) -> set[str | None]:
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return {error.cls_name for error in errors if error is not None}
