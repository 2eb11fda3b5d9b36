"""A month of bad days, as they were seen of real vendors, each by its date; the life of tests/lived/test_life.py.

Belongs here: the events, the runs, what each run must name as failed. Not here: what must hold after a run.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from r2k_pipeline.errors import R2kError
from r2k_pipeline.restatement import RESTATEMENT
from tests.lived.events import (
    Broken,
    Dividend,
    Doubled,
    Event,
    Missing,
    MissingReport,
    Revised,
    RevisedReport,
    Split,
    Stopped,
)
from tests.lived.life import BEFORE_OPEN, Day, Life, new_york

FIRST, LAST = date(2022, 6, 1), date(2025, 4, 30)
"""The days of history that the vendors have."""
NOON: Final = "12:00"


@dataclass(frozen=True)
class RunOf:
    """One run: when, what of it may fail (patterns, each of which must be named), what is accepted before it."""

    moment: datetime
    fails: tuple[str, ...] = ()
    accept: str | None = None

    def complaints(self, day: Day) -> list[str]:
        """What of this run was not to be: failures, failures that were not named, published rows that changed."""
        failed = [line for line in day.failed if not any(re.search(pattern, line) for pattern in self.fails)]
        unnamed = [p for p in self.fails if not any(re.search(p, line) for line in day.failed)]
        said = [*failed, *(f"not named: {pattern}" for pattern in unnamed), *day.changed]
        return [f"{self.moment:%m-%d %H:%M} {line}" for line in said]


def _until(day: str, time: str = NOON) -> datetime:
    return new_york(day, time)


EVENTS: Final[tuple[Event, ...]] = (
    # A session that is missing for all symbols and comes two days later.
    Missing(_until("2025-03-04"), _until("2025-03-06"), day="2025-03-04"),
    # A row that is none until it is repaired.
    Broken(_until("2025-03-05"), _until("2025-03-07"), day="2025-03-05", symbol="^RUT"),
    # The newest row twice.
    Doubled(_until("2025-03-06"), _until("2025-03-07"), day="2025-03-06", symbol="SPY"),
    # A file that ends a session early until after the weekend: the session is news that comes late.
    Missing(_until("2025-03-07"), _until("2025-03-10"), day="2025-03-07", symbol="^GSPC"),
    # A report that comes three days late, as a file.
    MissingReport(_until("2025-03-07"), _until("2025-03-10"), day=date(2025, 3, 4)),
    # An old bar is revised.
    Revised(_until("2025-03-10"), day="2025-01-15", symbol="^RUT"),
    # A fund that stops for two sessions, which come after the sessions of the index.
    Stopped(_until("2025-03-12"), _until("2025-03-17", BEFORE_OPEN), symbol="IWM", day="2025-03-12"),
    Dividend(_until("2025-03-13"), symbol="IWM", day="2025-03-13"),
    # A fund's split: its whole history is another.
    Split(_until("2025-03-17", BEFORE_OPEN), symbol="SPY", day="2025-03-17"),
    # A report's row that goes and comes back, and one that is revised.
    MissingReport(_until("2025-03-17"), _until("2025-03-18"), day=date(2025, 2, 25), code="239742"),
    RevisedReport(_until("2025-03-18"), day=date(2025, 2, 18), code="13874A"),
)
RUNS: Final = (
    RunOf(new_york("2025-03-03")),
    RunOf(new_york("2025-03-05")),
    RunOf(new_york("2025-03-06")),
    RunOf(new_york("2025-03-07")),
    RunOf(
        new_york("2025-03-10"),
        fails=(rf"^{RESTATEMENT}: .*late row: raw.cot_reports .* of 2025-03-04 to 2025-03-04",),
    ),
    RunOf(new_york("2025-03-10", "16:50"), accept=RESTATEMENT),
    # No run on the days from the 11th to the 16th.
    RunOf(new_york("2025-03-17"), fails=("r2k accept SPY",)),
    RunOf(new_york("2025-03-18"), accept="SPY"),
)


def lived(life: Life, runs: Iterable[RunOf]) -> list[str]:
    """All complaints about a life: of every run, and of its end against a rebuild from the raw log alone."""
    said = []
    for run in runs:
        try:
            if run.accept:
                life.accept(run.accept, run.moment)
        except R2kError as error:
            said.append(f"{run.moment:%m-%d %H:%M} {error}")
        said += run.complaints(life.day(run.moment))
    rebuilt = life.rebuilt(life.settings.lake.with_name("rebuilt"))
    return said + [f"rebuilt: {line}" for line in rebuilt]
