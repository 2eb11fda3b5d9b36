"""Files of the published generation are gone or damaged: the next run makes their tables anew from raw, misses no row
and asks for no restatement; doctor names the files.
"""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.files import remove
from r2k_pipeline.generations import take_over
from r2k_pipeline.settings import Settings
from r2k_pipeline.sums import SUMS, changed_files, read_sums
from tests.lived.generation_rows import copy_of_raw, differences, published_tables
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.refresh import build, fetch
from tests.lived.vendor import Desk, Truth, Vendor
from tests.pipeline.command_line import r2k
from tests.unit.published import mart_row, publish

DAYS: Final = ("2025-05-29", "2025-05-30")
"""The first year of a part (PART_YEARS): the run of the second day writes no row of the part before."""


def _live(folder: Path, day: str) -> Life:
    """A life of which `day` was fetched."""
    markets, clock = markets_of("RUT"), Clock(new_york(day))
    desk = Desk(Vendor(Truth.of_sample(markets, date(2023, 6, 1), date(2025, 6, 3)), ()), clock)
    life = Life(Settings(source="live", lake=folder), markets, clock, desk=(desk, desk))
    fetch(life.run())
    return life


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that was published on the first day."""
    folder = tmp_path_factory.mktemp("first") / "lake"
    assert build(_live(folder, DAYS[0]).run()) == []
    return folder


@pytest.fixture(scope="module")
def second_day(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, pl.DataFrame]:
    """What the second day publishes where nothing goes on from the first."""
    folder = tmp_path_factory.mktemp("second")
    life = _live(shutil.copytree(first_day, folder / "lake", symlinks=True), DAYS[1])
    rebuilt = copy_of_raw(life.lake, folder / "rebuilt")
    assert build(life.run(rebuilt)) == []
    return published_tables(rebuilt)


def is_gone(table: Path) -> None:
    table.unlink()


def first_part_is_gone(table: Path) -> None:
    (table / "0-2020.parquet").unlink()


def a_bit_has_flipped(table: Path) -> None:
    part = table / "0-2020.parquet"
    body = bytearray(part.read_bytes())
    body[len(body) // 3] ^= 1
    part.unlink()  # the lake's own table is the same file
    part.write_bytes(body)


LOST: Final = [
    ("meta/generation.parquet", is_gone),
    ("features/swing_pivots.parquet", is_gone),
    ("marts/positioning_vs_technicals.parquet", is_gone),
    ("features/levels", first_part_is_gone),
    ("features/levels", a_bit_has_flipped),
]


@pytest.mark.parametrize(("table", "happens"), [LOST[0], *LOST[3:]])
def test_rows_told_that_are_gone_are_made_anew(
    first_day: Path,
    second_day: Mapping[str, pl.DataFrame],
    tmp_path: Path,
    table: str,
    happens: Callable[[Path], None],
) -> None:
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    happens(life.lake.published / table)
    assert build(life.run()) == []
    assert not differences(published_tables(life.lake), second_day)


@pytest.mark.parametrize(("table", "happens"), LOST)
def test_doctor_names_the_file(first_day: Path, tmp_path: Path, table: str, happens: Callable[[Path], None]) -> None:
    folder = shutil.copytree(first_day, tmp_path / "lake", symlinks=True)
    happens(folder / "live" / "published" / table)
    (line,) = (
        line
        for line in r2k(tmp_path, "doctor", "--source", "live", "--lake", folder).stdout.splitlines()
        if line.startswith("FAIL  tables")
    )
    file = table if table.endswith(".parquet") else f"{table}/0-2020.parquet"
    assert f"{file}: its content is" in line if happens is a_bit_has_flipped else f"{file}: it is gone" in line
    assert line.endswith(f"; next: r2k run --source live --lake {folder}, which repairs it")


def test_what_was_told_is_compared_with_although_a_table_of_it_is_gone(first_day: Path, tmp_path: Path) -> None:
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    first_part_is_gone(life.lake.published / "features/levels")
    other = replace(life, settings=life.settings.model_copy(update={"profile_since": (date(2025, 2, 3),)}))
    assert any("restatement: " in said for said in build(other.run()))
    (life.lake.published / "warehouse.duckdb").unlink()
    is_gone(life.lake.published / "features/swing_pivots.parquet")
    (said,) = build(life.run())
    assert "warehouse.duckdb: it is gone" in said
    way_out = re.search(r"next: restore it, or remove (\S+): the next run then publishes without comparing", said)
    assert way_out
    remove(Path(way_out[1]))
    assert build(life.run()) == []


@pytest.mark.parametrize(("table", "happens"), LOST)
def test_a_generation_that_was_restored_is_whole_and_the_next_one_goes_on_from_it(
    first_day: Path,
    second_day: Mapping[str, pl.DataFrame],
    tmp_path: Path,
    table: str,
    happens: Callable[[Path], None],
) -> None:
    """A run may end after it restored a table, by a kill or because a restatement waits."""
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    happens(life.lake.published / table)
    take_over(life.lake)
    assert [*changed_files(life.lake.published.resolve())] == []
    assert build(life.run()) == []
    assert not differences(published_tables(life.lake), second_day)


def test_only_the_digests_of_restored_tables_are_written_anew(first_day: Path, tmp_path: Path) -> None:
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    folder = life.lake.published.resolve()
    first_part_is_gone(folder / "features/levels")
    (folder / "notes.txt").write_text("put there by someone")
    take_over(life.lake)
    assert [*changed_files(folder)] == [(folder / "notes.txt", "it was not published")]


def test_every_file_of_a_generation_is_on_the_disk_before_it_is_swapped_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, fsync = set(), os.fsync

    def spied(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spied)
    folder = publish(tmp_path, [mart_row("RUT", "2025-03-13")]).published.resolve()
    assert (folder / SUMS).exists()
    assert [path for path in (folder, *folder.rglob("*")) if path.stat().st_ino not in flushed] == []


def test_digests_that_did_not_reach_the_disk_stop_no_run(first_day: Path, tmp_path: Path) -> None:
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    for body in (b"", b"\0" * 4096):
        (life.lake.published / SUMS).write_bytes(body)
        assert not read_sums(life.lake.published)
        doctor = r2k(tmp_path, "doctor", "--source", "live", "--lake", tmp_path / "lake").stdout
        (line,) = (line for line in doctor.splitlines() if line[6:].startswith("tables"))
        assert line.startswith("look")
        assert f"no digests in {SUMS}: of an earlier version, or lost; next: r2k run --source live" in line
    assert build(life.run()) == []
    assert read_sums(life.lake.published)


def test_many_files_that_are_lost_together_are_one_line(first_day: Path, tmp_path: Path) -> None:
    life = _live(shutil.copytree(first_day, tmp_path / "lake", symlinks=True), DAYS[1])
    for file in (life.lake.published / "warehouse.duckdb", *(life.lake.published / "features").glob("*.parquet")):
        file.unlink()
    (said,) = build(life.run())
    others = r"\d+ more files differ \(r2k doctor names them\)"
    assert re.search(rf"warehouse\.duckdb: it is gone, and {others}; next: restore it, or remove ", said)
    assert len(said) < 1000
    doctor = r2k(tmp_path, "doctor", "--source", "live", "--lake", tmp_path / "lake").stdout
    lines = [line for line in doctor.splitlines() if line.startswith("FAIL  tables")]
    assert lines
    assert all(line.endswith(said.partition("next: ")[2]) for line in lines), "a doctor and a run say the same way on"
