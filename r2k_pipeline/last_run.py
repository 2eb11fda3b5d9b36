"""How the last run of a lake went, kept beside its tables from the moment it began: one that died has failed.

Belongs here: the file and what it says. Not here: what a run does (orchestration/), how it is shown (report/status.py).
"""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from r2k_pipeline.errors import HeldError, LakeError
from r2k_pipeline.files import write_atomically
from r2k_pipeline.lake import Lake

UNPUBLISHED: Final = "it ended before it published"


class LastRun(BaseModel):
    """One run: `ended_at` is null while it goes on, and for ever if it died; `generation_id` is what it published.

    If it found nothing new, that is the generation before, and `checked_at` the moment of which that is true.
    """

    model_config = ConfigDict(frozen=True)

    process: int
    started_at: datetime
    ended_at: datetime | None = None
    generation_id: str | None = None
    checked_at: datetime | None = None
    failures: tuple[str, ...] = ()

    def problem(self, *, is_on: bool) -> str | None:
        """Why it counts as failed, in one line; None if it does not. `is_on`: a process holds the lake's lock."""
        began = f"the run of {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
        if self.ended_at is None:
            return None if is_on else f"{began} died (process {self.process}); next: r2k run"
        if not self.failures:
            return None
        more = f" (and {len(self.failures) - 1} more lines)" if len(self.failures) > 1 else ""
        return f"{began} failed: {self.failures[0]}{more}"


def file_of(lake: Lake) -> Path:
    """Where it is kept."""
    return lake.derived / "last_run.json"


def read_last_run(lake: Lake) -> LastRun | None:
    """How the last run went; None where none was recorded. Raises LakeError."""
    try:
        return LastRun.model_validate_json(file_of(lake).read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise LakeError(f"{file_of(lake)}: cannot be read; next: r2k run") from error


def begin_run(lake: Lake, moment: datetime) -> None:
    """A run has begun; the caller holds the lake's lock."""
    _write(lake, LastRun(process=os.getpid(), started_at=moment))


def mark_published(lake: Lake, generation_id: str) -> None:
    """The run that goes on published this generation."""
    if (run := read_last_run(lake)) and run.ended_at is None:
        _write(lake, run.model_copy(update={"generation_id": generation_id}))


def mark_checked(lake: Lake, generation_id: str, moment: datetime) -> None:
    """The run that goes on found at `moment` that this generation has all there is."""
    if (run := read_last_run(lake)) and run.ended_at is None:
        _write(lake, run.model_copy(update={"generation_id": generation_id, "checked_at": moment}))


def end_run(lake: Lake, moment: datetime) -> None:
    """The run has ended; that it published is its success, unless `tell_failures` says more."""
    if (run := read_last_run(lake)) and run.ended_at is None:
        failures = () if run.generation_id else (UNPUBLISHED,)
        _write(lake, run.model_copy(update={"ended_at": moment, "failures": failures}))


def tell_failures(lake: Lake, failures: tuple[str, ...]) -> None:
    """What failed in this process's run, if it is still the last one."""
    if failures and (run := read_last_run(lake)) and run.process == os.getpid():
        _write(lake, run.model_copy(update={"failures": failures}))


def tell_refused(lake: Lake, moment: datetime, failures: tuple[str, ...]) -> None:
    """Why a run of an existing lake could not begin; not where it had to give way to another run, which tells its own.

    Raises LakeError where it cannot be written.
    """
    if not lake.derived.is_dir():
        return
    with suppress(HeldError), lake.lock():
        _write(lake, LastRun(process=os.getpid(), started_at=moment, ended_at=moment, failures=failures))


def _write(lake: Lake, run: LastRun) -> None:
    write_atomically(file_of(lake), run.model_dump_json(indent=2).encode(), lambda _: None)
