"""A snapshot of a past moment against a rebuild of it: every table, every row; and the Python API on top of it."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from polars.testing import assert_frame_equal

import r2k_pipeline
from r2k_pipeline.contracts.meta import Fetches, Generation
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.errors import LakeError
from r2k_pipeline.lake import Lake
from r2k_pipeline.snapshot import NOT_KEPT, open_snapshot
from r2k_pipeline.tables import TABLES
from tests.lakes import Published
from tests.pipeline.command_line import r2k

MOMENTS: Final = ("2013-10-11T20:00Z", "2021-06-30T20:00Z", "2025-03-14T21:30Z")
"""Within the shutdown of 2013; a month's last session; after a release."""
TABLES_COMPARED: Final = [t for t in TABLES.values() if t.layer in PUBLISHED_LAYERS and t not in (Generation, Fetches)]


def _compare(folder: Path, source: str, as_of: str) -> None:
    moment = datetime.fromisoformat(as_of)
    lakes = Lake.of(folder, source), Lake.of(folder, source, moment)
    with open_snapshot(lakes[0], moment) as cut, open_snapshot(lakes[1]) as rebuilt:
        assert (cut.moment, cut.is_past, rebuilt.moment) == (moment, True, moment)
        for table in TABLES_COMPARED:
            then, expected = cut.read(table), rebuilt.read(table)
            order = table.primary_key()
            assert_frame_equal(then.sort(order), expected.sort(order), check_exact=True)


def _rebuild(lake: Published, folder: Path, home: Path, moments: Sequence[str]) -> Path:
    for name in ("raw", "generations"):
        (folder / lake.source).mkdir(parents=True, exist_ok=True)
        (folder / lake.source / name).symlink_to(lake.lake.root / name)
    for name in ("published", "warehouse.duckdb"):
        (folder / lake.source / name).symlink_to((lake.lake.root / name).readlink())
    for moment in moments:
        done = r2k(home, "run", "--source", lake.source, "--lake", folder, "--as-of", moment)
        assert done.exit_code == 0, done.output
    return folder


def test_every_table_of_a_snapshot_is_that_of_a_rebuild(sample: Published, tmp_path: Path, home: Path) -> None:
    folder = _rebuild(sample, tmp_path, home, MOMENTS)
    for moment in MOMENTS:
        _compare(folder, sample.source, moment)


def test_every_table_of_a_snapshot_of_real_data_is_that_of_a_rebuild(
    from_real: Published, tmp_path: Path, home: Path
) -> None:
    folder = _rebuild(from_real, tmp_path, home, MOMENTS[1:])
    for moment in MOMENTS[1:]:
        _compare(folder, from_real.source, moment)


@pytest.mark.parametrize("table", TABLES_COMPARED, ids=lambda table: table.dotted())
def test_every_published_table_says_what_it_is_at_a_past_moment(sample: Published, table: type[Table]) -> None:
    with open_snapshot(sample.lake, datetime(1990, 1, 1, tzinfo=UTC)) as before:
        assert before.read(table).columns == table.column_names()


def test_what_a_generation_cannot_tell_is_empty_and_said(sample: Published, tmp_path: Path) -> None:
    said = r2k(tmp_path, "sql", "--lake", sample.folder, "--as-of", "2025-03-14", "select count(*) from meta.fetches")
    assert said.exit_code == 0
    assert NOT_KEPT[Fetches] in said.output
    assert "meta.fetches" in said.output


def test_sql_at_a_past_moment_sums_up_what_was_known(sample: Published, tmp_path: Path) -> None:
    asked = "select sum(events) + sum(pending_events) as events, max(last_event_date) as last from marts.setup_outcomes"
    said = r2k(tmp_path, "sql", "--lake", sample.folder, "--as-of", "2025-03-14", "--format", "csv", asked)
    assert said.exit_code == 0, said.output
    events, last = said.stdout.splitlines()[1].split(",")
    assert int(events) > 0
    assert last < "2025-03-14"


def test_the_api_answers_in_a_line(sample: Published) -> None:
    with r2k_pipeline.open("sample", lake=sample.folder, as_of="2025-03-14") as data:
        assert data.markets == ("DJI", "NDX", "RUT", "SPX")
        assert data.generation["is_sample"]
        bars = data.prices("RUT")
        assert bars["known_at"].max() == data.moment == datetime(2025, 3, 14, 20, tzinfo=UTC)
        assert data.positions("RUT")["known_at"].max() <= data.moment  # type: ignore[operator]
        ours = r2k_pipeline.daily_indicators(bars)
        columns = ["session_date", "rsi_14"]
        assert_frame_equal(ours[columns], data.table("features.daily_indicators", market="RUT")[columns])
        assert data.sql("select close from latest() where market = 'RUT'").item() == bars["close"][-1]
        assert data.brief("RUT").count("# RUT") == 1
        shown = data.figure("RUT")._repr_mimebundle_(include=None, exclude=None)
        assert "RUT weekly review, 2025-03-14" in shown["application/vnd.vegalite.v6+json"]["title"]["text"]  # type: ignore[index]
        assert shown["image/png"].startswith(b"\x89PNG")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("drop table marts.markets", "DROP is disabled here"),
        ("select nothing from marts.markets", "nothing"),
        ("from read_csv('/etc/passwd')", "disabled"),
    ],
)
def test_the_api_only_reads(sample: Published, query: str, message: str) -> None:
    with r2k_pipeline.open("sample", lake=sample.folder) as data, pytest.raises(LakeError, match=f"{message}.*; next:"):
        data.sql(query)


def test_what_is_not_there_is_named(sample: Published, tmp_path: Path) -> None:
    with pytest.raises(r2k_pipeline.R2kError, match="no warehouse yet; next: r2k run"):
        r2k_pipeline.open("sample", lake=tmp_path)
    with r2k_pipeline.open("sample", lake=sample.folder) as data:
        with pytest.raises(r2k_pipeline.R2kError, match="no such table; next: one of"):
            data.table("marts.nothing")
        with pytest.raises(r2k_pipeline.R2kError, match="has no market"):
            data.table("marts.sessions", market="RUT")


def test_the_package_exports_what_it_says_and_costs_nothing() -> None:
    assert all(getattr(r2k_pipeline, name) for name in r2k_pipeline.__all__)
    assert set(r2k_pipeline.__all__) == set(r2k_pipeline._EXPORTS)
    heavy = "import sys, r2k_pipeline; print({'polars', 'duckdb', 'dagster', 'pydantic'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", heavy], text=True).strip() == "set()"
