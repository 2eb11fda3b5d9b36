"""A year lived day by day against its day 2, a bulk build and a rebuild: `benchmarks/lived.py [REAL [DAYS [every]]]`.

Belongs here: CPU and wall seconds of the features' steps, kernels loaded, and the peak memory of whole runs, each in a
process of its own. By default ../shared/real and 250 sessions, of which only days 1, 2 and the last two build tables;
`every` builds them on every day. Not here: what a vendor does (tests/lived), Dagster's own part of a run (run.py).
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.__main__ import use_one_polars_thread  # noqa: E402

use_one_polars_thread()  # as the program does

from run import REAL, Cost, measure  # noqa: E402

from r2k_pipeline.build import Outcome  # noqa: E402
from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.markets import read_markets  # noqa: E402
from r2k_pipeline.settings import Settings  # noqa: E402
from tests.lived.events import Event, Missing, Revised, Split  # noqa: E402
from tests.lived.generation_rows import copy_of_raw, differences, published_tables  # noqa: E402
from tests.lived.life import Clock, Life, new_york  # noqa: E402
from tests.lived.refresh import build, fetch  # noqa: E402
from tests.lived.vendor import Desk, Truth, Vendor, session_moments  # noqa: E402

FIRST, LAST = date(1927, 1, 1), date(2025, 12, 31)
LATE_SESSIONS, LATE_BY = 10, 2
FEATURES: Final = "features.json"
SPLITS: Final = ("SPY", "IWM")
REVISED: Final = ("^RUT", "^GSPC", "^NDX", "^DJI")
TARGETS: Final = {
    "features' CPU, last day / day 2": 1.2,
    "features' CPU, last day / bulk": 0.5,
    "peak memory, last day / day 2": 1.1,
    "features' CPU, rebuild / bulk": 3.0,
    "peak memory of the rebuild, GiB": 1.0,
}
"""None is to be above its number."""


@dataclass(frozen=True)
class Year:
    """The `count` last sessions of a folder of real files, with what happens on them."""

    files: Path
    count: int

    @cached_property
    def days(self) -> list[str]:
        """The sessions that are lived, and before them the one up to which history is loaded at once."""
        known = [day for day in session_moments(LAST) if day <= LAST.isoformat()]
        return known[-self.count :]

    def place(self, part: float) -> int:
        """A day by its share of the year; never one of the first two or the last two, which are measured."""
        return min(max(2, round(part * self.count)), self.count - 2)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Late sessions, splits and revisions, spread over the year."""
        found: list[Event] = []
        for n in range(LATE_SESSIONS):
            at = min(self.place((n + 0.5) / LATE_SESSIONS), self.count - 2 - LATE_BY)
            there = new_york(self.days[at + LATE_BY], "12:00")
            found.append(Missing(new_york(self.days[at], "12:00"), there, day=self.days[at]))
        for n, symbol in enumerate(SPLITS):
            day = self.days[self.place((n + 1) / (len(SPLITS) + 1))]
            found.append(Split(new_york(day, "09:00"), symbol=symbol, day=day))
        for n, symbol in enumerate(REVISED):
            day = self.days[self.place((n + 0.8) / len(REVISED))]
            found.append(Revised(new_york(day, "12:00"), day=f"2024-0{n + 2}-15", symbol=symbol))
        return tuple(found)

    def vendor(self) -> Vendor:
        """The vendors of all its days."""
        return Vendor(Truth.of_folder(self.files, read_markets(), FIRST, LAST), self.events)


@dataclass(frozen=True)
class Steps:
    """What the features' steps of one run took: CPU and wall seconds; peak memory of the whole run in MiB."""

    wall: float
    cpu: float
    peak: float


class Bench:
    """Runs parts of a year in processes of their own, on lakes in a scratch folder."""

    def __init__(self, year: Year, scratch: Path) -> None:
        self._year, self._scratch = year, scratch

    def do(self, part: str, lake: str, first: int, last: int | None = None) -> Cost:
        """One of PARTS on the lake, for the days of these places."""
        year, days = self._year, (first, first if last is None else last)
        arguments = [part, year.files, year.count, self._scratch, lake, *days]
        command = [sys.executable, __file__, "--part", *map(str, arguments)]
        return measure(command, self._scratch / "home", self._scratch)

    def measured(self, part: str, lake: str, day: int) -> Steps:
        """The same, with what the features' steps took."""
        cost = self.do(part, lake, day)
        return Steps(*json.loads((self._scratch / FEATURES).read_text()), cost.peak)


def save(life: Life, vendor: Vendor, days: Sequence[datetime]) -> None:
    """Write the files that the vendors have on the day: no part of the run that is measured."""
    for moment in days:
        vendor.save(life.settings.files, moment)


def live(life: Life, vendor: Vendor, days: Sequence[datetime]) -> None:
    """Fetch on each day, accept what is held with the next one; no tables."""
    for moment in days:
        for item in {item for _, item in life.lake.held()}:
            life.accept(item, moment)
        save(life, vendor, [moment])
        life.clock.moment = moment
        fetch(life.run())


def live_every(life: Life, vendor: Vendor, days: Sequence[datetime]) -> None:
    """The same, with all tables on each day."""
    for moment in days:
        live(life, vendor, [moment])
        build_tables(life)


def load_kernels() -> None:
    """Build a small lake: to load numba and its machine code takes a second, which is no part of a table."""
    markets, clock = read_markets()[:2], Clock(new_york("2024-06-03"))
    desk = Desk(Vendor(Truth.of_sample(markets, date(2022, 1, 3), date(2024, 6, 3)), ()), clock)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Settings(source="live", lake=Path(folder)), markets, clock, desk=(desk, desk))
        fetch(life.run())
        if failed := build(life.run()):
            sys.exit("\n".join(failed))


def run_day(life: Life) -> None:
    """One run on the files that are there."""
    fetch(life.run())
    build_tables(life)


def build_tables(life: Life) -> None:
    """All tables from what raw holds."""
    spent: dict[str, Outcome] = {}
    if failed := build(life.run(), spent):
        sys.exit("\n".join(failed))
    features = [seconds for name, seconds in spent.items() if name.startswith("features.")]
    Path(FEATURES).write_text(json.dumps([sum(s.seconds for s in features), sum(s.cpu_seconds for s in features)]))


def run_part(part: str, files: str, count: str, scratch: str, lake: str, first: str, last: str) -> None:
    """What a process of Bench does; one that is measured does not hold what the vendors will say later."""
    year, folder = Year(Path(files), int(count)), Path(scratch)
    days = [new_york(day) for day in year.days[int(first) : int(last) + 1]]
    settings = Settings(source="files", files=folder / "files", lake=folder / lake)
    life = Life(settings, read_markets(), Clock(days[-1]))
    if part in FEEDING:
        FEEDING[part](life, year.vendor(), days)
    else:
        load_kernels()
        MEASURED[part](life)


FEEDING: Final = {part.__name__: part for part in (save, live, live_every)}
MEASURED: Final = {part.__name__: part for part in (run_day, build_tables)}


def lived(bench: Bench, scratch: Path, count: int, between: str) -> dict[str, Steps]:
    """The four measurements; ends the benchmark where the life is not what a rebuild of its raw log gives."""
    last = count - 1
    bench.do("save", "life", 0)
    bench.do("run_day", "life", 0)
    bench.do("save", "life", 1)
    steps = {"day 2": bench.measured("run_day", "life", 1)}
    bench.do(between, "life", 2, last - 1)
    bench.do("build_tables", "life", last - 1)
    bench.do("save", "life", last)
    steps[f"day {count}"] = bench.measured("run_day", "life", last)
    steps["bulk"] = bench.measured("run_day", "bulk", last)
    life = Lake.of(scratch / "life", "files")
    rebuilt = copy_of_raw(life, scratch / "rebuild")
    steps["rebuild"] = bench.measured("build_tables", "rebuild", last)
    if different := differences(published_tables(life), published_tables(rebuilt)):
        sys.exit("\n".join(["the life and its rebuild differ:", *different]))
    return steps


def ratios(steps: dict[str, Steps]) -> dict[str, float]:
    """The numbers that have a target."""
    second, newest, bulk, rebuild = steps.values()
    found = (
        newest.cpu / second.cpu,
        newest.cpu / bulk.cpu,
        newest.peak / second.peak,
        rebuild.cpu / bulk.cpu,
        rebuild.peak / 1024,
    )
    return dict(zip(TARGETS, found, strict=True))


def show(steps: dict[str, Steps]) -> list[str]:
    """Print both tables; the names of the targets that are missed."""
    print("| run | features wall s | features CPU s | run peak MiB |\n|---|---|---|---|")
    for name, step in steps.items():
        print(f"| {name} | {step.wall:.2f} | {step.cpu:.2f} | {step.peak:.0f} |")
    print("\n| ratio | found | at most |\n|---|---|---|")
    for name, found in ratios(steps).items():
        print(f"| {name} | {found:.2f} | {TARGETS[name]} |")
    return [name for name, found in ratios(steps).items() if found > TARGETS[name]]


def main(files: str = str(REAL), days: str = "250", every: str = "") -> None:
    """Live, measure, print; exits 1 where a target is missed, and says so where there are no files."""
    folder = Path(files).resolve()
    if not folder.is_dir():
        sys.exit(f"no folder {folder}: give one in the layout of `r2k run --source files`")
    year, started = Year(folder, int(days)), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        steps = lived(Bench(year, scratch), scratch, year.count, "live_every" if every else "live")
        raw = {table.name: len(list(table.glob("*.parquet"))) for table in (scratch / "life/files/raw").iterdir()}
    missed = show(steps)
    print(f"\n{year.count} days in {time.monotonic() - started:.0f} s, {os.cpu_count()} cores; raw files: {raw}")
    most = Settings(source="sample").raw_files_before_compaction
    missed += [f"{table}: {count} raw files, more than {most}" for table, count in raw.items() if count > most]
    sys.exit("\n".join(f"missed: {name}" for name in missed) or None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        run_part(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
