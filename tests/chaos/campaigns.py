"""The campaigns: runs that are killed or whose disk fails, each judged, each followed by a clean run that is judged.

Belongs here: the order of faults and judgements, and what is counted. Not here: readers beside a writer (readers.py).
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.days import DAYS, KEPT, lake_of, save_vendor
from tests.chaos.disk import KILLS, Strike
from tests.chaos.judge import Expected, reader_complaints, settled_complaints
from tests.chaos.server import End, Order, Server

FAULTS = ("kill at a random moment", "kill at an operation", "failing operation")
MOST_IN_A_ROW = 8
"""Faults before a clean run: what one killed run left, the next one may be killed over."""
FETCHES_ONLY = 0.6
"""Of the disturbed runs, those that end with the fetch: raw data is what a kill could lose."""
UNDISTURBED = Strike()


@dataclass
class Campaign:
    """A lake that lives DAYS again and again beside an undisturbed one; `found` is what must not be."""

    server: Server
    folder: Path
    random: Random
    counts: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    usual: dict[tuple[str, bool], End] = field(default_factory=dict)
    seconds: dict[bool, float] = field(default_factory=dict)

    def prepare(self, days: tuple[str, ...] = DAYS) -> None:
        """Save the vendors' files and let the undisturbed lake live the days; the first is where every life begins."""
        save_vendor(self.folder / "vendor", days)
        (self.folder / "begin").mkdir()
        lakes = self.begin_again("undisturbed")
        for day in days:
            shutil.copytree(lakes, self.folder / "only", symlinks=True)
            self._measure("only", day, builds=False)
            shutil.rmtree(self.folder / "only")
            self._measure("undisturbed", day, builds=True)
            self.expected.append(Expected.of(lake_of(lakes)))
            if day == days[0]:
                shutil.copytree(lakes, self.folder / "begin", symlinks=True, dirs_exist_ok=True)

    def _measure(self, lakes: str, day: str, *, builds: bool) -> None:
        """How many operations a run does, and in which time."""
        began = time.monotonic()
        end = self._run(lakes, day, builds=builds)
        assert end.code == 0, "\n".join(end.lines)
        self.usual[day, builds], self.seconds[builds] = end, time.monotonic() - began

    def live(self, ends_at: float, days: tuple[str, ...] = DAYS) -> None:
        """One life of a copy: faults on every day after the first, until the time is up."""
        self.begin_again("lived")
        for place, day in enumerate(days[1:], start=1):
            for _ in range(self.random.randint(1, MOST_IN_A_ROW)):
                if time.monotonic() > ends_at:
                    return
                self._disturb(place, day)
            if not self._settle(place, day):
                return

    def begin_again(self, name: str) -> Path:
        """A copy of the lakes as they were after the first day."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return shutil.copytree(self.folder / "begin", self.folder / name, symlinks=True)

    def publish(self, lakes: str, day: str) -> None:
        """An undisturbed run."""
        end = self._run(lakes, day)
        self._complain(f"{day}: an undisturbed run", list(end.lines))

    def whole(self, tables: tuple[str, ...]) -> set[tuple[str, ...]]:
        """What a reader of `tables` may see: the id of a generation, and the rows of each in that one."""
        return {(day.generation_id, *(str(day.tables[name].height) for name in tables)) for day in self.expected}

    def _run(
        self, lakes: str, day: str, strike: Strike = UNDISTURBED, after: float | None = None, *, builds: bool = True
    ) -> End:
        files, into = self.folder / "vendor" / day, self.folder / lakes
        return self.server.run(Order(day, str(files), str(into), strike, builds), after)

    def _disturb(self, place: int, day: str) -> None:
        kind, strike, after = self.random.choices(FAULTS, (3, 5, 2))[0], UNDISTURBED, None
        builds = self.random.random() > FETCHES_ONLY
        usual = self.usual[day, builds].counts
        match kind:
            case "kill at a random moment":
                after = self.random.uniform(0, self.seconds[builds])
            case "kill at an operation":
                strike = Strike.kill(self.random, usual)
            case _:
                strike = Strike.fail(self.random, usual)
        end = self._run("lived", day, strike, after, builds=builds)
        said = f"{day}{'' if builds else ', fetch only'}: {kind} ({strike if after is None else f'{after:.2f} s'})"
        self.counts[kind if end.was_killed or (strike.mode not in KILLS and after is None) else "ended before"] += 1
        if end.code == 3:
            self._complain(said, [*end.lines[-1:], *end.lines])
        allowed = self.expected[place - 1 : place + 1]
        self._complain(said, reader_complaints(lake_of(self.folder / "lived"), allowed))

    def _settle(self, place: int, day: str) -> bool:
        """The clean run; whether the life may go on."""
        end = self._run("lived", day)
        self.counts["clean run"] += 1
        expected = self.expected[place]
        lake = lake_of(self.folder / "lived")
        complaints = [*end.lines, *([] if end.code == 0 else [f"exit {end.code}"])]
        complaints += settled_complaints(lake, expected, KEPT)
        if not complaints and Expected.of(lake).generation_id == expected.generation_id:
            self.counts["same generation_id"] += 1
        self._complain(f"{day}: the clean run", complaints)
        return not complaints

    def _complain(self, of: str, lines: list[str]) -> None:
        self.found += [f"{of}: {line}" for line in lines]

    def told(self) -> Iterator[str]:
        """What was done, a line each."""
        for name, count in sorted(self.counts.items()):
            yield f"{name}: {count}"
