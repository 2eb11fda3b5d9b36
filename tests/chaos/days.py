"""The days that a campaign lives: one market's files of each day, and one run without Dagster.

Belongs here: what a run is given, its steps in the order of r2k's own. Not here: what happens to it (server.py), what
must hold afterwards (judge.py).
"""

from datetime import date, datetime
from pathlib import Path
from typing import Final

from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import begin_run, end_run
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from tests.lived.events import Broken, Dividend, Doubled, Revised
from tests.lived.life import BEFORE_OPEN, markets_of, new_york
from tests.lived.refresh import build, fetch
from tests.lived.vendor import Truth, Vendor

MARKETS: Final = markets_of("RUT")
SINCE, LAST = date(2024, 1, 2), date(2025, 4, 30)
DAYS: Final = ("2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06", "2025-03-07", "2025-03-10", "2025-03-11")
KEPT: Final = 2
"""Generations: old ones are removed within the days."""
EVENTS: Final = (
    # A row that is refused until it is repaired, one that comes twice, an old one that is revised, a dividend.
    Broken(new_york("2025-03-05"), new_york("2025-03-07", BEFORE_OPEN), day="2025-03-05", symbol="^RUT"),
    Doubled(new_york("2025-03-06"), new_york("2025-03-07", BEFORE_OPEN), day="2025-03-06", symbol="IWM"),
    Revised(new_york("2025-03-10"), day="2025-01-15", symbol="^RUT"),
    Dividend(new_york("2025-03-10", BEFORE_OPEN), symbol="IWM", day="2025-03-10"),
)


def save_vendor(folder: Path, days: tuple[str, ...] = DAYS) -> None:
    """A folder of vendors' files for each day."""
    vendor = Vendor(Truth.of_sample(MARKETS, SINCE, LAST), EVENTS)
    for day in days:
        vendor.save(folder / day, new_york(day))


def settings_of(files: Path, lakes: Path) -> Settings:
    """Raw files are merged within the days."""
    return Settings(source="files", files=files, lake=lakes, raw_files_before_compaction=3, keep_generations=KEPT)


def lake_of(lakes: Path) -> Lake:
    """The lake of `settings_of`."""
    return Lake.of(lakes, "files")


def run_day(settings: Settings, moment: datetime, *, builds: bool = True) -> list[str]:
    """One run by a clock that stands still; what failed. Raises R2kError."""
    run = Run(settings, lake_of(settings.lake), MARKETS, lambda: moment)
    with run.lake.lock():
        begin(run)
        begin_run(run.lake, moment)
        try:
            return [*fetch(run), *(build(run) if builds else ())]
        finally:
            end_run(run.lake, moment)
