"""Spreadsheets and Parquet files as the text that they would be saved as: CSV in UTF-8, one header line.

Belongs here: recognition by content, bounds before anything is unpacked, cells as text. Not here: zips and gzips of
texts (containers.py), what the columns mean.
"""

import csv
import io
import re
import zipfile
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.sources.size_limits import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, BoundsError

XLS: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP: Final = b"PK\x03\x04"
PARQUET: Final = b"PAR1"
MAX_CELLS: Final = 2**25
"""Of a sheet. The largest official one has 65,536 rows of 191 columns."""
_REFERENCE: Final = re.compile(rb"""<(?:\w+:)?(?:row|c)\b[^>]*?\sr=["']([A-Z]{0,3})(\d{1,8})["']""")


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
    except (zipfile.BadZipFile, ValueError):
        return False


def _excel_text(body: bytes) -> bytes:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  (only where there is an Excel file)

    if body.startswith(ZIP):
        _refuse_vast_xlsx(body)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(body))
        sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
    except (CalamineError, ValueError, OSError) as error:
        raise BoundsError(f"not a readable Excel file: {str(error).splitlines()[0]}") from error
    filled = [(name, sheet) for name, sheet in sheets if sheet.height]
    if len(filled) != 1:
        raise BoundsError(f"an Excel file with rows on {len(filled)} sheets: one is read")
    ((_, sheet),) = filled
    _refuse_vast(sheet.height, sheet.width)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_as_text, row) for row in sheet.iter_rows())
    return text.getvalue().encode()


def _as_text(cell: Any) -> str:
    """Numbers as short as they read back, whole ones without a point; midnights as days."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return str(cell.date()) if (cell.hour, cell.minute, cell.second) == (0, 0, 0) else str(cell)
    return str(cell).replace("\n", " ") if not isinstance(cell, date) else cell.isoformat()


def _refuse_vast_xlsx(body: bytes) -> None:
    """Hold a workbook to the bounds before it is read: its reader makes room for all cells up to the last one."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = archive.infolist()
        if (total := sum(member.file_size for member in members)) > MAX_BYTES:
            raise BoundsError(f"{total:,} bytes when unpacked, more than {MAX_BYTES:,}")
        for member in members:
            if not member.filename.startswith("xl/worksheets/"):
                continue
            try:
                found = _REFERENCE.findall(archive.read(member))
            except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
                raise BoundsError(f"not a readable Excel file: {error}") from error
            columns = max((_column(letters) for letters, _ in found), default=0)
            _refuse_vast(max((int(row) for _, row in found), default=0), columns)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _refuse_vast(rows: int, columns: int) -> None:
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        raise BoundsError(f"a sheet of {rows:,} rows and {columns:,} columns, more than any of these files")


def _parquet_text(body: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(body))
        said = file.metadata
        _refuse_vast(said.num_rows, said.num_columns)
        if (total := sum(said.row_group(n).total_byte_size for n in range(said.num_row_groups))) > MAX_BYTES:
            raise BoundsError(f"{total:,} bytes when unpacked, more than {MAX_BYTES:,}")
        table: Any = pl.from_arrow(file.read())
    except (pa.ArrowException, OSError) as error:
        raise BoundsError(f"not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return _plain(table).write_csv().encode()


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    """Columns that CSV can hold; midnights as days, instants in their zone."""
    nested = [name for name, dtype in table.schema.items() if dtype.is_nested()]
    return table.drop(nested).with_columns(
        pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%:z" if dtype.time_zone else "%Y-%m-%d %H:%M:%S")
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.Datetime)
    )
