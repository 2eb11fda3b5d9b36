"""A folder per generation behind one link: whole or not at all, kept for a while, never changed, read at any moment."""

import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from queue import Queue
from typing import Final
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest

from r2k_pipeline.contracts.marts import TraderGroups
from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.generations import (
    folder_name,
    lake_as_of,
    last_generation,
    outgrown,
    prune,
    publish_generation,
    take_over,
)
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.doctor import left_behind
from r2k_pipeline.sums import write_sums
from r2k_pipeline.warehouse import open_warehouse, publish_warehouse
from tests.processes import without_privileges
from tests.sql.rows import bar, rows_of

FIRST: Final = datetime(2025, 1, 7, 22, tzinfo=UTC)
LABEL: Final = "select g.label, t.label from meta.generation as g cross join marts.trader_groups as t"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.of(tmp_path, "files")


def tables_of(lake: Lake, number: int) -> tuple[dict[type, list[Path]], str]:
    """Two tables that both say which generation it is, and the folder's name."""
    moment, mark = FIRST + timedelta(days=number), f"{number:04}"
    generation = rows_of(Generation, [{"generation_id": mark, "label": mark, "published_at": moment.isoformat()}
                                      | {"as_of": moment.isoformat()}])  # fmt: skip
    groups = rows_of(TraderGroups, [{"label": mark}])
    lake.write(Generation, generation)
    lake.write(TraderGroups, groups)
    files = {table: lake.files(table.dotted()) for table in (Generation, TraderGroups)}
    return files, folder_name(moment, mark)


def put(lake: Lake, number: int) -> Path:
    """Publish the generation of that number, from the last one's file; its folder."""
    files, name = tables_of(lake, number)
    publish_generation(lake, files, (), "1GB", name, last=last_generation(lake))
    return lake.generations / name


def ids_read(lake: Lake) -> list[tuple[object, ...]]:
    with open_warehouse(lake.warehouse) as connection:
        return connection.sql(LABEL).fetchall()


def test_a_generation_is_a_folder_behind_links(lake: Lake) -> None:
    folder = put(lake, 1)
    assert str(lake.published.readlink()) == f"generations/{folder.name}", "relative: a lake may move"
    assert str(lake.warehouse.readlink()) == "published/warehouse.duckdb"
    assert lake.published_files("marts.trader_groups") == [folder / "marts" / "trader_groups.parquet"]
    (file,) = lake.files("marts.trader_groups")
    assert lake.published_files("marts.trader_groups")[0].samefile(file), "a hard link costs nothing"
    assert lake.published_files("marts.markets") == []
    assert ids_read(lake) == [("0001", "0001")]
    last = last_generation(lake)
    assert last is not None
    assert (last.folder, last.row["generation_id"]) == (folder, "0001")


def test_a_generation_has_the_same_name_in_every_time_zone() -> None:
    """DuckDB gives instants in the zone of this machine."""
    assert folder_name(FIRST.astimezone(ZoneInfo("Asia/Tokyo")), "a") == folder_name(FIRST, "a")


def test_a_power_cut_loses_no_file_of_a_generation(lake: Lake, is_flushed: Callable[[Path], bool]) -> None:
    folder = put(lake, 1)
    assert [path for path in (folder, *folder.rglob("*")) if not is_flushed(path)] == []


def test_a_power_cut_loses_no_table_that_is_taken_from_the_duckdb_file(
    lake: Lake, is_flushed: Callable[[Path], bool]
) -> None:
    files, _ = tables_of(lake, 1)
    publish_warehouse(lake.warehouse, files, (), "1GB")
    take_over(lake)
    (exported,) = lake.published_files("marts.trader_groups")
    assert is_flushed(exported)
    write_sums(lake.published.resolve())
    exported.unlink()
    take_over(lake)
    (restored,) = lake.published_files("marts.trader_groups")
    assert is_flushed(restored)
    assert is_flushed(restored.parent)


def test_a_generation_goes_on_from_the_file_of_the_one_before(lake: Lake) -> None:
    put(lake, 1)
    first = last_generation(lake)
    assert first
    files, name = tables_of(lake, 2)
    unchanged = {TraderGroups: first.files(TraderGroups)}
    assert first.before({**files, **unchanged}).changed == {Generation: files[Generation]}
    publish_generation(lake, {**files, **unchanged}, (), "1GB", name, last=first)
    assert ids_read(lake) == [("0002", "0001")]


def test_what_is_published_stays_as_it_is_when_tables_are_made_anew(lake: Lake) -> None:
    folder = put(lake, 1)
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    tables_of(lake, 2)
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before


def test_a_publication_that_fails_leaves_the_old_one_and_no_trace(lake: Lake) -> None:
    folder = put(lake, 1)
    files, name = tables_of(lake, 2)
    with pytest.raises(R2kError, match="not published, the old one stays"):
        publish_generation(lake, files, ["create macro broken() as table select from where"], "1GB", name)
    assert ids_read(lake) == [("0001", "0001")]
    assert list(lake.generations.iterdir()) == [folder]


def test_old_generations_go_and_those_that_were_restated_stay(lake: Lake) -> None:
    folders = [put(lake, number) for number in range(6)]
    replaced = ("0001", FIRST + timedelta(days=2))
    prune(lake, 3, [replaced])
    assert sorted(lake.generations.iterdir()) == [folders[1], *folders[3:]]


def test_an_old_generation_that_cannot_be_removed_stops_no_run_and_doctor_names_it(lake: Lake) -> None:
    """A run by another user, once: its folders stay that user's."""
    oldest, *newer = (put(lake, number) for number in range(3))
    (oldest / "marts").chmod(0o500)
    with without_privileges():
        prune(lake, 2, [])
        with lake.lock():
            pass
    left = oldest.with_name(f".{oldest.name}.tmp")
    assert {*lake.generations.iterdir()} == {left, *newer}
    (line,) = (str(finding) for finding in left_behind(lake))
    assert line.startswith("look  lake")
    assert line.endswith(
        f"{left}: left by a run that ended early; the next run removes it, where owner and mode let it"
    )
    (left / "marts").chmod(0o700)
    with lake.lock():
        assert not [*left_behind(lake)], "a run is on: it may be its own"
    assert not left.exists()


def test_a_generation_that_is_open_is_read_on_after_it_was_removed(lake: Lake) -> None:
    put(lake, 1)
    with open_warehouse(lake.warehouse) as connection:
        put(lake, 2)
        prune(lake, 1, [])
        assert len(list(lake.generations.iterdir())) == 1
        assert connection.sql(LABEL).fetchall() == [("0001", "0001")]
    assert ids_read(lake) == [("0002", "0002")]


def test_a_link_to_a_folder_that_is_gone_is_an_error_and_not_a_first_load(lake: Lake) -> None:
    shutil.rmtree(put(lake, 1))
    with pytest.raises(R2kError, match=r"cannot be read: .*; next: restore it, or remove .*published"):
        last_generation(lake)


# Lakes of before


def alone(lake: Lake, number: int) -> None:
    """A DuckDB file as it was published before there were generations."""
    publish_warehouse(lake.warehouse, tables_of(lake, number)[0], (), "1GB")


def test_a_file_of_before_becomes_a_generation_with_its_tables(lake: Lake) -> None:
    alone(lake, 1)
    tables_of(lake, 9)  # a run that failed after it
    take_over(lake)
    assert lake.published.resolve().name == folder_name(FIRST + timedelta(days=1), "0001")
    assert ids_read(lake) == [("0001", "0001")]
    (file,) = lake.published_files("marts.trader_groups")
    assert TraderGroups.validate(pl.read_parquet(file))["label"].to_list() == ["0001"]
    Generation.validate(pl.read_parquet(lake.published_files("meta.generation")[0]))
    take_over(lake)
    put(lake, 2)
    assert ids_read(lake) == [("0002", "0002")]


def test_a_lake_that_was_copied_without_its_links_is_taken_over(lake: Lake, tmp_path: Path) -> None:
    put(lake, 1)
    copy = Lake.of(tmp_path / "copy", "files")
    shutil.copytree(lake.root, copy.root)
    assert copy.published.is_dir()
    assert not copy.published.is_symlink()
    take_over(copy)
    assert copy.published.is_symlink()
    assert ids_read(copy) == [("0001", "0001")]
    put(copy, 2)
    assert ids_read(copy) == [("0002", "0002")]


def as_a_folder(lake: Lake) -> Path:
    """`published` as a copy of the folder that its link leads to; `warehouse.duckdb` leads into it as before."""
    folder = lake.published.resolve()
    lake.published.unlink()
    return shutil.copytree(folder, lake.published)


@pytest.mark.parametrize("other", [lambda lake: None, lambda lake: lake.warehouse.unlink(),
                                   lambda lake: shutil.rmtree(lake.generations)])  # fmt: skip
def test_a_published_folder_beside_a_linked_file_is_taken_over(lake: Lake, other: Callable[[Lake], None]) -> None:
    put(lake, 1)
    as_a_folder(lake)
    other(lake)
    take_over(lake)
    assert lake.published.readlink() == Path("generations") / folder_name(FIRST + timedelta(days=1), "0001")
    assert lake.warehouse.is_symlink()
    assert ids_read(lake) == [("0001", "0001")]
    put(lake, 2)
    assert ids_read(lake) == [("0002", "0002")]


def test_a_published_folder_without_its_file_is_named_with_the_way_out(lake: Lake) -> None:
    put(lake, 1)
    (as_a_folder(lake) / "warehouse.duckdb").unlink()
    with pytest.raises(R2kError, match=r"published: a folder without warehouse.duckdb, .*remove .*published: the next"):
        take_over(lake)
    (lake.published / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(R2kError, match=r"its tables cannot be read.*remove .*published: the next run"):
        take_over(lake)


def test_a_folder_in_the_place_of_the_file_is_named(lake: Lake) -> None:
    put(lake, 1)
    lake.warehouse.unlink()
    lake.warehouse.mkdir()
    with pytest.raises(R2kError, match=r"warehouse\.duckdb: a folder, not a DuckDB file; next: move it away"):
        take_over(lake)


def test_a_file_that_cannot_be_read_is_named_with_the_way_out(lake: Lake) -> None:
    lake.derived.mkdir(parents=True)
    lake.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(R2kError, match=r"its tables cannot be read.*remove .*warehouse\.duckdb"):
        take_over(lake)
    lake.warehouse.unlink()
    duckdb.connect(lake.warehouse).close()
    with pytest.raises(R2kError, match="its tables cannot be read: Catalog Error"):
        take_over(lake)


# Killed and read in the middle

DIES: Final = """
import os, shutil, sys
from pathlib import Path
from r2k_pipeline.lake import Lake
from r2k_pipeline.generations import take_over
from tests.unit.test_generations import put
folder = Path(sys.argv[1])
for steps in range(40):
    lake = Lake.of(folder / str(steps), "files")
    shutil.copytree(folder / "lake", lake.root.parent, symlinks=True)
    child = os.fork()  # nothing was computed so far: there are no threads to lose
    if not child:
        left = [steps]
        def die(event, arguments):
            if event in ("os.rename", "os.link", "os.symlink", "os.mkdir") and str(lake.root) in str(arguments):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
        sys.addaudithook(die)
        {does}
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_a_run_killed_at_any_step_leaves_the_old_generation_or_the_new(tmp_path: Path) -> None:
    put(Lake.of(tmp_path / "lake", "files"), 1)
    subprocess.run([sys.executable, "-c", DIES.replace("{does}", "put(lake, 2)"), str(tmp_path)], check=True)
    seen = []
    for steps in range(len(list(tmp_path.iterdir())) - 1):
        lake = Lake.of(tmp_path / str(steps), "files")
        ((id_in_file, id_in_table),) = ids_read(lake)
        assert id_in_file == id_in_table
        seen.append(id_in_file)
        with lake.lock():
            assert [*lake.root.rglob(".*.tmp*")] == [], "swept"
        put(lake, 3)
        assert ids_read(lake) == [("0003", "0003")]
        assert {folder.name[-4:] for folder in lake.generations.iterdir()} == {"0001", id_in_file, "0003"}
    assert seen == sorted(seen), "the old one up to some step, the new one from there on"
    assert seen.count("0001") > 8
    assert seen[-1] == "0002"


def test_a_take_over_killed_at_any_step_loses_no_generation(tmp_path: Path) -> None:
    lake = Lake.of(tmp_path / "lake", "files")
    put(lake, 1)
    as_a_folder(lake)
    shutil.rmtree(lake.generations)
    subprocess.run([sys.executable, "-c", DIES.replace("{does}", "take_over(lake)"), str(tmp_path)], check=True)
    killed = len(list(tmp_path.iterdir())) - 1
    assert killed > 8
    for steps in range(killed):
        lake = Lake.of(tmp_path / str(steps), "files")
        with lake.lock():
            take_over(lake)
        last = last_generation(lake)
        assert last
        assert last.row["generation_id"] == "0001"
        assert ids_read(lake) == [("0001", "0001")]


def read_in_a_loop(folder: Path, done: Event, reads: Semaphore, seen: "Queue[list[str]]") -> None:
    """Open, read, close until `done`: `reads` is released each time; what went wrong is put in `seen`."""
    lake, wrong = Lake.of(folder, "files"), []
    while not done.is_set():
        reads.release()
        try:
            (pair,) = ids_read(lake)
            published = lake.published.resolve()
            labels = [pl.read_parquet(published / name)["label"][0] for name in
                      ("meta/generation.parquet", "marts/trader_groups.parquet")]  # fmt: skip
            wrong += [str(seen) for seen in (pair, labels) if len(set(seen)) > 1]
        except Exception as error:  # noqa: BLE001  (whatever a reader sees is what is counted)
            wrong.append(repr(error))
    seen.put(wrong)


def test_readers_during_publications_see_whole_generations_and_no_error(lake: Lake) -> None:
    put(lake, 0)
    context = multiprocessing.get_context("spawn")
    done, reads, seen = context.Event(), context.Semaphore(0), context.Queue()
    readers = [context.Process(target=read_in_a_loop, args=(lake.root.parent, done, reads, seen)) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 10):
        assert reads.acquire(timeout=60), "each publication has a reader beside it"
        put(lake, number)
        prune(lake, 3, [])
    done.set()
    assert [seen.get(timeout=30) for _ in readers] == [[], []]
    for reader in readers:
        reader.join()


def test_a_rebuilt_moment_that_the_lake_has_outgrown_is_told_and_read_from_the_newest(tmp_path: Path) -> None:
    """A row of its days that came later outgrows it; a later session, a revision and a merge of files do not."""
    as_of, built = FIRST, FIRST + timedelta(days=3)
    newest, rebuilt = Lake.of(tmp_path, "files"), Lake.of(tmp_path, "files", as_of)

    def record(day: str, close: float, later: int) -> None:
        stamp = built + timedelta(hours=later)
        newest.append(PriceBars, rows_of(PriceBars, [bar("^RUT", day, close, recorded_at=stamp.isoformat())]), stamp)

    record("2025-01-06", 2200.0, later=-1)
    put(newest, 1)
    row = {"generation_id": "then", "label": "files", "source": "files", "as_of": as_of.isoformat()}
    rebuilt.write(Generation, rows_of(Generation, [row | {"published_at": built.isoformat()}]))
    tables = {Generation: rebuilt.files(Generation.dotted())}
    publish_generation(rebuilt, tables, (), "1GB", folder_name(built, "then"))
    record("2025-01-06", 2201.0, later=1)
    record("2025-01-13", 2250.0, later=2)
    newest.compact(PriceBars, 1)
    assert outgrown(rebuilt) is None
    assert outgrown(newest) is None
    assert lake_as_of(tmp_path, "files", as_of) == rebuilt
    record("2025-01-03", 2190.0, later=3)
    said = outgrown(rebuilt)
    assert said is not None
    assert "rebuilt at 2025-01-10 22:00 UTC; 1 raw rows of days to 2025-01-07 were added since" in said
    assert f"next: r2k run --source files --lake {tmp_path} --as-of 2025-01-07T22:00:00Z" in said
    assert lake_as_of(tmp_path, "files", as_of) == newest
