"""Which of Dagster's runs are alive: the one that the lake's lock names, as a lock dies with its process.

Belongs here: the proof, for Dagster's run monitoring and for `r2k run`. Not here: the lock itself (lake.py).
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import read_settings

LAKE: Final = "r2k/lake"
"""The tag of a run of the command line: the lake that it has locked since before it began."""
TO_LOCK: Final = timedelta(seconds=60)
"""How long a run of the UI may take from its start to the lake's lock, besides waiting for it."""
TO_END_SECONDS: Final = 2
"""A run releases the lock just before Dagster records its end: this long the two may differ."""
_UNFINISHED: Final = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.NOT_STARTED]
GONE: Final = "its process died without reporting: it was killed, or the machine stopped"


class LockedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which by itself cannot tell whether a run is alive after its server ended."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: the lake's lock shows it."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """The answer to Dagster's monitoring of a started run, which reads the run's status again afterwards."""
        settings = read_settings()
        record = self._instance.get_run_record_by_id(run.run_id)
        assert record is not None, f"run {run.run_id} has no record"
        patience = TO_LOCK + timedelta(seconds=settings.lock_wait_seconds)
        for wait in (TO_END_SECONDS, 0):
            if is_alive(record, Lake.of(settings.lake, settings.source).root, patience):
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            time.sleep(wait)
        return CheckRunHealthResult(WorkerStatus.FAILED, GONE)


def end_dead_runs(instance: dg.DagsterInstance, root: Path, patience: timedelta = TO_LOCK) -> None:
    """Report dead runs as failed that Dagster's records list as in progress: its queue would wait for them."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        if not is_alive(record, root, patience):
            instance.report_run_failed(record.dagster_run, GONE)


def is_alive(record: dg.RunRecord, root: Path, patience: timedelta) -> bool:
    """Whether the run holds its lake's lock, or began so recently that it may not have taken it yet.

    `root` is the lake of a run that does not name its own.
    """
    run = record.dagster_run
    holder = Lake.at(Path(run.tags.get(LAKE, root))).holder()
    is_young = LAKE not in run.tags and datetime.now(UTC) - record.update_timestamp < patience
    return is_young or run.run_id in (holder or "")
