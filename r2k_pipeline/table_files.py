"""The Parquet files of a derived table: found, written, and put in place together.

Belongs here: one file or parts, and what is on disk against what was meant. Not here: which tables a lake has, raw
(lake.py).
"""

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from r2k_pipeline.contracts.table import Table, parts_of
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import fsync_folder, link_or_copy, remove, write_atomically


class Replaced:
    """A derived table on its way to the disk: its file, or the parts of one that grows, put in place together.

    A file whose content would not change is kept: the published generation has a hard link to it.
    """

    def __init__(self, table: type[Table], layer: Path) -> None:
        self._table, self._folder = table, layer / table.table
        self._building = layer / f".{table.table}.tmp"
        self._rows: pl.DataFrame = table.create_empty()
        self._same: set[str] = set()
        self._kept: list[Path] = []

    def add(self, frame: pl.DataFrame, bucket: int = 0, kept: Sequence[Path] = ()) -> None:
        """Validated rows: all of a table, or those of one bucket beside parts that are `kept` of a generation."""
        if not self._table.grows:
            self._rows = frame
            return
        self._kept += kept
        for name, part in parts_of(frame, bucket):
            self._write(name, part)

    def finish(self) -> None:
        """Put the files in place."""
        whole = self._folder.with_name(f"{self._table.table}.parquet")
        if not self._table.grows:
            _write_unless_same(whole, whole, self._rows)
            return
        if not (self._same or self._kept or self._building.exists()):
            self._write("0.parquet", self._rows)
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
        whole.unlink(missing_ok=True)  # of a version without parts
        fsync_folder(self._folder)

    def abandon(self) -> None:
        """Remove what was not put in place."""
        if self._table.grows:
            remove(self._building)

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
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True)
    return buffer.getvalue()


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
