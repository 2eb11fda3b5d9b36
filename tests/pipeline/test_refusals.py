"""What must not be published is not: a broken contract, a lake in use, a run that was killed or told to stop."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import dagster as dg
import polars as pl
import pytest

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.orchestration.assets import asset_key, derived_asset
from r2k_pipeline.orchestration.publish import warehouse
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables.builders import Builder
from r2k_pipeline.tables.forms import Stored
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.registry import DerivedTable
from tests.lakes import Published
from tests.pipeline.command_line import r2k, summary_of
from tests.processes import Forked, command_line_in, forked

Copy = Callable[[Path, str], Path]


def content(folder: Path) -> dict[Path, bytes]:
    """Every published byte of a lake: derived tables and the warehouse."""
    files = [*folder.rglob("*.parquet"), *folder.rglob("warehouse.duckdb*")]
    return {file: file.read_bytes() for file in files}


def test_rows_that_break_a_contract_are_not_written_and_nothing_is_published(sample: Published, copy_of: Copy) -> None:
    lake = copy_of(sample.folder, "lake")
    before = content(lake / "sample")

    def build(rows: Stored[DailyIndicators]) -> pl.DataFrame:
        rsi = pl.when(pl.int_range(pl.len()) == 100).then(101.0).otherwise("rsi_14")
        return rows.with_columns(rsi_14=rsi)

    broken = derived_asset(DerivedTable(DailyIndicators, Builder(DailyIndicators, build, replayed=None)))
    pipeline = Pipeline.of(Run.of(Settings(source="sample", lake=lake)))
    result = dg.materialize([broken, warehouse], resources={"pipeline": pipeline}, raise_on_error=False)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    (check,) = result.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (asset_key(DailyIndicators), "contract", False)
    assert check.metadata["failed rows by rule"].value == {"rsi_14|max": 1}
    assert content(lake / "sample") == before


def test_the_summary_of_a_run_that_did_not_publish_names_what_is_published(
    sample: Published, home: Path, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generation's own Parquet is written before the file is swapped in: it may be that of one nobody can read."""

    def full(*_: object) -> int:
        raise R2kError("not published, the old one stays: No space left on device; next: r2k doctor")

    monkeypatch.setattr("r2k_pipeline.publication.publish_generation", full)
    lake = copy_of(sample.folder, "lake")
    before = Lake.of(lake, "sample").read(Generation).row(0, named=True)
    summary = summary_of(r2k(home, "run", "--json", "--lake", lake))
    assert not summary["published"]
    assert (summary["as_of"], summary["generation_id"]) == (str(before["as_of"]), before["generation_id"])

    Lake.of(lake, "sample").warehouse.write_bytes(b"no database" * 1000)
    summary = summary_of(r2k(home, "run", "--json", "--lake", lake))
    assert (summary["ok"], summary["published"], summary["generation_id"]) == (False, False, None)
    why, unreadable = summary["failures"]
    assert "No space left on device" in why
    assert "warehouse.duckdb: cannot be opened" in unreadable


def test_a_second_run_is_told_who_holds_the_lake(sample: Published, home: Path, copy_of: Copy) -> None:
    lake = copy_of(sample.folder, "lake")
    before = content(lake / "sample")
    with Lake.of(lake, "sample").lock():
        result = r2k(home, "run", "--json", "--lake", lake)
    assert result.exit_code == 1
    (failure,) = summary_of(result)["failures"]
    holder, *_ = (lake / "sample" / ".lock").read_text().splitlines()
    assert f"another run holds this lake ({holder})" in failure, failure
    assert "; next: " in failure
    assert content(lake / "sample") == before


def in_progress(home: Path) -> list[dg.DagsterRun]:
    """Runs that Dagster takes to be going on."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    with mock.patch.dict(os.environ, DAGSTER_HOME=str(home / "sample")), dg.DagsterInstance.get() as instance:
        return list(instance.get_runs(dg.RunsFilter(statuses=statuses)))


@contextmanager
def run_in_its_middle(home: Path, lake: Path) -> Iterator[Forked]:
    """A `r2k run` that has logged its fetches and not yet published."""
    log = lake / "sample" / "raw" / "fetch_log"
    before = len(list(log.iterdir()))
    with forked(command_line_in, str(home), "run", "--lake", str(lake)) as process:
        deadline = time.monotonic() + 100
        while len(list(log.iterdir())) == before:
            assert process.returncode is None, process.said()
            assert time.monotonic() < deadline, "the run wrote nothing"
            time.sleep(0.01)
        yield process


def test_after_kill_9_the_next_run_starts_at_once_and_publishes(sample: Published, home: Path, copy_of: Copy) -> None:
    lake = copy_of(sample.folder, "lake")
    published = Lake.of(lake, "sample").warehouse.read_bytes()
    with run_in_its_middle(home, lake) as process:
        assert process.end_by(signal.SIGKILL, 10) == -signal.SIGKILL
        pid = process.pid
    assert in_progress(home)
    assert Lake.of(lake, "sample").warehouse.read_bytes() == published
    half_written = lake / "sample" / "marts" / f".markets.parquet.{pid}.tmp"
    half_written.write_bytes(b"PAR1")
    result = r2k(home, "run", "--json", "--lake", lake)
    assert result.exit_code == 0, result.output
    assert summary_of(result)["generation_id"] == sample.summary["generation_id"]
    assert list(lake.rglob(".*.tmp*")) == []
    assert in_progress(home) == [], "Dagster's queue would wait for the killed run for ever"


def test_told_to_stop_a_run_ends_within_ten_seconds_and_frees_the_lake(
    sample: Published, home: Path, copy_of: Copy
) -> None:
    lake = copy_of(sample.folder, "lake")
    published = Lake.of(lake, "sample").warehouse.read_bytes()
    with run_in_its_middle(home, lake) as process:
        assert process.end_by(signal.SIGTERM, 10) not in (None, 0)
    assert Lake.of(lake, "sample").warehouse.read_bytes() == published
    with Lake.of(lake, "sample").lock():
        assert list(lake.rglob(".*.tmp*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--source", "files"), "source files needs a folder; next: r2k run --files DIR --lake "),
        (("--as-of", "2025-03-14T15:00-04:00"), "nothing was fetched yet; next: r2k run --lake "),
    ],
)
def test_a_run_that_cannot_begin_says_why(home: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = r2k(home, "run", "--json", "--lake", tmp_path, *arguments)
    assert result.exit_code == 1
    assert any(f"{message}{tmp_path}" in failure for failure in summary_of(result)["failures"])


@pytest.mark.parametrize("name", ["R2K_LAKE", "DAGSTER_HOME"])
def test_a_folder_that_cannot_be_written_is_one_line(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    folders = {"R2K_LAKE": str(tmp_path), name: str(tmp_path / "file" / "folder")}
    result = r2k(home, "run", "--json", **folders)
    assert result.exit_code == 1
    assert "cannot be written: Not a directory; next: " in result.output
    assert "Traceback" not in result.output
