"""Processes of their own, for what is killed, stopped or bounded: forked from one that has imported the program.

Belongs here: starting them, how they ended and what they said. Not here: what they do.
"""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from r2k_pipeline.cli import main

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["r2k_pipeline.definitions", "r2k_pipeline.orchestration.execute", "pytest"])
"""To import these takes two seconds: it is done once, not in each process."""


class Forked:
    """A process that was started, as `forked` gives it."""

    def __init__(self, target: Callable[..., object], arguments: tuple[object, ...], folder: Path) -> None:
        self._said = tuple(folder / name for name in ("stdout", "stderr"))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
        self._process = FORKS.Process(target=_begin, args=(self._said, clean, target, arguments))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the number of the signal that ended it, None while it goes on."""
        return self._process.exitcode

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def end_by(self, number: signal.Signals, timeout: float) -> int | None:
        """Send it a signal: its exit code, None if it goes on for longer than `timeout` seconds."""
        os.kill(self.pid, number)
        self._process.join(timeout)
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end: standard output and standard error."""
        self._process.join(timeout)
        assert self.returncode is not None, f"did not end within {timeout} s: {self.said()}"
        return self.said()

    def said(self) -> tuple[str, str]:
        """Standard output and standard error so far."""
        out, err = (file.read_text() if file.exists() else "" for file in self._said)
        return out, err

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._process.close()


@contextmanager
def forked(target: Callable[..., object], *arguments: object) -> Iterator[Forked]:
    """A process that calls `target`, a function of a module, without the user's settings; in the end it is killed."""
    with TemporaryDirectory() as folder:
        process = Forked(target, arguments, Path(folder))
        try:
            yield process
        finally:
            process.close()


def command_line(*arguments: str) -> None:
    """What such a process does as `r2k ARGUMENTS`."""
    main(list(arguments), prog_name="r2k")


def command_line_in(home: str, *arguments: str) -> None:
    """The same with `home` as Dagster's, and as the folder it is called from."""
    os.chdir(home)
    os.environ["DAGSTER_HOME"] = home
    command_line(*arguments)


def _begin(
    said: tuple[Path, ...], environment: dict[str, str], target: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    for number, file in enumerate(said, start=1):
        with file.open("wb") as stream:
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Modes of files count in this thread, also for root."""
    before = _effective()
    _set_effective(0)
    try:
        yield
    finally:
        _set_effective(before)


class _Header(ctypes.Structure):
    """Of capget(2) and capset(2), in its third version, for this thread."""

    _fields_: ClassVar = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def _capabilities() -> "tuple[_Header, ctypes.Array[ctypes.c_uint32]]":
    header, sets = _Header(0x20080522, 0), (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert ctypes.CDLL(None).capget(ctypes.byref(header), sets) == 0
    return header, sets


def _effective() -> int:
    return _capabilities()[1][0]


def _set_effective(effective: int) -> None:
    header, sets = _capabilities()
    sets[0] = effective
    assert ctypes.CDLL(None).capset(ctypes.byref(header), sets) == 0
