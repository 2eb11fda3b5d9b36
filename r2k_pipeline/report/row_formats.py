"""Rows as a table to look at, CSV, JSON or Parquet, written batch by batch.

Belongs here: the formats and what makes a file safe to open elsewhere. Not here: where rows come from (query.py),
what becomes of types (output_types.py).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Final, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from r2k_pipeline.report.output_types import Format

TABLE_ROWS: Final = 200
"""Most rows that a table shows; the rest is only counted."""
FORMULA: Final = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""First characters of text that a spreadsheet runs as a formula (OWASP, CSV injection), full-width ones too."""
CONTROLS: Final = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), "�"),
}
"""Control characters, on which a terminal would act, and the visible characters that replace them."""


def write_rows(schema: Any, batches: Iterable[Any], output: Format, stream: BinaryIO) -> int:
    """Write Arrow `batches` of `schema`; the number of rows. JSON takes one column of JSON text, a row each."""
    if output == "parquet":
        return _write_parquet(schema, batches, stream)
    frames = chain([schema.empty_table()], batches)
    read = (cast(pl.DataFrame, pl.from_arrow(frame)) for frame in frames)
    writers: dict[str, Callable[[Iterator[pl.DataFrame], BinaryIO], int]]
    writers = {"table": _write_table, "csv": _write_csv, "json": _write_json}
    return writers[output](read, stream)


def neutralised(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame for a spreadsheet: text that would run as a formula, headers too, gets an apostrophe; numbers stay."""
    text = pl.col(pl.String)
    safe = frame.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
    headers = pl.Series(frame.columns, dtype=pl.String)
    return safe.rename(dict(zip(headers, headers.str.replace(f"({FORMULA})", "'$1"), strict=True)))


def _write_csv(frames: Iterator[pl.DataFrame], stream: BinaryIO) -> int:
    """RFC 4180: a header, CRLF, quotes where needed; null is empty and empty text is quoted."""
    rows = 0
    for number, frame in enumerate(frames):
        neutralised(frame).write_csv(stream, include_header=number == 0, line_terminator="\r\n")
        rows += frame.height
    return rows


def _write_json(frames: Iterator[pl.DataFrame], stream: BinaryIO) -> int:
    rows = 0
    for row in chain.from_iterable(frame.to_series().to_list() for frame in frames):
        stream.write((",\n  " if rows else "[\n  ").encode() + row.encode())
        rows += 1
    stream.write(b"\n]\n" if rows else b"[]\n")
    return rows


def _write_parquet(schema: Any, batches: Iterable[Any], stream: BinaryIO) -> int:
    rows = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]))
            rows += batch.num_rows
    return rows


def _write_table(frames: Iterator[pl.DataFrame], stream: BinaryIO) -> int:
    shown = next(frames)
    rows = 0
    for frame in frames:
        shown = pl.concat([shown, frame.head(TABLE_ROWS - shown.height)])
        rows += frame.height
    text = pl.col(pl.String)
    visible = shown.with_columns(text.map_elements(lambda cell: cell.translate(CONTROLS), return_dtype=pl.String))
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=65_535,
        fmt_str_lengths=1_000_000,
        fmt_float="full",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
    ):
        stream.write(f"{visible}\n".encode())
    if rows > shown.height:
        stream.write(f"… {rows:,} rows, the first {shown.height} are shown; all of them: --format csv\n".encode())
    return rows
