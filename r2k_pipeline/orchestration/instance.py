"""Dagster's own records: the folder they are in, and putting right what a killed process left in them.

Belongs here: DAGSTER_HOME and the instance. Not here: runs (execute.py), the lakes (lake.py).
"""

import os
import shutil
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from r2k_pipeline.lake import LakeError
from r2k_pipeline.orchestration.event_log import KeptEventLog
from r2k_pipeline.settings import PROJECT, Settings

PROCESS: Final = "r2k/process"
"""The tag of a run of the command line: the id of the process that it lives and dies with."""
_LOG: Final = "history/runs"
"""Where Dagster keeps its event log in DAGSTER_HOME unless it is told otherwise: the UI looks there."""
_IN_PROGRESS: Final = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's records for these settings, DAGSTER_HOME set to them; raises LakeError where they cannot be kept.

    A run whose process was killed counts as in progress for ever, and the UI's queue would wait for it: it has failed.
    """
    home = _dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    log = {"module": KeptEventLog.__module__, "class": KeptEventLog.__name__, "config": {"base_dir": str(home / _LOG)}}
    instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides={"event_log_storage": log}))
    for run in instance.get_runs(dg.RunsFilter(statuses=list(_IN_PROGRESS))):
        if PROCESS in run.tags and not _is_alive(int(run.tags[PROCESS])):
            instance.report_run_failed(run, "its process ended without a word: it was killed, or the machine stopped")
    return instance


def _dagster_home(settings: Settings) -> Path:
    """Beside the lakes, with our dagster.yaml in it; DAGSTER_HOME wins."""
    home = Path(os.environ.get("DAGSTER_HOME") or settings.lake / ".dagster").resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    except OSError as error:
        raise LakeError(f"{home}: cannot be written: {error.strerror}; next: set R2K_LAKE or DAGSTER_HOME") from error
    return home


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
