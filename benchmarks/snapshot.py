"""Opens snapshots of past moments of a published lake, beside the newest one: at most 100 ms each beyond the import.

Belongs here: the time to open one and to read a table that sums up. Not here: whether it is right (tests/pipeline).
"""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.settings import Settings  # noqa: E402
from r2k_pipeline.snapshot import open_snapshot  # noqa: E402
from r2k_pipeline.tables.level_outcomes import LevelOutcomes  # noqa: E402
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes  # noqa: E402

ROUNDS = 7


def opened_in(lake: Lake, moment: datetime | None) -> float:
    """Milliseconds to open a snapshot."""
    started = time.perf_counter()
    with open_snapshot(lake, moment):
        return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Medians of ROUNDS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="sample")
    asked = parser.parse_args()
    settings = Settings(source=asked.source, **({"lake": asked.lake} if asked.lake else {}))
    lake = Lake.of(settings.lake, settings.source)
    opened_in(lake, None)
    print(f"{'the newest':<12} {median(opened_in(lake, None) for _ in range(ROUNDS)):7.1f} ms")
    for year in (2007, 2013, 2021, 2025):
        moment = datetime(year, 3, 14, 21, tzinfo=UTC)
        taken = median(opened_in(lake, moment) for _ in range(ROUNDS))
        print(f"{moment:%Y-%m-%d}   {taken:7.1f} ms, at most 100")
    with open_snapshot(lake, datetime(2025, 3, 14, 21, tzinfo=UTC)) as snapshot:
        for table in (SetupOutcomes, LevelOutcomes):
            started = time.perf_counter()
            snapshot.read(table)
            print(f"{table.dotted()} at 2025-03-14, the kernels' import too: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
