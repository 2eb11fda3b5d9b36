"""The lock of a lake: one run at a time, by an OS lock that dies with its process.

Belongs here: taking it, who has it. Not here: what a run sweeps up when it has it (lake.py).
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from r2k_pipeline.errors import HeldError
from r2k_pipeline.files import disk_error

LOCK: Final = ".lock"
LOOK_SECONDS: Final = 0.3
"""A process that only tests the lock holds it for an instant: a run waits this long before it reports another run."""


@contextmanager
def run_lock(root: Path, wait_seconds: float, run_id: str) -> Iterator[None]:
    """Hold the lake in `root`; raises R2kError where it cannot be written, HeldError with the process that holds it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise disk_error(root, "cannot be written", error, "set R2K_LAKE") from error
    try:
        _acquire(descriptor, wait_seconds, root)
        os.ftruncate(descriptor, 0)
        holder = f"process {os.getpid()}" + (f"\nrun {run_id}" if run_id else "")
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_holder(root: Path) -> str | None:
    """The process and run that hold the lake in `root` now; None if none does."""
    try:
        stream = (root / LOCK).open()
    except FileNotFoundError:
        return None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return stream.read() or "another process"
    return None


def _acquire(descriptor: int, wait_seconds: float, root: Path) -> None:
    deadline = time.monotonic() + max(wait_seconds, LOOK_SECONDS)
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 100, 0).decode().partition("\n")[0] or "another process"
                raise HeldError(
                    root, f"another run holds this lake ({holder})", "wait for it, or set R2K_LOCK_WAIT_SECONDS"
                ) from None
            time.sleep(0.1)
