"""How long a user waits for `r2k --help` and for the first row of `r2k sql`, against a bare import of its libraries.

Belongs here: whole processes, in turn. Not here: runs (run.py), queries themselves (snapshot.py).
`python benchmarks/start.py [LAKE [PAIRS]]`, by default the usual lake, with the sample published, and 15.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from run import R2K, Cost, measure

from r2k_pipeline.settings import read_settings


def show(name: str, ours: list[Cost], bare: list[Cost]) -> None:
    """Medians, and the median of the ratios pair by pair."""
    for unit in ("wall", "cpu"):
        pairs = [(getattr(a, unit), getattr(b, unit)) for a, b in zip(ours, bare, strict=True)]
        a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name}, {unit}: {a * 1000:.0f} ms / {b * 1000:.0f} ms = {ratio:.2f}")


def main(lake: str = str(read_settings().lake), pairs: str = "15") -> None:
    """Measure and print; one warm-up pair is not counted."""
    if subprocess.run([R2K, "sql", "--lake", lake, "select 1"], stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit("next: r2k run")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    commands = {
        "r2k --help / import click": ([R2K, "--help"], "import click"),
        "r2k sql / import polars, duckdb": ([R2K, "sql", "--lake", lake, "select 1"], "import polars, duckdb"),
    }
    with tempfile.TemporaryDirectory() as folder:
        home, scratch = Path(folder) / "home", Path(folder)
        for name, (ours, bare) in commands.items():
            both = ours, [sys.executable, "-c", bare]
            costs = [[measure(command, home, scratch) for command in both] for _ in range(int(pairs) + 1)]
            show(name, *map(list, zip(*costs[1:], strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
