"""Rows as a table to look at, CSV, JSON or Parquet, written batch by batch.

Belongs here: the formats and what makes a file safe to open elsewhere. Not here: where rows come from (query.py),
what becomes of types (output_types.py). A format imports what it alone needs: a table must not wait for Polars.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO, Final

import pyarrow as pa
from tabulate import tabulate

from r2k_pipeline.report.output_types import Format

TABLE_ROWS: Final = 200
"""Most rows that a table shows; the rest is only counted."""
FORMULA: Final = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""First characters of text that a spreadsheet runs as a formula (OWASP, CSV injection), full-width ones too."""
CONTROLS: Final[dict[int, int | str]] = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), "�"),
}
"""Control characters, on which a terminal would act, and the visible characters that replace them."""


def write_rows(schema: Any, batches: Iterable[Any], output: Format, stream: BinaryIO) -> int:
    """Write Arrow `batches` of `schema`; the number of rows. JSON takes one column of JSON text, a row each."""
    writers: dict[Format, Callable[[Any, Iterable[Any], BinaryIO], int]]
    writers = {"table": _write_table, "csv": _write_csv, "json": _write_json, "parquet": _write_parquet}
    return writers[output](schema, batches, stream)


def _write_csv(schema: Any, batches: Iterable[Any], stream: BinaryIO) -> int:
    """RFC 4180: a header, CRLF, quotes where needed; null is empty and empty text is quoted.

    Text that a spreadsheet would run as a formula, headers too, gets an apostrophe; numbers stay.
    """
    import polars as pl  # noqa: PLC0415

    text = pl.col(pl.String)
    headers = [re.sub(f"(?={FORMULA})", "'", name) for name in schema.names]
    safe = pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep()
    rows = 0
    for number, batch in enumerate(chain([schema.empty_table()], batches)):
        frame: Any = pl.from_arrow(batch)
        frame = frame.with_columns(safe).rename(dict(zip(schema.names, headers, strict=True)))
        frame.write_csv(stream, include_header=number == 0, line_terminator="\r\n")
        rows += frame.height
    return rows


def _write_json(schema: Any, batches: Iterable[Any], stream: BinaryIO) -> int:  # noqa: ARG001
    rows = 0
    for row in chain.from_iterable(batch.column(0).to_pylist() for batch in batches):
        stream.write((",\n  " if rows else "[\n  ").encode() + row.encode())
        rows += 1
    stream.write(b"\n]\n" if rows else b"[]\n")
    return rows


def _write_parquet(schema: Any, batches: Iterable[Any], stream: BinaryIO) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]))
            rows += batch.num_rows
    return rows


def _write_table(schema: Any, batches: Iterable[Any], stream: BinaryIO) -> int:
    shown: list[list[str]] = []
    rows = 0
    for batch in batches:
        columns = [column.to_pylist() for column in batch.slice(length=max(0, TABLE_ROWS - rows)).columns]
        shown += [[_cell(value) for value in row] for row in zip(*columns, strict=True)]
        rows += batch.num_rows
    headers = [_cell(name) for name in schema.names]
    text = tabulate(shown, headers, "simple_outline", disable_numparse=True, preserve_whitespace=True)
    stream.write(f"{text}\n".encode())
    if rows > TABLE_ROWS:
        stream.write(f"… {rows:,} rows, the first {TABLE_ROWS} are shown; all of them: --format csv\n".encode())
    return rows


def _cell(value: object) -> str:
    """A number or flag as SQL writes it, text without control characters."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value).translate(CONTROLS)
