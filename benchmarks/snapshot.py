"""Opens snapshots of past moments of a published lake: at most 100 ms each beyond the import, cold and warm.

Beside them the newest one, and DuckDB alone, which opens the same file and reads one row. Belongs here: the time to
open one and to read a table that sums up. Not here: whether it is right (tests/pipeline).
"""

import argparse
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from timing import ratio, time_in_turn  # noqa: E402

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.settings import Settings  # noqa: E402
from r2k_pipeline.snapshot import open_snapshot  # noqa: E402
from r2k_pipeline.tables.level_outcomes import LevelOutcomes  # noqa: E402
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes  # noqa: E402

ROUNDS = 15
MOMENTS = [datetime(year, 3, 14, 21, tzinfo=UTC) for year in (2007, 2013, 2021, 2025)]
AT_MOST_MS = 100
COLD = """
import sys, time
from datetime import datetime
from pathlib import Path
from r2k_pipeline.lake import Lake
from r2k_pipeline.snapshot import open_snapshot
lake, moment = Lake.of(Path(sys.argv[1]), sys.argv[2]), datetime.fromisoformat(sys.argv[3])
wall, cpu = time.perf_counter(), time.process_time()
open_snapshot(lake, moment)
print(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
"""


def open_alone(file: Path) -> None:
    """What DuckDB takes for the file itself."""
    with duckdb.connect(file, read_only=True) as connection:
        connection.execute("from meta.generation").fetchall()


def opened_cold(folder: Path, source: str, moment: datetime) -> list[float]:
    """Wall and CPU milliseconds of the first snapshot in a new process, after its imports."""
    command = [sys.executable, "-c", COLD, str(folder), source, moment.isoformat()]
    said = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return [float(number) for number in said.split()]


def main() -> None:
    """Medians of ROUNDS in turn, of half as many new processes; exits 1 where the CPU of one is over AT_MOST_MS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="sample")
    asked = parser.parse_args()
    settings = Settings(source=asked.source, **({"lake": asked.lake} if asked.lake else {}))
    lake = Lake.of(settings.lake, settings.source)
    opened = {"the newest": None, **{f"at {moment:%Y-%m-%d}": moment for moment in MOMENTS}}
    runs = {name: lambda at=moment: open_snapshot(lake, at).connection.close() for name, moment in opened.items()}
    times = time_in_turn({"DuckDB alone": lambda: open_alone(lake.warehouse.resolve()), **runs}, ROUNDS)
    cold = [opened_cold(settings.lake, settings.source, MOMENTS[-1]) for _ in range(ROUNDS // 2)]
    taken = {name: (1000 * seconds.wall, 1000 * seconds.cpu) for name, seconds in times.items()}
    taken[f"at {MOMENTS[-1]:%Y-%m-%d}, the first of a process"] = tuple(map(statistics.median, zip(*cold, strict=True)))
    print(f"{settings.source}: {'':<34} {'wall ms':>8} {'CPU ms':>8}   at most {AT_MOST_MS} beyond the import")
    for name, (wall, cpu) in taken.items():
        print(f"{name:<42} {wall:8.1f} {cpu:8.1f}")
    print(f"a past moment to the newest: {ratio(times, f'at {MOMENTS[-1]:%Y-%m-%d}', 'the newest')}")
    with open_snapshot(lake, MOMENTS[-1]) as snapshot:
        for table in (SetupOutcomes, LevelOutcomes):
            started = time.perf_counter()
            snapshot.read(table)
            print(f"{table.dotted()}, the kernels' import too: {time.perf_counter() - started:.2f} s")
    sys.exit("\n".join(f"missed: {name}" for name, (_, cpu) in taken.items() if cpu > AT_MOST_MS) or None)


if __name__ == "__main__":
    main()
