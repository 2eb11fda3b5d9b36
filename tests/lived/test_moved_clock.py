"""The command line itself on a day of a moved clock: a session that comes late, volumes that settle.

Belongs here: `r2k run` as a process under `faketime` (Debian's package of that name), two markets, the files as they
were saved on the day; only a file of which there was an earlier version proves that a session was not out. Not here:
what a month of such days does (test_life.py).
"""

import json
import os
import shutil
import subprocess
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings
from tests.lived.events import Missing
from tests.lived.generation_rows import Generation, changes
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.vendor import Truth, Vendor
from tests.pipeline.command_line import R2K

LATE = Missing(new_york("2025-03-04", "12:00"), new_york("2025-03-06", "12:00"), day="2025-03-04")
FIRST, BEFORE, DAY = new_york("2025-03-03"), new_york("2025-03-05"), new_york("2025-03-06")
TWO = markets_of("RUT", "SPX")


def _run(folder: Path, moment: datetime) -> dict[str, Any]:
    """`r2k run --json` on the folder's files at `moment`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    command = [R2K, "run", "--json", "--files", folder / "files", "--lake", folder / "lake"]
    done = subprocess.run(
        ["faketime", "-f", f"@{moment:%Y-%m-%d %H:%M:%S}", *command],
        cwd=folder,
        env=clean | {"TZ": "UTC", "DAGSTER_HOME": str(folder / "home"), "R2K_MARKETS": "RUT,SPX"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (moment, done.stdout[-1500:], done.stderr[-1500:])
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not here: it moves the clock of a process")
def test_a_session_that_comes_late_is_published_and_changes_nothing_that_was_told(tmp_path: Path) -> None:
    vendor = Vendor(Truth.of_sample(TWO, date(2024, 10, 1), date(2025, 3, 31)), (LATE,))
    settings, lake = Settings(source="files", files=tmp_path / "files", lake=tmp_path / "lake"), tmp_path / "lake"
    generations = []
    for day in (FIRST, BEFORE):
        vendor.save(tmp_path / "files", day)
        assert not Life(settings, TWO, Clock(day)).day(day).failed
    generations.append(Generation.of(Lake.of(lake, "files")))
    vendor.save(tmp_path / "files", DAY)
    assert _run(tmp_path, DAY)["as_of"][:10] == str(DAY.date()), "the clock is moved"
    generations.append(Generation.of(Lake.of(lake, "files")))
    assert not changes(*generations)
    late = generations[1].tables["marts.positioning_vs_technicals"].filter(pl.col("session_date") == date(2025, 3, 4))
    assert late.height == len(TWO)
    assert late["known_at"].min() > new_york("2025-03-06", "16:00")
