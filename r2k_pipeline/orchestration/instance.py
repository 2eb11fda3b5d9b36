"""Dagster's own records: opened for one run or for the UI, and how long they are kept.

Belongs here: the instance. Not here: its folder (records.py), runs (execute.py), which are alive (launcher.py).
"""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from sqlalchemy.exc import DBAPIError

from r2k_pipeline.files import disk_error
from r2k_pipeline.orchestration.event_log import KeptEventLog
from r2k_pipeline.records import EVENTS, config_folders, home_of, not_kept
from r2k_pipeline.settings import Settings
from r2k_pipeline.shipped import shipped

CONFIG: Final = "dagster.yaml"
OUTPUT: Final = "storage"
"""Dagster's default folder of what steps printed."""


@contextmanager
def open_instance(settings: Settings, *, writes_one_run: bool = True) -> Iterator[dg.DagsterInstance]:
    """Dagster's records for these settings; raises R2kError where they cannot be kept, then or later.

    A dagster.yaml in the home is a user's: it is read and never written. Without one, that of r2k holds. A process that
    writes one run keeps its files open and copies no output, unless the file says where these go.
    """
    home = home_of(settings)
    brought = (folder for folder in config_folders(settings) if (folder / CONFIG).exists())
    config = next(brought, shipped("orchestration"))
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".opening").open("w") as turn:  # the first opening creates its tables: one process at a time
            fcntl.flock(turn, fcntl.LOCK_EX)
            overrides = _of_one_run(home, config / CONFIG) if writes_one_run else {}
            ref = InstanceRef.from_dir(str(home), config_dir=str(config), overrides=overrides)
            instance = dg.DagsterInstance.from_ref(ref)
        with instance:
            yield instance
    except (DBAPIError, sqlite3.Error) as error:
        raise not_kept(home, error.orig if isinstance(error, DBAPIError) else error) from error
    except OSError as error:
        raise disk_error(home, "cannot be written", error, "set R2K_LAKE or DAGSTER_HOME") from error


def _of_one_run(home: Path, config: Path) -> dict[str, Any]:
    """Settings of the one process that writes a run, unless dagster.yaml sets them.

    Steps write to the terminal; to keep a copy beside it, Dagster would start four processes.
    """
    said: Any = yaml.safe_load(config.read_bytes()) or {}
    own = {"compute_logs": (Unrecorded, home / OUTPUT), "event_log_storage": (KeptEventLog, home / EVENTS)}
    return {
        name: {"module": kind.__module__, "class": kind.__name__, "config": {"base_dir": str(folder)}}
        for name, (kind, folder) in own.items()
        if not {name, "storage", "instance_class"} & said.keys()
    }


class Unrecorded(LocalComputeLogManager):
    """Dagster's files of what steps printed, to which this process adds nothing; old ones can be deleted."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """The constructor that Dagster calls with its configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Leave standard output and error as they are."""
        yield CapturedLogContext(log_key)


def forget_old_runs(instance: dg.DagsterInstance, keep: int) -> None:
    """Delete the records of ended runs, except the newest `keep` and the last run of each asset."""
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
    if isinstance(log, SqlEventLogStorage):  # Dagster itself keeps the results of a deleted run's checks for ever
        with log.index_connection() as index:
            index.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))
    if isinstance(log, SqliteEventLogStorage):  # its file stays as large as it was
        for suffix in ("", "-wal", "-shm"):
            Path(log.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
