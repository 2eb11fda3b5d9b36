"""The lake on disk: where tables live, atomic writes, the append-only log, the run lock.

Belongs here: every path and every byte that reaches the disk as Parquet. Not here: what is in a table
(contracts/), what is computed (transforms/, sql/), the published DuckDB file (warehouse.py).
"""

import fcntl
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from r2k_pipeline.contracts.table import LAYERS, TABLES, Table, parts_of

LOOK_SECONDS: Final = 0.3
"""Whoever looks whether a lake is held, has it for an instant: a run must not take that for another run."""
JOURNAL: Final = ".merged"
"""In a raw table's folder while its files are merged: the merged file's name, then the names it stands for."""


class LakeError(Exception):
    """The lake cannot be used as asked; the message names the file, the reason and the next command."""


class HeldError(LakeError):
    """Another process holds the lake's lock."""


@dataclass(frozen=True)
class Lake:
    """One source's lake: raw facts under `root`, derived tables under `derived` (a time machine has its own)."""

    root: Path
    derived: Path

    @classmethod
    def of(cls, folder: Path, source: str, as_of: datetime | None = None) -> "Lake":
        """The lake of one source; `as_of` puts the derived tables into a folder of that moment."""
        root = folder / source
        return cls(root, root if as_of is None else root / "as_of" / f"{as_of:%Y-%m-%dT%H%M%SZ}")

    @classmethod
    def at(cls, root: Path) -> "Lake":
        """The lake in this very folder."""
        return cls(root, root)

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file: a link to that of `published`."""
        return self.derived / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The link to the folder of the published generation, one of `generations`."""
        return self.derived / "published"

    @property
    def generations(self) -> Path:
        """The folders of the generations that are kept, each with a DuckDB file and its Parquet; none ever changes."""
        return self.derived / "generations"

    def published_files(self, table: str) -> list[Path]:
        """The Parquet of `layer.name` in the published generation; none before the first one."""
        return table_files(self.published.resolve(), table)

    def report(self, market: str | None = None) -> Path:
        """The folder of the published site; a site of one market is beside that of all."""
        return self.derived / ("report" if market is None else f"report-{market}")

    def cache(self, name: str) -> Path:
        """A folder for what a source keeps between runs (downloaded bodies, time zones): never data of record."""
        folder = self.root / "cache" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def files(self, table: str) -> list[Path]:
        """The Parquet files of `layer.name`, oldest first; raises LakeError for a file that cannot be one.

        A raw table is a folder of immutable files, a table that grows one of parts, any other table is one file. A
        flipped bit does not stop a Parquet reader, it changes values: so raw files are held against the digest in
        their names.
        """
        layer, name = table.split(".")
        if layer != "raw":
            found = table_files(self.derived, table)
        else:
            folder = self.root / layer / name
            merged = _superseded(folder)
            entries = folder.iterdir() if folder.is_dir() else ()
            found = sorted(entry for entry in entries if entry.name[0] != "." and entry.name not in merged)
        for file in found:
            if file.suffix != ".parquet" or file.stat().st_size < 12:
                remedy = "restore it or take it away" if layer == "raw" else "r2k run, which makes it anew"
                raise LakeError(f"{file}: not a Parquet file (empty, cut or foreign); next: {remedy}")
            if layer == "raw" and not _is_sound(file, file.stat().st_size, file.stat().st_mtime_ns):
                raise LakeError(f"{file}: content does not match the digest in its name; next: restore this file")
        return found

    def read(self, table: type[Table], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows of a table, `columns` or all of the contract in its order; no rows where nothing was written yet.

        A raw file that is older than a nullable column of its contract has null there.
        """
        files, wanted = self.files(table.dotted()), list(columns or table.column_names())
        if not files:
            return table.create_empty().select(wanted)
        try:
            # Polars opens a path more than once: a table that is replaced meanwhile would be half old, half new.
            return _rows_of(table, wanted, [file.read_bytes() for file in files])
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            remedy = "restore or take away the file that differs" if table.layer == "raw" else "r2k run"
            reason = str(error).splitlines()[0]
            raise LakeError(f"{table.dotted()}: cannot read {files[0].parent}: {reason}; next: {remedy}") from error

    def count(self, table: type[Table]) -> int:
        """Rows of a table, by the footers of its files."""
        return sum(pq.read_metadata(file).num_rows for file in self.files(table.dotted()))

    def write(self, table: type[Table], frame: pl.DataFrame) -> Path:
        """Replace a derived table in one rename, unless it is the same; the caller has validated the frame."""
        folder = self.derived / table.layer
        if table.grows:
            return self.write_parts(table, frame, [])
        _write_table(folder / f"{table.table}.parquet", frame)
        return folder / f"{table.table}.parquet"

    def write_parts(self, table: type[Table], frame: pl.DataFrame, kept: Sequence[Path]) -> Path:
        """Replace a table that grows: the parts that `frame` has, and those `kept` of the published generation."""
        folder = self.derived / table.layer / table.table
        folder.with_name(f"{table.table}.parquet").unlink(missing_ok=True)  # of a version without parts
        parts = dict(parts_of(frame)) if kept or frame.height else {"0.parquet": frame}
        for name, part in parts.items():
            _write_table(folder / name, part)
        for file in kept:
            if not ((target := folder / file.name).exists() and target.samefile(file)):
                target.unlink(missing_ok=True)
                link_or_copy(file, target)
        for stale in {file.name for file in folder.glob("*.parquet")} - {*parts, *(file.name for file in kept)}:
            (folder / stale).unlink()
        fsync_folder(folder)
        return folder

    def append(self, table: type[Table], frame: pl.DataFrame, recorded_at: datetime) -> Path | None:
        """Add one immutable file to a raw log, named by moment and content; nothing for no rows."""
        if frame.is_empty():
            return None
        body = _parquet(frame)
        name = f"{recorded_at:%Y%m%dT%H%M%S%f}-{_digest(body)}.parquet"
        file = self.root / table.layer / table.table / name
        write_atomically(file, body, lambda temporary: _same_rows(temporary, frame.height))
        return file

    def compact(self, table: type[Table], most_files: int) -> None:
        """Merge the files of a raw log into one, sorted by key, where it has more than `most_files`; no row is lost.

        A journal names the merged file and those it stands for before the one rename that puts it in their place:
        `files` never lists both, whenever the process dies; the next lock clears away what is left.
        """
        files = self.files(table.dotted())
        if len(files) <= most_files:
            return
        rows = self.read(table).sort(table.primary_key())
        body = _parquet(rows)
        merged = files[-1].with_name(f"{files[-1].name.partition('-')[0]}-{_digest(body)}.parquet")
        names = [merged.name, *(file.name for file in files if file != merged)]
        write_atomically(merged.with_name(JOURNAL), "\n".join(names).encode(), lambda _: None)
        write_atomically(merged, body, lambda temporary: _same_rows(temporary, rows.height))
        _clear_superseded(merged.parent)

    def hold(self, table: type[Table], item: str, frame: pl.DataFrame) -> None:
        """Keep rows of one item aside until they are accepted, in place of those held before; no rows: hold none."""
        file = self.root / "held" / table.table / f"{quote(item, safe='^=')}.parquet"
        if frame.is_empty():
            file.unlink(missing_ok=True)
        else:
            write_atomically(file, _parquet(frame), lambda temporary: _same_rows(temporary, frame.height))

    def held(self) -> dict[tuple[str, str], Path]:
        """The file of rows held aside by table (`raw.name`) and item."""
        files = sorted((self.root / "held").glob("*/*.parquet"))
        return {(f"raw.{file.parent.name}", unquote(file.stem)): file for file in files}

    def read_held(self, table: type[Table], file: Path) -> pl.DataFrame:
        """The rows of one file of `held`; raises LakeError where it is damaged."""
        try:
            return _rows_of(table, table.column_names(), [file.read_bytes()])
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise LakeError(f"{file}: cannot be read: {error}; next: take it away, `r2k run` holds it anew") from error

    def damaged(self) -> list[str]:
        """Raw files without the digest of their content in their name, unreadable derived tables and held rows."""
        found = []
        for (name, _), held in self.held().items():
            try:
                self.read_held(TABLES[name], held)
            except LakeError as error:
                found.append(str(error))
        for file in sorted((self.root / "raw").glob("*/[!.]*")):
            if file.suffix != ".parquet" or _digest(file.read_bytes()) != _promised(file):
                found.append(f"{file}: content does not match the digest in its name; next: restore or take it away")
        for layer in LAYERS:
            for file in sorted((self.derived / layer).rglob("*.parquet")):
                try:
                    pq.ParquetFile(file).read()
                except (OSError, ValueError) as error:
                    found.append(f"{file}: {error}; `r2k run` rebuilds it from raw")
        return found

    @contextmanager
    def lock(self, wait_seconds: float = 0, run_id: str = "") -> Iterator[None]:
        """Hold the lake for one run by an OS lock that dies with the process; raises LakeError with the holder.

        What a killed run left behind (temporary files, a merge half done) is swept once the lock is held.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LakeError(f"{self.root}: cannot be written: {error.strerror}; next: set R2K_LAKE") from error
        try:
            _acquire(descriptor, wait_seconds, self.root)
            os.ftruncate(descriptor, 0)
            holder = f"process {os.getpid()}" + (f"\nrun {run_id}" if run_id else "")
            os.pwrite(descriptor, holder.encode(), 0)
            for stray in [*self.root.rglob(".*.tmp*")]:
                remove(stray)
            for journal in self.root.glob(f"raw/*/{JOURNAL}"):
                _clear_superseded(journal.parent)
            yield
        finally:
            os.close(descriptor)

    def holder(self) -> str | None:
        """Which process and run hold the lake now; None where none does."""
        try:
            stream = (self.root / ".lock").open()
        except FileNotFoundError:
            return None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return stream.read() or "another process"
        return None


def _acquire(descriptor: int, wait_seconds: float, root: Path) -> None:
    deadline = time.monotonic() + max(wait_seconds, LOOK_SECONDS)
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 100, 0).decode().partition("\n")[0] or "another process"
                raise HeldError(
                    f"{root}: another run holds this lake ({holder}); next: wait for it, or set R2K_LOCK_WAIT_SECONDS"
                ) from None
            time.sleep(0.1)


def _rows_of(table: type[Table], wanted: Sequence[str], bodies: Sequence[bytes]) -> pl.DataFrame:
    """Columns of Parquet files; null where a file lacks a nullable one. Raises PolarsError for any other difference."""
    columns = table.columns()
    required = {name for name in wanted if not columns[name].nullable}
    for body in bodies:
        if lacking := required - pl.read_parquet_schema(body).keys():
            raise pl.exceptions.ColumnNotFoundError(f"no column {', '.join(sorted(lacking))}")
    schema = {name: columns[name].dtype for name in wanted}
    scan = pl.scan_parquet(list(bodies), schema=schema, missing_columns="insert", extra_columns="ignore")
    return scan.select(wanted).collect()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _promised(file: Path) -> str:
    """The digest in a raw file's name."""
    return file.stem.rpartition("-")[2]


@cache
def _is_sound(file: Path, size: int, modified_ns: int) -> bool:  # noqa: ARG001  (a changed file is asked again)
    """Whether a raw file has the content its name promises; read once per process."""
    return _digest(file.read_bytes()) == _promised(file)


def _superseded(folder: Path) -> set[str]:
    """Names of raw files whose rows are in a merged file that is there: no longer part of the table."""
    try:
        merged, *names = (folder / JOURNAL).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return set()
    return set(names) if (folder / merged).exists() else set()


def _clear_superseded(folder: Path) -> None:
    """End a merge, also one that a killed process left: the journal goes last."""
    for name in _superseded(folder):
        (folder / name).unlink(missing_ok=True)
    fsync_folder(folder)
    (folder / JOURNAL).unlink()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True)
    return buffer.getvalue()


def _same_rows(file: Path, rows: int) -> None:
    """Read the footer back: what is on disk must be the Parquet file that was meant."""
    written = pq.read_metadata(file).num_rows
    if written != rows:
        raise LakeError(f"{file}: {rows} rows were to be written, {written} are there; next: check the disk")


def write_atomically(file: Path, body: bytes, verify: Callable[[Path], None]) -> None:
    """temp file in the same folder -> write -> fsync -> verify -> rename -> fsync folder; no trace on failure."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        verify(temporary)
        temporary.replace(file)
        fsync_folder(file.parent)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or error
        raise LakeError(f"{file}: not written, the old one stays: {reason}; next: check the disk") from error
    finally:
        with suppress(NotADirectoryError):  # a parent that is a file: nothing was begun
            temporary.unlink(missing_ok=True)


def table_files(folder: Path, table: str) -> list[Path]:
    """The Parquet of `layer.name` below `folder`: one file, or the parts of a table that grows in their order."""
    file = folder / table.replace(".", "/")
    if (whole := file.with_name(f"{file.name}.parquet")).exists():
        return [whole]
    return sorted(file.glob("[!.]*"))


def _write_table(file: Path, frame: pl.DataFrame) -> None:
    """Replace a file, unless it is the same."""
    body = _parquet(frame)
    if not (file.is_file() and file.read_bytes() == body):
        write_atomically(file, body, lambda temporary: _same_rows(temporary, frame.height))


def link_or_copy(file: Path, target: Path) -> None:
    """The same file under a second name, as a copy where the disk has no hard links: files of tables never change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, in one rename over the link or file that was there."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    fsync_folder(link.parent)


def remove(path: Path) -> None:
    """Take away a file, a link or a folder with all that is in it; a folder is hidden first, so that none is half."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    hidden = path if path.name.startswith(".") else path.rename(path.with_name(f".{path.name}.tmp"))
    shutil.rmtree(hidden)


def fsync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
