"""Dagster's own records: the folder they are in, what may be wrong with it, and how long they are kept.

Belongs here: the instance and its home. Not here: runs (execute.py), which of them are alive (launcher.py), the lakes.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy.exc import DBAPIError

from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.orchestration.event_log import KeptEventLog
from r2k_pipeline.settings import PROJECT, Settings

CONFIG: Final = "dagster.yaml"
_LOG: Final = "history/runs"
"""Where Dagster keeps its event log in its home unless it is told otherwise: the UI looks there."""
_NEXT: Final = {
    "SQLITE_FULL": "free space on that disk",
    "SQLITE_IOERR": "check the disk",
    "SQLITE_BUSY": "end the process that has it open",
    "SQLITE_LOCKED": "end the process that has it open",
    "SQLITE_READONLY": "check owner and mode",
    "SQLITE_CANTOPEN": "check owner, mode and disk",
}


def home_of(settings: Settings) -> Path:
    """Dagster's home: DAGSTER_HOME where a user set it, else a folder of the source's lake.

    A replay's is in its own folder whatever is set: Dagster must not take its tables for the newest ones.
    """
    brought = os.environ.get("DAGSTER_HOME")
    if brought and settings.as_of is None:
        return Path(brought).absolute()
    return Lake.of(settings.lake, settings.source, settings.as_of).derived / ".dagster"


@contextmanager
def open_instance(settings: Settings, *, writes_one_run: bool = True) -> Iterator[dg.DagsterInstance]:
    """Dagster's records for these settings; raises LakeError where they cannot be kept, then or later.

    A dagster.yaml in the home is a user's: it is read and never written. Without one, that of r2k holds.
    """
    home = home_of(settings)
    with _kept_in(home), _opened(home, writes_one_run) as instance:
        yield instance


@contextmanager
def _opened(home: Path, writes_one_run: bool) -> Iterator[dg.DagsterInstance]:
    """The instance; those that open it for the first time take turns, as they make its tables."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".opening").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.from_ref(_ref(home, writes_one_run))
    with instance:
        yield instance


def _ref(home: Path, writes_one_run: bool) -> InstanceRef:
    if (home / CONFIG).exists():
        return InstanceRef.from_dir(str(home))
    log = {"module": KeptEventLog.__module__, "class": KeptEventLog.__name__, "config": {"base_dir": str(home / _LOG)}}
    overrides = {"event_log_storage": log} if writes_one_run else {}
    return InstanceRef.from_dir(str(home), config_dir=str(PROJECT), overrides=overrides)


@contextmanager
def _kept_in(home: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise LakeError(f"{home}: Dagster's records cannot be kept: {_reason(home, error)}") from error
    except OSError as error:
        raise LakeError(f"{home}: cannot be written: {error.strerror}; next: set R2K_LAKE or DAGSTER_HOME") from error


def _reason(home: Path, error: DBAPIError | sqlite3.Error) -> str:
    """What SQLite says and what to do; a damaged file is taken away, as it holds what runs did and no data."""
    original = error.orig if isinstance(error, DBAPIError) else error
    kind = getattr(original, "sqlite_errorname", "")
    remedies = (remedy for name, remedy in _NEXT.items() if kind.startswith(name))
    return f"{original}; next: {next(remedies, f'take away {home}: no data is in it')}"


def examine_records(settings: Settings) -> str | None:
    """What is wrong with Dagster's records, in one line; None where nothing is, or where there are none yet."""
    home = home_of(settings)
    for file in (*home.glob("history/*.db"), home / _LOG / "index.db", *home.glob("schedules/*.db")):
        if not file.exists():
            continue
        try:
            with _kept_in(home):
                connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)
                try:
                    (said,) = connection.execute("pragma quick_check(1)").fetchone()
                finally:
                    connection.close()
        except LakeError as error:
            return f"{file.name}: {error}"
        if said != "ok":
            return f"{file}: damaged: {said}; next: take away {home}: no data is in it"
    return None


def forget_old_runs(instance: dg.DagsterInstance, keep: int) -> None:
    """Delete what is recorded of ended runs, but of the newest `keep` and of those that an asset was last made in."""
    old = instance.get_runs(dg.RunsFilter(statuses=FINISHED_STATUSES))[keep:]
    if not old:
        return
    last = instance.get_latest_materialization_events(instance.all_asset_keys()).values()
    needed = {event.run_id for event in last if event is not None}
    for run in old:
        if run.run_id not in needed:
            _forget(instance, run.run_id)


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    log = instance.event_log_storage
    if isinstance(log, SqliteEventLogStorage):  # its file stays as large as it was
        for suffix in ("", "-wal", "-shm"):
            Path(log.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
