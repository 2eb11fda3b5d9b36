"""The process that reads one Excel file: its bytes on standard input, its only sheet with rows as CSV on the output.

Belongs here: the reader, run as a script under a memory limit, because it makes room for all cells up to the last one
that a damaged file names, and ends its process where there is none. Not here: who starts it (sheets.py).
"""

import csv
import io
import resource
import sys
from datetime import date, datetime
from typing import Any, Final, NoReturn

from python_calamine import CalamineError, CalamineWorkbook

REFUSED: Final = 3
"""Exit code if standard error has the fault of the file, in one line."""


def main(memory: int, most_rows: int, most_columns: int, most_cells: int, most_bytes: int) -> None:
    """Print the sheet. `memory` in bytes; the others bound the sheet and its text."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        sheets = [book.get_sheet_by_name(name) for name in book.sheet_names]
    except (CalamineError, ValueError, OSError) as error:
        _refuse(f"not a readable Excel file: {' '.join(str(error).split())}")
    filled = [sheet for sheet in sheets if sheet.height]
    if len(filled) != 1:
        _refuse(f"an Excel file with rows on {len(filled)} sheets: one is read")
    (sheet,) = filled
    rows, columns = sheet.height, sheet.width
    if rows > most_rows or columns > most_columns or rows * columns > most_cells:
        _refuse(f"a sheet of {rows:,} rows and {columns:,} columns, more than any of these files")
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    out, size = csv.writer(sys.stdout, lineterminator="\n"), 0
    for cells in sheet.iter_rows():
        texts = [_as_text(cell) for cell in cells]
        size += sum(map(len, texts))
        if size > most_bytes:
            _refuse(f"a sheet of more than {most_bytes:,} letters")
        out.writerow(texts)


def _refuse(rule: str) -> NoReturn:
    print(rule, file=sys.stderr)
    sys.exit(REFUSED)


def _as_text(cell: Any) -> str:
    """Numbers as short as they read back, whole ones without a point; midnights as days."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return str(cell.date()) if (cell.hour, cell.minute, cell.second) == (0, 0, 0) else str(cell)
    return cell.isoformat() if isinstance(cell, date) else " ".join(str(cell).splitlines())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
