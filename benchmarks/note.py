"""`r2k note` beside its bare cost: at most twice importing what it needs and running its queries, in new processes.

Belongs here: the command's whole time, newest and at a past moment. Not here: opening a snapshot (snapshot.py).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.report.note.compose import read_note  # noqa: E402
from r2k_pipeline.settings import read_settings  # noqa: E402
from r2k_pipeline.snapshot import open_snapshot  # noqa: E402

ROUNDS: Final = 7
AT_MOST: Final = 2.0
BARE: Final = """
import json, sys
import click, polars
from pathlib import Path
from r2k_pipeline.settings import read_settings
from r2k_pipeline.snapshot import snapshot_of
given = {"as_of": sys.argv[3]} if sys.argv[3] else {}
with snapshot_of(read_settings(lake=Path(sys.argv[1]), source=sys.argv[2], **given)) as snapshot:
    for query in json.loads(sys.argv[4]):
        snapshot.ask(query).pl()
"""


def queries_of(folder: Path, source: str, market: str, when: str | None) -> list[str]:
    """What the note asks, each relation once."""
    settings = read_settings(lake=folder, source=source, **({"as_of": when} if when else {}))
    with open_snapshot(Lake.of(folder, source), settings.as_of) as snapshot:
        sources = read_note(snapshot, market).facts.sources.values()
    return [f"from {relation}" for relation in dict.fromkeys(source.relation for source in sources)]


def cpu_and_wall(command: list[str]) -> tuple[float, float]:
    """Seconds of a process and its children."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.perf_counter() - started


def main() -> None:
    """Medians of ROUNDS in turn; exits 1 where the CPU of one note is over AT_MOST times the bare one's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="files")
    parser.add_argument("--market", default="RUT")
    parser.add_argument("--when", default="2025-03-14", help="a past day with a session")
    asked = parser.parse_args()
    missed = []
    for when in (None, asked.when):
        queries = json.dumps(queries_of(asked.lake, asked.source, asked.market, when))
        place = ["--source", asked.source, "--lake", str(asked.lake)]
        ours = [sys.executable, "-m", "r2k_pipeline", "note", asked.market, *([when] if when else []), *place]
        bare = [sys.executable, "-c", BARE, str(asked.lake), asked.source, when or "", queries]
        times = [(cpu_and_wall(ours), cpu_and_wall(bare)) for _ in range(ROUNDS)]
        cpu, wall = (statistics.median(a[i] / b[i] for a, b in times) for i in (0, 1))
        seconds = (statistics.median(pair[i][1] for pair in times) for i in (0, 1))
        name = when or "the newest"
        print(f"{name:<12} note {next(seconds):.2f} s, bare {next(seconds):.2f} s: {cpu:.2f} x CPU, {wall:.2f} x wall")
        missed += [f"{name}: {cpu:.2f} x"] if cpu > AT_MOST else []
    sys.exit(f"over {AT_MOST} x: {', '.join(missed)}" if missed else None)


if __name__ == "__main__":
    main()
