"""Dagster's records as files: where they are, and whether they are sound.

Belongs here: their place and their faults, found without Dagster. Not here: writing them (orchestration/instance.py).
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import disk_error, try_to_write
from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings

EVENTS: Final = "history/runs"
"""Dagster's default folder of the event log."""
_NEXT: Final = {
    "SQLITE_FULL": "free space on that disk",
    "SQLITE_IOERR": "check the disk",
    "SQLITE_BUSY": "end the process that has it open",
    "SQLITE_LOCKED": "end the process that has it open",
    "SQLITE_READONLY": "check owner and mode",
    "SQLITE_CANTOPEN": "check owner, mode and disk",
}


def home_of(settings: Settings) -> Path:
    """Dagster's home: the source's own folder in DAGSTER_HOME where a user set it, else a folder of the source's lake.

    All sources have the same assets: in one home Dagster would take the sample's for the newest live ones. For the
    same reason a replay always has its own home, also if DAGSTER_HOME is set.
    """
    if brought := _brought(settings):
        return brought / settings.source
    return Lake.of(settings.lake, settings.source, settings.as_of).derived / ".dagster"


def config_folders(settings: Settings) -> tuple[Path, ...]:
    """Where a user's dagster.yaml may be, the nearest first; one in DAGSTER_HOME itself is for all sources."""
    return tuple(filter(None, (home_of(settings), _brought(settings))))


def _brought(settings: Settings) -> Path | None:
    """DAGSTER_HOME, if it is set and this is not a replay."""
    brought = os.environ.get("DAGSTER_HOME")
    return Path(brought).absolute() if brought and settings.as_of is None else None


def not_kept(home: Path, error: BaseException | None) -> R2kError:
    """SQLite's error, and what to do. A damaged file may be removed: it records runs and has no data.

    Where the disk takes no file, SQLite's words for it are vague: then the system's are added.
    """
    refused = f"Dagster's records cannot be kept: {error}"
    if isinstance(error, sqlite3.OperationalError) and home.is_dir():
        try:
            try_to_write(home)
        except OSError as why:
            return disk_error(home, refused, why)
    kind = getattr(error, "sqlite_errorname", "")
    remedies = (remedy for name, remedy in _NEXT.items() if kind.startswith(name))
    remedy = next(remedies, f"remove {home}: it has no data")
    return R2kError(home, refused, remedy)


def examine_records(home: Path) -> str | None:
    """The first fault of the records, in one line; None if there is none, or no records yet."""
    for file in sorted([*home.glob("history/*.db"), *home.glob(f"{EVENTS}/index.db"), *home.glob("schedules/*.db")]):
        try:
            connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1)
            try:
                (result,) = connection.execute("pragma quick_check(1)").fetchone()
            finally:
                connection.close()
            if result != "ok":
                raise sqlite3.DatabaseError(result)
        except sqlite3.Error as error:
            return f"{file.name}: {not_kept(home, error)}"
    return None
