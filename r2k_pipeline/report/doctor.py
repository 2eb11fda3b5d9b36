"""Doctor: looks for what is wrong with settings, lake and warehouse, and names the next command.

Belongs here: one finding per thing examined. Not here: repairs.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.markets import MarketsError, read_markets
from r2k_pipeline.report.status import read_status
from r2k_pipeline.settings import Settings
from r2k_pipeline.warehouse import open_warehouse


@dataclass(frozen=True)
class Finding:
    """One thing examined; `detail` says what was found and, where it is not well, what to do."""

    what: str
    ok: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.what:12}{self.detail}"


def examine(settings: Settings) -> list[Finding]:
    """All findings, the good ones too."""
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    return [*_markets(settings), _holder(lake), *_files(lake), _warehouse(lake), *_fetches(settings, lake)]


def _markets(settings: Settings) -> Iterator[Finding]:
    try:
        yield Finding("markets", True, ", ".join(market.market for market in read_markets(settings.markets)))
    except MarketsError as error:
        yield Finding("markets", False, str(error))


def _holder(lake: Lake) -> Finding:
    lock = lake.root / ".lock"
    if not lock.exists():
        return Finding("lock", True, "free")
    with lock.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Finding("lock", True, f"a run is on: {stream.read() or 'unknown process'}")
    return Finding("lock", True, "free")


def _files(lake: Lake) -> Iterator[Finding]:
    if not os.access(lake.root if lake.root.exists() else lake.root.parent, os.W_OK):
        yield Finding("lake", False, f"{lake.root}: not writable; next: check owner and mode, or set R2K_LAKE")
    damaged = lake.damaged()
    for problem in damaged:
        yield Finding("lake", False, problem)
    if not damaged:
        yield Finding("lake", True, f"{lake.root}: every raw file has the content its name says")


def _warehouse(lake: Lake) -> Finding:
    try:
        with open_warehouse(lake.warehouse) as connection:
            (row,) = connection.sql("select label, generation_id, published_at from meta.generation").fetchall()
    except LakeError as error:
        return Finding("warehouse", False, str(error))
    return Finding("warehouse", True, f"{row[0]}: generation {row[1]} of {row[2]:%Y-%m-%d %H:%M:%S} UTC")


def _fetches(settings: Settings, lake: Lake) -> Iterator[Finding]:
    if not lake.warehouse.exists():
        return
    status = read_status(settings)
    for failure in status.failed:
        yield Finding("fetch", False, failure)
    if status.release and status.release.is_late:
        yield Finding("release", False, f"report {status.release.late_report_date} is late; next: r2k run")
    if status.ok:
        yield Finding("fetch", True, "every required item was there at the last run")
