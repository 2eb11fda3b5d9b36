"""Runs the refresh job in this process and says how it went.

Belongs here: the run and its summary. Not here: the steps themselves, Dagster's records (instance.py).
"""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.orchestration.assets import NOTES
from r2k_pipeline.orchestration.instance import PROCESS, open_instance
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.settings import Settings
from r2k_pipeline.warehouse import open_warehouse


@dataclass(frozen=True)
class Summary:
    """How a run went. `failures` are required things that failed; not published: the last generation stays."""

    ok: bool
    published: bool
    seconds: float
    label: str
    as_of: datetime | None
    generation_id: str | None
    warehouse: Path
    rows_new: int
    rows_refused: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: str(value) if isinstance(value, Path | datetime) else value for name, value in asdict(self).items()
        }

    def text(self) -> str:
        """The end of a run on a terminal: what happened, what failed, where to look next."""
        state = f"published in {self.seconds:.1f} s" if self.published else "NOT published: the last generation stays"
        known = f"{self.as_of:%Y-%m-%d %H:%M:%S} UTC" if self.as_of else "nothing yet"
        lines = [
            f"{self.label}: generation {self.generation_id or '-'} {state}",
            f"  known as of  {known}",
            f"  raw rows     {self.rows_new:,} new, {self.rows_refused:,} refused now (all: meta.quarantine)",
            f"  warehouse    {self.warehouse}",
            *(f"  FAILED       {failure}" for failure in self.failures),
            *(f"  NOTE         {note}" for note in self.notes),
            "  next         r2k brief · r2k status · r2k ui · "
            'r2k sql "select market, session_date, close, rsi_14 from latest()"',
        ]
        return "\n".join(lines)


def execute_refresh(definitions: dg.Definitions, settings: Settings) -> Summary:
    """Materialize everything for `settings` in this process; a failed step is in the summary, not raised."""
    started = time.monotonic()
    with open_instance(settings) as instance:
        result = definitions.resolve_job_def("refresh").execute_in_process(
            instance=instance,
            run_config={
                "resources": {"pipeline": {"config": Pipeline.config_of(settings)}},
                "loggers": {"narrator": {}},
            },
            tags={PROCESS: str(os.getpid())},
            raise_on_error=False,
        )
    return _summarise(settings, result, time.monotonic() - started)


def _summarise(settings: Settings, result: dg.ExecuteInProcessResult, seconds: float) -> Summary:
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    try:
        row, unreadable = _published(lake), []
    except (LakeError, duckdb.Error) as error:  # damaged, or another version's: that must not hide how the run went
        row, unreadable = {}, [str(error)]
    fetched = [event.materialization.metadata for event in result.get_asset_materialization_events()]
    return Summary(
        ok=result.success and not _errors(result) and not unreadable,
        published=result.success,
        seconds=seconds,
        label=row.get("label", settings.source),
        as_of=row.get("as_of"),
        generation_id=row.get("generation_id"),
        warehouse=lake.warehouse,
        rows_new=_total(fetched, "rows_written"),
        rows_refused=_total(fetched, "rows_quarantined"),
        failures=(*_failed_checks(result), *_failed_steps(result), *unreadable),
        notes=tuple(note.removeprefix("- ") for entry in fetched for note in _lines(entry.get(NOTES))),
    )


def _published(lake: Lake) -> dict[str, Any]:
    """The row of meta.generation in the published file: its Parquet is already that of a generation that may fail.

    Raises LakeError or duckdb.Error where there is a file and it cannot be read.
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


def _errors(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    """The failed checks that make a run fail; a warning is shown and lets it pass."""
    checks = result.get_asset_check_evaluations()
    return [check for check in checks if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR]


def _failed_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        f"{'/'.join(check.asset_key.path)} {check.check_name}: {line}"
        for check in _errors(result)
        for value in check.metadata.values()
        for line in str(value.value).splitlines()
    ]


def _failed_steps(result: dg.ExecuteInProcessResult) -> list[str]:
    """The first cause of each failed step, in one line; of the run itself where it failed before its first step."""
    steps = [f"{event.step_key}: {_first_cause(event)}" for event in result.get_step_failure_events()]
    refused = [event for event in result.all_events if event.event_type == dg.DagsterEventType.RESOURCE_INIT_FAILURE]
    return [*steps, *map(_first_cause, refused)]


def _first_cause(event: dg.DagsterEvent) -> str:
    """The message of the error that our code raised, out of Dagster's wrapping, without the name of its class."""
    error = event.step_failure_data.error if event.is_step_failure else event.engine_event_data.error
    while error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster"):
        error = error.cause
    if error is None:
        return "no error was recorded"
    return error.message.strip().partition(f"{error.cls_name}: ")[2] or error.message.strip()
