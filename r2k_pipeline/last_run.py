"""How the last run of a lake went, kept beside its tables from the moment it began: one that died has failed.

Belongs here: the file and its content. Not here: what a run does (orchestration/), how it is shown (report/status.py).
"""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from r2k_pipeline.errors import HeldError, R2kError
from r2k_pipeline.files import write_atomically
from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings

UNPUBLISHED: Final = "it ended before it published"


class LastRun(BaseModel):
    """One run: `ended_at` is null while it runs and if it died; `generation_id` is the generation it published.

    If it found nothing new, this is the last generation, and `checked_at` is the moment of the check.
    """

    model_config = ConfigDict(frozen=True)

    process: int
    started_at: datetime
    ended_at: datetime | None = None
    generation_id: str | None = None
    checked_at: datetime | None = None
    failures: tuple[str, ...] = ()

    def problem(self, *, is_on: bool, again: str) -> str | None:
        """Why it failed, in one line; None if it did not.

        `is_on`: a process has the lake's lock; `again`: the command that runs.
        """
        began = f"the run of {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
        if self.ended_at is None:
            return None if is_on else f"{began} died (process {self.process}); next: {again}"
        if not self.failures:
            return None
        others = len(self.failures) - 1
        more = f" (and {others} more line{'s' * (others > 1)})" if others else ""
        way_on = "" if "next: " in self.failures[0] else f"; next: {again}"
        return f"{began} failed: {self.failures[0]}{more}{way_on}"


def file_of(lake: Lake) -> Path:
    """The path of its file."""
    return lake.derived / "last_run.json"


def read_last_run(lake: Lake) -> LastRun | None:
    """The last run; None if none was recorded. Raises R2kError."""
    try:
        return LastRun.model_validate_json(file_of(lake).read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise R2kError(file_of(lake), "cannot be read", lake.run) from error


def begin_run(lake: Lake, moment: datetime) -> None:
    """Record that a run has begun; the caller has the lake's lock."""
    _write(lake, LastRun(process=os.getpid(), started_at=moment))


def mark_published(lake: Lake, generation_id: str) -> None:
    """Record which generation the current run published."""
    _update(lake, generation_id=generation_id)


def mark_checked(lake: Lake, generation_id: str, moment: datetime) -> None:
    """Record that the current run found nothing new at `moment`: this generation is complete."""
    _update(lake, generation_id=generation_id, checked_at=moment)


def end_run(lake: Lake, moment: datetime, failures: Iterable[str] = ()) -> None:
    """Record the end of the run, with its failures. It failed, too, if it published nothing."""
    run = read_last_run(lake)
    why = tuple(failures) or (() if run and run.generation_id else (UNPUBLISHED,))
    _update(lake, ended_at=moment, failures=why)


@contextmanager
def recording(lake: Lake, clock: Callable[[], datetime]) -> Iterator[list[str]]:
    """Record a run from its beginning to its end; the caller has the lake's lock, and adds failures to the list."""
    failures: list[str] = []
    begin_run(lake, clock())
    try:
        yield failures
    finally:
        end_run(lake, clock(), failures)


@contextmanager
def recording_refusal(settings: Settings) -> Iterator[None]:
    """Record an R2kError that keeps a run of these settings from beginning, and raise it."""
    try:
        yield
    except R2kError as error:
        record_refusal(Lake.of(settings.lake, settings.source, settings.as_of), datetime.now(UTC), (str(error),))
        raise


def record_acceptance(lake: Lake, item: str) -> None:
    """Replace the failures of the last run whose next command was `r2k accept ITEM` by the fact that it was given."""
    command = f"r2k accept {shlex.quote(item)} "
    if (run := read_last_run(lake)) and any(command in line for line in run.failures):
        left = (line for line in run.failures if command not in line)
        _write(lake, run.model_copy(update={"failures": (*left, f"{item} was accepted since")}))


def record_refusal(lake: Lake, moment: datetime, failures: tuple[str, ...]) -> None:
    """Record why a run of an existing lake could not begin, unless another run has the lock and its own record.

    Raises R2kError if the record cannot be written.
    """
    if not lake.derived.is_dir():
        return
    with suppress(HeldError), lake.lock():
        _write(lake, LastRun(process=os.getpid(), started_at=moment, ended_at=moment, failures=failures))


def _update(lake: Lake, **values: object) -> None:
    """Record these values of the run that has not ended yet, if there is one."""
    if (run := read_last_run(lake)) and run.ended_at is None:
        _write(lake, run.model_copy(update=values))


def _write(lake: Lake, run: LastRun) -> None:
    write_atomically(file_of(lake), run.model_dump_json(indent=2).encode(), lambda _: None)
