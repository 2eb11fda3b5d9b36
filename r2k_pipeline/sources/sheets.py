"""Spreadsheets and Parquet files as the text that they would be saved as: CSV in UTF-8, one header line.

Belongs here: recognition by content, bounds before anything is unpacked, cells as text. Not here: zips and gzips of
texts (containers.py), what the columns mean.
"""

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from datetime import date
from typing import Any, Final

import polars as pl

from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.size_limits import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, BoundsError

XLS: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP: Final = b"PK\x03\x04"
PARQUET: Final = b"PAR1"
DAMAGED: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError)
"""Exceptions of the standard library for damaged zips, also for encrypted ones."""
MAX_CELLS: Final = 2**25
"""Of a sheet. The largest official one has 65,536 rows of 191 columns."""
WORKER_MEMORY: Final = 2**31
"""Bytes. A sheet of MAX_CELLS takes about half of it."""
WORKER_SECONDS: Final = 120
"""Wall clock: a year of the TFF report takes 0.3."""
_A_DAY: Final = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_FIRST, _LAST = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))


def sheet_text(body: bytes) -> bytes | None:
    """The table in an Excel or Parquet file as CSV; None for a file of another kind.

    Raises BoundsError: beyond a bound, damaged, or several sheets with rows.
    """
    if body.startswith(PARQUET):
        return _parquet_text(body)
    if body.startswith(XLS) or _is_xlsx(body):
        return _excel_text(body)
    return None


def _is_xlsx(body: bytes) -> bool:
    if not body.startswith(ZIP):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return "[Content_Types].xml" in archive.namelist()
    except DAMAGED:
        return False


def _excel_text(body: bytes) -> bytes:
    """The text of the only sheet with rows, read in a process of its own (see sheet_worker.py)."""
    from r2k_pipeline.sources.sheet_worker import REFUSED  # noqa: PLC0415  (the reader is loaded where it is needed)

    bounds = (WORKER_MEMORY, MAX_ROWS, MAX_COLUMNS, MAX_CELLS, MAX_BYTES)
    command = [sys.executable, "-P", str(shipped("sources/sheet_worker.py")), *map(str, bounds)]
    try:
        done = subprocess.run(command, input=body, capture_output=True, timeout=WORKER_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise BoundsError(f"an Excel file that takes more than {WORKER_SECONDS} seconds to read") from error
    if done.returncode == 0:
        return done.stdout
    reason = done.stderr.decode("utf-8", "replace").strip()
    damaged = f"not a readable Excel file: damaged, or larger than {WORKER_MEMORY:,} bytes in memory"
    raise BoundsError(reason[:200] if done.returncode == REFUSED else damaged)


def _parquet_text(body: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(body))
        footer = file.metadata
        rows, columns = footer.num_rows, footer.num_columns
        if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
            raise BoundsError(f"a sheet of {rows:,} rows and {columns:,} columns, more than any of these files")
        if (total := sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))) > MAX_BYTES:
            raise BoundsError(f"{total:,} bytes when unpacked, more than {MAX_BYTES:,}")
        read = file.read()
        read.validate(full=True)
        table: Any = pl.from_arrow(read.rename_columns(read.column_names))  # names that are no text raise here
        _refuse_far_days(table)
        return _plain(table).write_csv().encode()
    except BoundsError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise BoundsError(f"not a readable Parquet file: {str(error).splitlines()[0]}") from error


def _refuse_far_days(table: pl.DataFrame) -> None:
    """Raise BoundsError for a day outside of the years 1 to 9999, on which Polars ends its thread with a panic."""
    for name, dtype in table.schema.items():
        if isinstance(dtype, pl.Date | pl.Datetime):
            a_day = _A_DAY[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1
            if not (table[name].to_physical() // a_day).is_between(_FIRST, _LAST).all():
                raise BoundsError(f"column {name} has a day outside of the years 1 to 9999")


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    """Columns that CSV can hold; midnights as days, instants in their zone."""
    nested = [name for name, dtype in table.schema.items() if dtype.is_nested()]
    return table.drop(nested).with_columns(
        pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%:z" if dtype.time_zone else "%Y-%m-%d %H:%M:%S")
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.Datetime)
    )
