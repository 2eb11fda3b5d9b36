"""The lake on disk: where tables live, atomic writes, the append-only log, the run lock.

Belongs here: every path and every byte that reaches the disk as Parquet. Not here: what is in a table
(contracts/), what is computed (transforms/, sql/), the published DuckDB file (warehouse.py).
"""

import fcntl
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from r2k_pipeline.contracts.table import Table


class LakeError(Exception):
    """The lake cannot be used as asked; the message names the file, the reason and the next command."""


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

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file."""
        return self.derived / "warehouse.duckdb"

    def cache(self, name: str) -> Path:
        """A folder for what a source keeps between runs (downloaded bodies, time zones): never data of record."""
        folder = self.root / "cache" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def files(self, table: str) -> list[Path]:
        """The Parquet files of `layer.name`, oldest first; raises LakeError for a file that cannot be one.

        A raw table is a folder of immutable files, any other table is one file.
        """
        layer, name = table.split(".")
        if layer != "raw":
            file = self.derived / layer / f"{name}.parquet"
            found = [file] if file.exists() else []
        else:
            folder = self.root / layer / name
            found = sorted(entry for entry in folder.iterdir() if entry.name[0] != ".") if folder.is_dir() else []
        for file in found:
            if file.suffix != ".parquet" or file.stat().st_size < 12:
                raise LakeError(f"{file}: not a Parquet file (empty, cut or foreign); next: r2k doctor")
        return found

    def read(self, table: type[Table]) -> pl.DataFrame:
        """All rows of a table in contract order; no rows where nothing was written yet."""
        files = self.files(table.dotted())
        if not files:
            return table.create_empty()
        try:
            return pl.read_parquet(files, memory_map=False).select(table.column_names())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise LakeError(f"{table.dotted()}: cannot read {files[0].parent}: {error}; next: r2k doctor") from error

    def write(self, table: type[Table], frame: pl.DataFrame) -> Path:
        """Replace a derived table in one rename; the caller has validated the frame."""
        file = self.derived / table.layer / f"{table.table}.parquet"
        write_atomically(file, _parquet(frame), lambda temporary: _same_rows(temporary, frame.height))
        return file

    def append(self, table: type[Table], frame: pl.DataFrame, recorded_at: datetime) -> Path | None:
        """Add one immutable file to a raw log, named by moment and content; nothing for no rows."""
        if frame.is_empty():
            return None
        body = _parquet(frame)
        digest = hashlib.sha256(body).hexdigest()[:16]
        file = self.root / table.layer / table.table / f"{recorded_at:%Y%m%dT%H%M%S%f}-{digest}.parquet"
        write_atomically(file, body, lambda temporary: _same_rows(temporary, frame.height))
        return file

    def damaged(self) -> list[str]:
        """Raw files whose content no longer has the digest in their name, and unreadable derived tables."""
        found = []
        for file in sorted((self.root / "raw").rglob("*.parquet")):
            if hashlib.sha256(file.read_bytes()).hexdigest()[:16] != file.stem.rpartition("-")[2]:
                found.append(f"{file}: content does not match the digest in its name")
        for layer in ("staging", "features", "marts", "meta"):
            for file in sorted((self.derived / layer).glob("*.parquet")):
                try:
                    pq.ParquetFile(file).read()
                except (OSError, ValueError) as error:
                    found.append(f"{file}: {error}; `r2k run` rebuilds it from raw")
        return found

    @contextmanager
    def lock(self, wait_seconds: float = 0) -> Iterator[None]:
        """Hold the lake for one run by an OS lock that dies with the process; raises LakeError with the holder.

        Temporary files that a killed run left behind are swept once the lock is held.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _acquire(descriptor, wait_seconds, self.root)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            for stray in self.root.rglob(".*.tmp"):
                stray.unlink()
            yield
        finally:
            os.close(descriptor)


def _acquire(descriptor: int, wait_seconds: float, root: Path) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 100, 0).decode() or "another process"
                raise LakeError(
                    f"{root}: another run holds this lake ({holder}); next: wait for it, or set R2K_LOCK_WAIT_SECONDS"
                ) from None
            time.sleep(0.1)


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
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        verify(temporary)
        temporary.replace(file)
        fsync_folder(file.parent)
    except OSError as error:
        raise LakeError(f"{file}: not written, the old one stays: {error.strerror}; next: free the disk") from error
    finally:
        temporary.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
