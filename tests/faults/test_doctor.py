"""Doctor looks at everything whatever it finds first, and what it advises is never itself."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from tests.pipeline.command_line import r2k
from tests.sql.rows import bar, rows_of
from tests.unit.published import mart_row, publish


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return publish(tmp_path, [mart_row("RUT", "2025-03-13")])


def examined(lake: Lake) -> str:
    result = r2k(lake.root.parent, "doctor", "--lake", lake.root.parent)
    assert result.exit_code == 1
    assert result.stderr == ""
    assert "next: r2k doctor" not in result.stdout
    for what in ("markets", "lock", "records", "lake", "warehouse", "tables", "checks"):
        assert any(line[6:].startswith(what) for line in result.stdout.splitlines()), f"{what}\n{result.stdout}"
    return result.stdout


@pytest.mark.parametrize("size", [0, 5, 100])
def test_a_cut_derived_table_does_not_end_the_examination(lake: Lake, size: int) -> None:
    (file,) = lake.files("marts.positioning_vs_technicals")
    file.write_bytes(file.read_bytes()[:size])
    assert "r2k run" in next(line for line in examined(lake).splitlines() if "positioning_vs_technicals" in line)


def test_a_raw_file_of_another_schema_is_named_as_a_run_does(lake: Lake) -> None:
    moment = datetime(2025, 3, 14, tzinfo=UTC)
    bars = rows_of(PriceBars, [bar("^RUT", "2025-03-13", 2000.0)]).drop("is_withdrawn")
    lake.append(PriceBars, bars, moment)
    with pytest.raises(R2kError) as told:
        lake.read(PriceBars)
    assert isinstance(bars, pl.DataFrame)
    assert "next: r2k doctor" not in str(told.value)
    assert str(told.value) in examined(lake)


def test_a_place_that_takes_no_file_is_named_whatever_its_mode_says(tmp_path: Path) -> None:
    """As on a disk that became read-only: /proc lets root in, and takes no file."""
    result = r2k(tmp_path, "doctor", "--lake", "/proc/lake")
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("FAIL  lake"))
    assert "/proc/lake/sample: cannot be written: " in line
    assert "; next: " in line


def test_a_disk_without_room_for_one_more_generation_is_named(tmp_path: Path) -> None:
    warehouse = Lake.of(tmp_path, "sample").warehouse
    warehouse.parent.mkdir(parents=True)
    warehouse.touch()
    os.truncate(warehouse, shutil.disk_usage(tmp_path).free + (1 << 30))  # a file with a hole takes no room itself
    result = r2k(tmp_path, "doctor", "--lake", tmp_path)
    said = "bytes are free, and a run writes a DuckDB file of about"
    (line,) = (line for line in result.stdout.splitlines() if said in line)
    assert line.startswith("FAIL  lake")
    assert line.endswith("; next: free space on that disk")
