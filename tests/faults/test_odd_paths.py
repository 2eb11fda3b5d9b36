"""A lake in a folder whose name is a pattern to DuckDB: it reads its own tables, never its neighbour's."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.generations import take_over
from r2k_pipeline.quoting import parquet
from r2k_pipeline.sql_models import SqlModel, run_model
from tests.pipeline.command_line import r2k
from tests.unit.published import mart_row, publish
from tests.unit.sandboxed import sandboxed

NAMES = [("L[1]", "L1"), ("a?b", "axb"), ("s*r", "str"), ("[!a]", "b"), ("k=v", "k"), ("it's", "its"), ("b\\s", "bs")]


@pytest.fixture(params=NAMES, ids=[name for name, _ in NAMES])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A folder with an odd name, and one beside it that its name fits as a pattern."""
    odd, neighbour = request.param
    for name in (odd, neighbour):
        (tmp_path / name).mkdir()
        pl.DataFrame({"market": [name]}).write_parquet(tmp_path / name / "bars.parquet")
    return tmp_path / odd, tmp_path / neighbour


def test_sql_reads_the_file_that_is_named_and_no_column_of_its_path(folders: tuple[Path, Path]) -> None:
    odd, _ = folders
    assert duckdb.sql(f"from {parquet([odd / 'bars.parquet'])}").fetchall() == [(odd.name,)]
    model = SqlModel("marts.copies", "-- why\nselect * from features.bars\n")
    rows = run_model(model, {"features.bars": [odd / "bars.parquet"]}, {}, memory_limit="256MB")
    assert rows.rows() == [(odd.name,)]


def test_a_lake_there_is_published_restored_and_read(folders: tuple[Path, Path]) -> None:
    odd, neighbour = folders
    if {"?", "\\"} & {*odd.name}:
        result = r2k(odd, "status", "--lake", odd)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "DuckDB writes to no path with " in result.stderr
        return
    publish(neighbour, [mart_row("RUT", "2025-03-13", close=1.0)])
    lake = publish(odd, [mart_row("RUT", "2025-03-13", close=2.0)])
    result = r2k(odd, "sql", "--lake", odd, "--format", "csv", "select close from latest()")
    assert (result.exit_code, result.stdout_bytes) == (0, b"close\r\n2.0\r\n")
    (lake.published / "marts" / "positioning_vs_technicals.parquet").unlink()
    take_over(lake)
    (file,) = lake.published_files("marts.positioning_vs_technicals")
    assert pl.read_parquet(file.read_bytes())["close"].to_list() == [2.0]


def test_claims_read_their_own_tables(folders: tuple[Path, Path]) -> None:
    odd, _ = folders
    with sandboxed(odd, {PositioningVsTechnicals: [mart_row("RUT", "2025-03-13", close=2.0)]}, seconds=10) as sandbox:
        found = sandbox.rows("select close from marts.positioning_vs_technicals", {}, datetime(2025, 3, 14, tzinfo=UTC))
    assert found.rows() == [(2.0,)]
