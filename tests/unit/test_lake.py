"""The lake on disk: a write is whole or not at all, the log only grows, damage is named, one run at a time."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import disk_error, write_atomically
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.query import Answer, save_answer
from r2k_pipeline.report.site.replace_folder import swap_in
from r2k_pipeline.tables.cot_releases import CotReleases
from tests.processes import without_privileges
from tests.sql.rows import rows_of

NOW: Final = datetime(2025, 1, 7, 12, 30, 15, 250, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.of(tmp_path, "files")


def actions(*amounts: float) -> pl.DataFrame:
    """One dividend a day, typed as raw.price_actions."""
    days = [date(2025, 1, day) for day in range(1, len(amounts) + 1)]
    return PriceActions.validate(
        pl.DataFrame({"action_date": days, "amount": amounts}).select(
            pl.lit("IWM").alias("symbol"),
            "action_date",
            pl.lit("dividend").alias("kind"),
            pl.lit(NOW).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
            pl.col("amount").cast(pl.Float64),
            pl.lit("test").alias("source"),
            pl.lit(False).alias("is_withdrawn"),
        )
    )


def releases(count: int) -> pl.DataFrame:
    """As many reports, typed as staging.cot_releases."""
    days = pl.date_range(date(2020, 1, 7), date(2030, 1, 1), "1w", eager=True).head(count)
    return CotReleases.validate(
        pl.DataFrame({"report_date": days}).with_columns(
            **dict.fromkeys(
                ("released_at", "scheduled_at"),
                pl.col("report_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            ),
            release_basis=pl.lit("scheduled"),
            reason=pl.lit("rule"),
            provenance=pl.lit("test"),
        )
    )


def entries(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its content, hidden ones too."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Where things are


def test_each_source_and_each_moment_has_a_lake_of_its_own(tmp_path: Path) -> None:
    files, sample = Lake.of(tmp_path, "files"), Lake.of(tmp_path, "sample")
    replay = Lake.of(tmp_path, "files", datetime(2025, 3, 14, 20, tzinfo=UTC))
    assert len({files.root, sample.root}) == 2
    assert replay.root == files.root, "a time machine reads the same raw log"
    assert replay.warehouse == tmp_path / "files" / "as_of" / "2025-03-14T200000Z" / "warehouse.duckdb"


def test_a_table_that_was_never_written_has_no_rows(lake: Lake) -> None:
    for table in (PriceActions, CotReleases):
        assert lake.read(table).equals(table.create_empty())
    assert lake.files("raw.price_actions") == []


# Writing


def test_a_derived_table_is_replaced_whole(lake: Lake) -> None:
    lake.write(CotReleases, releases(3))
    lake.write(CotReleases, releases(2))
    assert lake.read(CotReleases).equals(releases(2))
    assert list(entries(lake.root)) == ["staging/cot_releases.parquet"]


def test_the_log_only_grows_and_its_files_are_named_by_moment_and_content(lake: Lake) -> None:
    first = lake.append(PriceActions, actions(1.0), NOW)
    before = entries(lake.root / "raw")
    second = lake.append(PriceActions, actions(1.0, 2.0), NOW.replace(hour=13))
    assert first is not None
    assert second is not None
    assert first.name.startswith("20250107T123015000250-")
    assert entries(lake.root / "raw").items() > before.items(), "what was there is there, byte for byte"
    assert lake.read(PriceActions)["amount"].to_list() == [1.0, 1.0, 2.0], "oldest first"


def test_the_same_rows_at_the_same_moment_are_the_same_file(lake: Lake) -> None:
    assert lake.append(PriceActions, actions(1.0), NOW) == lake.append(PriceActions, actions(1.0), NOW)
    assert lake.append(PriceActions, actions(2.0), NOW) not in (None, lake.append(PriceActions, actions(1.0), NOW))
    assert len(lake.files("raw.price_actions")) == 2


def test_no_rows_add_no_file(lake: Lake) -> None:
    assert lake.append(PriceActions, PriceActions.create_empty(), NOW) is None
    assert entries(lake.root) == {}


def refuse(_: Path) -> None:
    raise R2kError("not what was meant")


def fails_with(number: int) -> Callable[[Path], None]:
    def fail(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def no_parquet(file: Path) -> None:
    import pyarrow.parquet as pq

    pq.read_metadata(file)


@pytest.mark.parametrize(
    ("verify", "said"),
    [
        (refuse, "not what was meant"),
        (fails_with(errno.ENOSPC), "not written, the old one stays: No space left on device; next: free space on"),
        (fails_with(errno.EROFS), "the old one stays: Read-only file system; next: make that disk writable"),
        (fails_with(errno.EIO), "not written, the old one stays: Input/output error; next: check the disk"),
        (no_parquet, "not written, the old one stays: .*Parquet.*; next:"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file_and_no_trace(
    tmp_path: Path, verify: Callable[[Path], None], said: str
) -> None:
    file = tmp_path / "table.parquet"
    write_atomically(file, b"old", lambda _: None)
    with pytest.raises(R2kError, match=said):
        write_atomically(file, b"new and longer", verify)
    assert entries(tmp_path) == {"table.parquet": b"old"}


@pytest.mark.parametrize(
    "write",
    [
        lambda file: write_atomically(file, b"new", lambda _: None),
        lambda file: swap_in(file, {"index.html": b"new"}),
        lambda file: save_answer(Answer(BytesIO(b"new"), 1, "files", is_sample=False), file),
    ],
)
def test_what_cannot_be_taken_away_does_not_hide_why_nothing_was_written(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """As on a disk that is read-only: the parent lets go of no name and takes none."""
    (tmp_path / "parent").write_bytes(b"a file")
    with pytest.raises(R2kError, match=r"not written.*; next: check the disk"):
        write(tmp_path / "parent" / "file")


def test_what_duckdb_says_of_a_full_disk_is_what_the_system_says(tmp_path: Path) -> None:
    """DuckDB's words of such a publication: they invalidate no file that anybody reads."""
    said = """IO Error: Checkpoint failed for database "warehouse". The database has been invalidated.
        Original error: Could not write file "/lake/.warehouse.duckdb.7.tmp": No space left on device"""
    told = disk_error(tmp_path, "not published, the old one stays", duckdb.IOException(said), "run again")
    assert str(told) == (
        f"{tmp_path}: not published, the old one stays: No space left on device; "
        "next: free space on that disk, or inodes (df -h, df -i)"
    )
    other = disk_error(tmp_path, "not published, the old one stays", duckdb.IOException("torn\npage"), "run again")
    assert str(other).endswith(": torn; next: run again")


def test_what_a_run_left_and_cannot_be_removed_is_named(lake: Lake) -> None:
    left = lake.root / "features" / ".levels.tmp"
    left.mkdir(parents=True)
    (left / "0-2020.parquet").touch()
    left.chmod(0o500)
    with without_privileges():
        said = rf"{left}: cannot be removed: Permission denied; next: check owner and mode"
        with pytest.raises(R2kError, match=said), lake.lock():
            pytest.fail("parts of a run that died would become rows of the table")
        assert lake.holder() is None


def test_each_moment_has_a_folder_of_its_own(tmp_path: Path) -> None:
    second = datetime(2025, 3, 14, 20, tzinfo=UTC)
    folders = [
        Lake.of(tmp_path, "files", moment).derived.name for moment in (second, second + timedelta(microseconds=1))
    ]
    assert folders == ["2025-03-14T200000Z", "2025-03-14T200000.000001Z"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to make a file longer, as it does on a full disk (Python ignores the signal)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_half_a_file_leaves_the_old_one(lake: Lake) -> None:
    lake.write(CotReleases, releases(3))
    before = entries(lake.root)
    refused = pytest.raises(R2kError, match=r"cot_releases\.parquet: not written, the old one stays: File too large")
    with refused, files_of_at_most(1000):
        lake.write(CotReleases, releases(500))
    assert entries(lake.root) == before
    assert lake.read(CotReleases).equals(releases(3))


def write_in_parts(lake: Lake, rows: pl.DataFrame) -> None:
    with lake.replacing(CotReleases) as replaced:
        for number, part in enumerate(rows.iter_slices(200)):
            replaced.add(part, number)
        replaced.finish()


def test_rows_that_come_in_parts_are_one_file_in_their_order(lake: Lake) -> None:
    write_in_parts(lake, releases(500))
    assert [file.name for file in lake.files("staging.cot_releases")] == ["cot_releases.parquet"]
    assert lake.read(CotReleases).equals(releases(500))
    (written,) = lake.files("staging.cot_releases")
    before = written.stat()
    write_in_parts(lake, releases(500))
    assert os.path.samestat(before, written.stat()), "the same content: the published generation links to it"
    write_in_parts(lake, releases(450))
    assert lake.read(CotReleases).equals(releases(450))
    assert [*entries(lake.root)] == ["staging/cot_releases.parquet"]


def test_a_disk_that_takes_some_of_the_parts_leaves_the_old_file(lake: Lake) -> None:
    lake.write(CotReleases, releases(3))
    before = entries(lake.root)
    refused = pytest.raises(R2kError, match=r"cot_releases\.parquet: not written, the old one stays: .*; next:")
    with refused, files_of_at_most(1000):
        write_in_parts(lake, releases(500))
    assert entries(lake.root) == before


def test_a_lake_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file where the lake should be")
    lake = Lake.of(tmp_path, "files")
    with pytest.raises(R2kError, match="not written, the old one stays: Not a directory"):
        lake.write(CotReleases, releases(1))
    with pytest.raises(R2kError, match=r"cannot be written: File exists; next: set R2K_LAKE"), lake.lock():
        pytest.fail("nothing to hold")


def test_readers_see_the_old_table_or_the_new_and_nothing_between(lake: Lake) -> None:
    lake.write(CotReleases, releases(1))
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(lake.read(CotReleases).height)

    reader = threading.Thread(target=read)
    reader.start()
    for count in (400, 1) * 25:
        lake.write(CotReleases, releases(count))
    done.set()
    reader.join()
    assert seen <= {1, 400}


# Damage


@pytest.fixture
def logged(lake: Lake) -> Path:
    """The one raw file of a lake that is well."""
    file = lake.append(PriceActions, actions(*map(float, range(1, 29))), NOW)
    lake.write(CotReleases, releases(100))
    assert file is not None
    assert lake.damaged() == []
    return file


def flip_a_bit(body: bytes) -> bytes:
    at = len(body) // 3
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


DAMAGE: Final = {
    "flipped bit": flip_a_bit,
    "truncated": lambda body: body[:-20],
    "zero bytes": lambda _: b"",
    "foreign content": lambda _: b"PAR1, but not quite a table PAR1",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_raw_file_is_named_and_never_read(lake: Lake, logged: Path, damage: Callable[[bytes], bytes]) -> None:
    """A Parquet reader takes most flipped bits for values: about one in five changes a number without an error."""
    logged.write_bytes(damage(logged.read_bytes()))
    (problem,) = lake.damaged()
    assert problem.startswith(str(logged))
    assert "next:" in problem
    for use in (lambda: lake.read(PriceActions), lambda: lake.files("raw.price_actions")):
        with pytest.raises(R2kError, match=logged.name):
            use()


def test_a_file_that_is_whole_again_is_read_again(lake: Lake, logged: Path) -> None:
    body = logged.read_bytes()
    written_at = logged.stat().st_mtime_ns

    def write(content: bytes, later: int) -> None:
        logged.write_bytes(content)
        os.utime(logged, ns=(written_at, written_at + later))  # the system's clock may not have moved on since

    write(flip_a_bit(body), later=1)
    with pytest.raises(R2kError):
        lake.read(PriceActions)
    write(body, later=2)
    assert lake.read(PriceActions).height == 28


@pytest.mark.parametrize("name", ["notes.txt", "20250107T123015000250-0000000000000000.parquet", "copy.parquet"])
def test_a_foreign_file_among_raw_files_is_named(lake: Lake, logged: Path, name: str) -> None:
    foreign = logged.with_name(name)
    foreign.write_bytes(logged.read_bytes())
    assert [problem.split(": ")[0] for problem in lake.damaged()] == [str(foreign)]
    with pytest.raises(R2kError, match=name):
        lake.read(PriceActions)


def test_a_power_cut_loses_no_file_that_is_set_aside(
    lake: Lake, logged: Path, is_flushed: Callable[[Path], bool]
) -> None:
    lake.set_aside(logged)
    (aside,) = lake.aside.glob("*/*")
    assert is_flushed(aside.parent)


def test_a_raw_file_that_is_older_than_a_column_has_null_there(lake: Lake) -> None:
    log = rows_of(FetchLog, [{"item": "^RUT", "fetched_at": NOW.isoformat()}])
    lake.append(FetchLog, log.drop("shows_from", "shows_until"), NOW)
    assert lake.read(FetchLog)["shows_from"].to_list() == [None]
    lake.append(FetchLog, log, NOW.replace(hour=13))
    assert lake.read(FetchLog).equals(pl.concat([log, log]))
    assert lake.read(FetchLog, ("shows_until", "item")).columns == ["shows_until", "item"]


def test_a_raw_file_without_a_column_that_must_be_there_is_named(lake: Lake) -> None:
    log = rows_of(FetchLog, [{"item": "^RUT", "fetched_at": NOW.isoformat()}])
    lake.append(FetchLog, log.drop("rows_read"), NOW)
    with pytest.raises(R2kError, match=r"raw\.fetch_log: cannot read .*: no column rows_read; next: restore"):
        lake.read(FetchLog)


@pytest.mark.parametrize("damage", [DAMAGE["truncated"], DAMAGE["zero bytes"]], ids=["truncated", "zero bytes"])
def test_an_unreadable_derived_table_is_named(lake: Lake, logged: Path, damage: Callable[[bytes], bytes]) -> None:
    (file,) = lake.files("staging.cot_releases")
    file.write_bytes(damage(file.read_bytes()))
    (problem,) = lake.damaged()
    assert problem.startswith(str(file))
    assert f"next: r2k run --files DIR{lake.where}, which rebuilds it" in problem
    with pytest.raises(R2kError, match=r"cot_releases.*next: r2k run"):
        lake.read(CotReleases)


# One run at a time


def test_a_second_run_is_told_who_holds_the_lake(lake: Lake) -> None:
    told = pytest.raises(R2kError, match=rf"another run holds this lake \(process {os.getpid()}\); next: wait")
    with lake.lock(), told, lake.lock():
        pytest.fail("held twice")
    with lake.lock():
        """Free again."""


def test_a_run_may_wait_for_the_lake(lake: Lake) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lake.lock():
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.2, free.set).start()
    with lake.lock(wait_seconds=10):
        assert free.is_set()
    holder.join()


def test_lakes_of_two_sources_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with Lake.of(tmp_path, "files").lock(), Lake.of(tmp_path, "sample").lock():
        """Both held."""


HOLDER: Final = """
import sys, time
from pathlib import Path
from r2k_pipeline.lake import Lake
with Lake.of(Path(sys.argv[1]), "files").lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_frees_the_lake_and_the_next_sweeps_up_after_it(lake: Lake, logged: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(lake.root.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(R2kError, match=rf"\(process {holder.pid}\)"), lake.lock():
            pytest.fail("held twice")
        before = entries(lake.root)
        for stray in (
            logged.with_name(f".{logged.name}.{holder.pid}.tmp"),
            lake.root / f".warehouse.duckdb.{holder.pid}.tmp",
            lake.root / f".warehouse.duckdb.{holder.pid}.tmp.wal",
        ):
            stray.write_bytes(b"half")
        assert len(lake.files("raw.price_actions")) == 1, "readers do not see half files"
        holder.send_signal(signal.SIGKILL)
    started = time.monotonic()
    with lake.lock():
        assert time.monotonic() - started < 1
        after = entries(lake.root)
    assert after.pop(".lock") == f"process {os.getpid()}".encode()
    assert before.pop(".lock") == f"process {holder.pid}".encode()
    assert after == before, "the strays are gone and nothing else"
