"""What the events of a run say: its failures, its notes, its counts of rows.

Belongs here: the lines, alike for runs of the command line and of the UI. Not here: what is required (checks.py), how
a run is summarised (report/run_summary.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import dagster as dg

from r2k_pipeline.holes import say_doubts
from r2k_pipeline.lake import Lake

NOTES: Final = "notes"
"""Key in a raw table's metadata: remarks on what was fetched."""
HOLES: Final = "holes"
"""Key in a check's metadata: what is missing, a line each."""
ROWS: Final = "rows"
"""Key in a check's metadata: how many rows it found."""
REPEATS: Final = "repeats"
"""Key in the metadata of a step's failure that only repeats failures before it."""
READ: Final = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RESOURCE_INIT_FAILURE,
}
"""The types of the events that `failures_of` reads."""


def events_of(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    """The events of a run that `failures_of` reads, as they were recorded by now."""
    records = instance.get_records_for_run(run_id, of_type=READ).records
    return [event for record in records if (event := record.event_log_entry.dagster_event) is not None]


def failures_of(events: Sequence[dg.DagsterEvent]) -> tuple[str, ...]:
    """A line for each failed check, the first cause of each failed step, and of the run if it failed before its first.

    A step that only repeats the messages of the checks is left out.
    """
    failed = [event for event in events if event.is_step_failure and not _repeats(event)]
    steps = [f"{event.step_key}: {line}" for event in failed for line in _first_cause(event).splitlines()]
    refused = [event for event in events if event.event_type == dg.DagsterEventType.RESOURCE_INIT_FAILURE]
    return *failed_checks(checks_of(events)), *steps, *map(_first_cause, refused)


def checks_of(events: Iterable[dg.DagsterEvent]) -> list[dg.AssetCheckEvaluation]:
    """The results of checks among `events`."""
    asked = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return [event.asset_check_evaluation_data for event in events if event.event_type == asked]


def failed_checks(checks: Iterable[dg.AssetCheckEvaluation]) -> list[str]:
    """A line for each failure of a check that makes the run fail; warnings are shown and do not.

    What the same check of a second table repeats is left out: the bars and the actions of a symbol are one answer.
    """
    said: dict[tuple[str, str], str] = {}
    for check in checks:
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
            for line in (line for value in check.metadata.values() for line in _lines(value)):
                said.setdefault(
                    (check.check_name, line), f"{'/'.join(check.asset_key.path)} {check.check_name}: {line}"
                )
    return list(said.values())


def notes_of(
    materialized: Iterable[dg.AssetMaterialization], checks: Iterable[dg.AssetCheckEvaluation], lake: Lake
) -> Iterator[str]:
    """Remarks on what was fetched, then the warnings: what is missing, and how many rows are in doubt."""
    for table in materialized:
        yield from _lines(table.metadata.get(NOTES))
    warned = [check for check in checks if not check.passed and check.severity is dg.AssetCheckSeverity.WARN]
    for check in warned:
        yield from _lines(check.metadata.get(HOLES))
    doubts = {check.check_name: int(str(check.metadata[ROWS].value)) for check in warned if ROWS in check.metadata}
    if doubts:
        yield f"in doubt: {say_doubts(doubts, lake)}"


def as_list(lines: Iterable[str]) -> dg.MarkdownMetadataValue:
    """A list in Markdown."""
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))


def _lines(value: dg.MetadataValue[Any] | None) -> list[str]:
    """The lines that `as_list` joined; of any other value its text."""
    return [line.removeprefix("- ") for line in str(value.value).splitlines()] if value else []


def _repeats(event: dg.DagsterEvent) -> bool:
    said = event.step_failure_data.user_failure_data
    return said is not None and REPEATS in said.metadata


def _first_cause(event: dg.DagsterEvent) -> str:
    """The message of our own error inside Dagster's wrapping, without the name of its class."""
    error = event.step_failure_data.error if event.is_step_failure else event.engine_event_data.error
    while error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster"):
        error = error.cause
    if error is None:
        return "no error was recorded"
    return error.message.strip().partition(f"{error.cls_name}: ")[2] or error.message.strip()
