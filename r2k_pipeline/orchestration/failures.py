"""Why a run failed, from its events: its failed checks and steps, a line each.

Belongs here: the lines, alike for runs of the command line and of the UI. Not here: what is required (outcome.py).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import dagster as dg

REPEATS: Final = "repeats"
"""Key in the metadata of a step's failure that only repeats failures before it."""
READ: Final = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RESOURCE_INIT_FAILURE,
}
"""The types of the events that `failures_of` reads."""


def failures_of(events: Sequence[dg.DagsterEvent]) -> tuple[str, ...]:
    """A line for each failed check, the first cause of each failed step, and of the run if it failed before its first.

    A step that only repeats the messages of the checks is left out.
    """
    checks = [
        e.asset_check_evaluation_data for e in events if e.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    failed = [event for event in events if event.is_step_failure and not _repeats(event)]
    steps = [f"{event.step_key}: {line}" for event in failed for line in _first_cause(event).splitlines()]
    refused = [event for event in events if event.event_type == dg.DagsterEventType.RESOURCE_INIT_FAILURE]
    return *failed_checks(checks), *steps, *map(_first_cause, refused)


def failed_checks(evaluations: Iterable[dg.AssetCheckEvaluation]) -> list[str]:
    """A line for each failed check that makes the run fail; warnings are shown and do not."""
    return [
        f"{'/'.join(check.asset_key.path)} {check.check_name}: {line.removeprefix('- ')}"
        for check in evaluations
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
        for value in check.metadata.values()
        for line in str(value.value).splitlines()
    ]


def events_of(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    """The events of a run that `failures_of` reads, as they were recorded by now."""
    records = instance.get_records_for_run(run_id, of_type=READ).records
    return [event for record in records if (event := record.event_log_entry.dagster_event) is not None]


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
