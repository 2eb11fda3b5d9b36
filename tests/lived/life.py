"""A life: days on which a vendor's answers are fetched, built, published and compared with what was published before.

Belongs here: the clock, one day, what must hold after every day and at the end. Not here: which days and events a
life has (script.py), how one run goes without Dagster (refresh.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from r2k_pipeline.lake import Lake
from r2k_pipeline.log.acceptance import accept_held, accept_restatement
from r2k_pipeline.markets import Market, read_markets
from r2k_pipeline.restatement import RESTATEMENT
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.protocol import CotSource, PriceSource, Sources
from tests.lived.generation_rows import (
    Generation,
    changes,
    copy_of_raw,
    differences,
    published_tables,
    standing_is_what_stands,
)
from tests.lived.refresh import build, fetch

NEW_YORK: Final = ZoneInfo("America/New_York")
AFTER_CLOSE, BEFORE_OPEN = "16:40", "09:00"


def new_york(day: str, time: str = AFTER_CLOSE) -> datetime:
    """A moment by New York's clock."""
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=NEW_YORK).astimezone(ZoneInfo("UTC"))


def markets_of(*names: str) -> tuple[Market, ...]:
    """Some of the shipped markets."""
    return tuple(market for market in read_markets() if market.market in names)


@dataclass
class Clock:
    """Shows what it is set to."""

    moment: datetime

    def __call__(self) -> datetime:
        """Now."""
        return self.moment


@dataclass(frozen=True)
class LivedRun(Run):
    """A run over sources that were given to it."""

    desk: tuple[PriceSource, CotSource] | None = None

    @property
    def sources(self) -> Sources:  # type: ignore[override]
        """Those given, else those that the settings say."""
        return Sources(*self.desk) if self.desk else super().sources


@dataclass(frozen=True)
class Day:
    """How one run went: what failed, by name, and which published rows changed."""

    moment: datetime
    failed: list[str]
    changed: list[str]


@dataclass
class Life:
    """A lake that is run day by day; `last` is what it last published, `accepted` the moments of its restatements."""

    settings: Settings
    markets: tuple[Market, ...]
    clock: Clock
    before: Callable[[datetime], None] = lambda _: None
    """What the vendors do before a run of that moment."""
    desk: tuple[PriceSource, CotSource] | None = None
    last: Generation | None = None
    accepted: list[datetime] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        """Where it lives."""
        return Lake.of(self.settings.lake, self.settings.source)

    def run(self, lake: Lake | None = None) -> LivedRun:
        """A run as of the clock."""
        return LivedRun(self.settings, lake or self.lake, self.markets, self.clock, desk=self.desk)

    def day(self, moment: datetime) -> Day:
        """One run: what failed, and how it differs from the generation before."""
        self.clock.moment = moment
        self.before(moment)
        run = self.run()
        return Day(moment, [*fetch(run), *build(run)], self._compared())

    def accept(self, item: str, moment: datetime) -> str:
        """`r2k accept ITEM`."""
        self.clock.moment = moment
        if item == RESTATEMENT:
            self.accepted.append(moment)
            return accept_restatement(self.run())
        return accept_held(self.run(), item)

    def _compared(self) -> list[str]:
        """How the newest generation differs from the one before; nothing where none was published."""
        now = Generation.of(self.lake)
        if self.last is None or now.as_of == self.last.as_of:
            self.last = now
            return []
        restated = any(self.last.as_of < moment <= now.as_of for moment in self.accepted)
        changed = [] if restated else changes(self.last, now)
        self.last = now
        return changed + standing_is_what_stands(now)

    def rebuilt(self, folder: Path) -> list[str]:
        """What a fresh lake built from the same raw log has otherwise."""
        copy = copy_of_raw(self.lake, folder)
        run = replace(self.run(copy), settings=self.settings.model_copy(update={"lake": folder}))
        failed = build(run)
        return [*failed, *differences(published_tables(self.lake), published_tables(copy))]
