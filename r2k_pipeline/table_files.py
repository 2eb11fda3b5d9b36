"""The Parquet files of a derived table: found, written, and put in place together.

Belongs here: one file or parts, and what is on disk against what was meant. Not here: which tables a lake has, raw
(lake.py).
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from r2k_pipeline.contracts.table import Table, parts_of
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import digest_of, discard, explained, fsync, link_or_copy, put_in_place, write_atomically

OLDEST: Final = pl.CompatLevel.oldest()
"""Text in the layout that Arrow's Parquet writer takes."""
UNREADABLE: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What reading a damaged Parquet file raises."""


class Whole:
    """A derived table of one file on its way to the disk.

    Rows that come a part at a time are written as they come: they are never in memory together.
    """

    def __init__(self, table: type[Table], layer: Path) -> None:
        self._file = layer / f"{table.table}.parquet"
        self._building = layer / f".{table.table}.tmp"
        self._first: pl.DataFrame = table.create_empty()
        self._height = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, frame: pl.DataFrame, bucket: int = 0, kept: Sequence[Path] = ()) -> None:  # noqa: ARG002
        """Validated rows: all, or the next ones."""
        if bucket == 0:
            self._first = frame
        else:
            self._write(frame)

    def finish(self) -> None:
        """Put the file in place. One whose content would not change stays: the published generation links to it."""
        if self._writer is None:
            _write_unless_same(self._file, self._file, self._first)
            return
        with explained(self._file):
            self._writer.close()
            if not (self._file.is_file() and digest_of(self._file) == digest_of(self._building)):
                put_in_place(self._building, self._file, lambda written: check_rows(written, self._height))

    def abandon(self) -> None:
        """Remove files that were not put in place."""
        if self._writer is not None:
            discard(self._building)

    def _write(self, frame: pl.DataFrame) -> None:
        with explained(self._file):
            if self._writer is None:
                self._building.parent.mkdir(parents=True, exist_ok=True)
                schema = self._first.to_arrow(compat_level=OLDEST).schema
                self._writer = pq.ParquetWriter(self._building, schema, compression="zstd", compression_level=1)
                self._append(self._first)
                self._first = self._first.clear()
            self._append(frame)

    def _append(self, frame: pl.DataFrame) -> None:
        assert self._writer is not None
        self._writer.write_table(frame.to_arrow(compat_level=OLDEST))
        self._height += frame.height


class Parts:
    """A derived table that grows on its way to the disk: its parts, put in place together.

    A part whose content would not change is kept: the published generation has a hard link to it.
    """

    def __init__(self, table: type[Table], layer: Path) -> None:
        self._table, self._folder = table, layer / table.table
        self._building = layer / f".{table.table}.tmp"
        self._same: set[str] = set()
        self._kept: list[Path] = []

    def add(self, frame: pl.DataFrame, bucket: int = 0, kept: Sequence[Path] = ()) -> None:
        """Validated rows of one bucket, beside parts that are `kept` of a generation."""
        self._kept += kept
        for name, part in parts_of(frame, bucket):
            self._write(name, part)

    def finish(self) -> None:
        """Put the files in place."""
        if not (self._same or self._kept or self._building.exists()):
            self._write("0.parquet", self._table.create_empty())
        self._folder.mkdir(parents=True, exist_ok=True)
        written = {file.name: file for file in self._building.glob("*")}
        for name, file in written.items():
            file.replace(self._folder / name)
        for file in self._kept:
            if not ((target := self._folder / file.name).exists() and target.samefile(file)):
                target.unlink(missing_ok=True)
                link_or_copy(file, target)
        stays = {*written, *self._same, *(file.name for file in self._kept)}
        for stale in {file.name for file in self._folder.glob("*.parquet")} - stays:
            (self._folder / stale).unlink()
        self._folder.with_name(f"{self._table.table}.parquet").unlink(missing_ok=True)  # of a version without parts
        fsync(self._folder)

    def abandon(self) -> None:
        """Remove files that were not put in place."""
        discard(self._building)

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        if not _write_unless_same(self._folder / name, self._building / name, frame):
            self._same.add(name)


def table_files(folder: Path, table: str) -> list[Path]:
    """The Parquet of `layer.name` below `folder`: one file, or the parts of a table that grows in their order."""
    file = folder / table.replace(".", "/")
    if (whole := file.with_name(f"{file.name}.parquet")).exists():
        return [whole]
    return sorted(file.glob("[!.]*"))


def parquet_of(frame: pl.DataFrame) -> bytes:
    """The bytes of a Parquet file with these rows."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True)
    return buffer.getvalue()


def read_fault(file: Path) -> str | None:
    """Why a Parquet file cannot be read to its end; None if it can."""
    try:
        with pq.ParquetFile(file) as stream:
            for group in range(stream.num_row_groups):
                stream.read_row_group(group)
    except (OSError, ValueError) as error:
        return str(error)
    return None


def check_rows(file: Path, rows: int) -> None:
    """Read the footer back and compare its number of rows with what was written."""
    written = pq.read_metadata(file).num_rows
    if written != rows:
        raise R2kError(file, f"{rows} rows were to be written, {written} are there", "check the disk")


def _write_unless_same(before: Path, file: Path, frame: pl.DataFrame) -> bool:
    """Write `file`, unless the one from before is the same; whether it was written."""
    body = parquet_of(frame)
    if before.is_file() and before.read_bytes() == body:
        return False
    write_atomically(file, body, lambda written: check_rows(written, frame.height))
    return True
