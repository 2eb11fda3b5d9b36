"""The text of a price file as one table in Yahoo's layout, all cells text.

Belongs here: encodings, yfinance's header lines and instants, remedies for a file that is no such table. Not here:
where files are (files.py), what a row must hold (prices.py), files that are wrong as a whole (wrong_files.py).
"""

import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from typing import Final

import polars as pl

from r2k_pipeline.sources.protocol import SourceError
from r2k_pipeline.sources.size_limits import BoundsError, lines_of, refuse_beyond, refuse_open_end

AGAIN: Final = "download it again"
"""Only for bad downloads: a sound file of another kind would be the same after another download."""
AS_CSV: Final = "save it as CSV in UTF-8: one header line, and as many cells in every row"
OTHER_KINDS: Final = {
    b"PK\x03\x04": ("a zip or an Excel file by another name", "unpack it, or open it and save the table as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel file by another name", "open it and save the table as CSV"),
    b"\x1f\x8b": ("a gzip file by another name", "unpack it"),
    b"PAR1": ("a Parquet file by another name", "save it as CSV"),
}
"""By their first bytes."""
HEADS: Final = ({"Price", "Ticker"}, "Date")
"""The first cells of the three header lines of `yf.download(...).to_csv()`; `group_by` swaps the first two."""
_INSTANT: Final = (
    r"^\s*(\d{4}-\d{1,2}-\d{1,2})"
    r"(?:[ T]00:00(?::00(?:\.0+)?)?\s*(?:Z|[+-]\d\d:?\d\d)?"
    r"|[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:[+-](?:0[1-9]|1\d):?\d\d))\s*$"
)
"""An instant whose date, as written, is the exchange's day: midnight, or any time in a zone of its own. A time in UTC
is none of these: Tokyo's midnight is the day before there."""
_ZONED: Final = r":\d\d[+-]\d\d:?\d\d\s*$"
_HTML: Final = re.compile(rb"\s*<(!doctype|!--|\?xml|html|head|body)", re.IGNORECASE)
"""Not any `<`: Stooq's header is `<TICKER>,<PER>,...`."""


def read_price_table(origin: str, symbol: str, body: bytes) -> pl.DataFrame:
    """The bytes of a symbol's file as a table with Yahoo's columns where it has them.

    Raises SourceError: another kind of file, another symbol's, a bad download, or none that can be read.
    """
    for signature, (kind, remedy) in OTHER_KINDS.items():
        if body.startswith(signature):
            raise SourceError(origin, symbol, kind, remedy)
    try:
        return _read(origin, symbol, body)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise SourceError(origin, symbol, f"not a readable CSV: {str(error).splitlines()[0]}", AS_CSV) from error


def _read(origin: str, symbol: str, body: bytes) -> pl.DataFrame:
    utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = body.decode("utf-16").encode() if utf16 else body.removeprefix(BOM_UTF8)
    if _HTML.match(text):
        raise SourceError(origin, symbol, "an HTML page, not prices", AGAIN)
    lines = lines_of(text)
    if len(lines) < 2:
        raise SourceError(origin, symbol, "an empty price answer", AGAIN)
    cells = refuse_beyond(pl.read_csv(io.BytesIO(b"\n".join(lines)), infer_schema=False, has_header=False))
    header, rows = _split(origin, symbol, cells)
    if repeated := sorted(name for name, count in Counter(header).items() if count > 1):
        raise SourceError(origin, symbol, f"column {', '.join(repeated)} is there twice", "take one of them out")
    if lines[-1].count(b",") < len(header) - 1:
        raise SourceError(origin, symbol, "the last row is cut", AGAIN)
    table = rows.rename(dict(zip(rows.columns, header, strict=True)))
    if table.is_empty():
        raise SourceError(origin, symbol, "an empty price answer", AGAIN)
    if "Date" not in header:
        return table
    header_lines = cells.height - rows.height
    if header_lines > 1 or table["Date"].str.contains(_ZONED).any():
        _refuse_cut(origin, symbol, text)
    return table.with_columns(pl.col("Date").str.replace(_INSTANT, "${1}"))


def _split(origin: str, symbol: str, cells: pl.DataFrame) -> tuple[list[str], pl.DataFrame]:
    """Column names and rows: of one header line, or of yfinance's three, which name the ticker too."""
    first = cells.head(3).with_columns(pl.all().fill_null("").str.strip_chars()).rows()
    names, date = HEADS
    if {row[0] for row in first[:2]} != names or first[-1][0] != date:
        return list(first[0]), cells.slice(1)
    named = {row[0]: row[1:] for row in first[:2]}
    if tickers := sorted(set(named["Ticker"]) - {symbol}):
        said = f"its second header line names {', '.join(tickers[:3])}, not {symbol} alone"
        raise SourceError(origin, symbol, said, "a file is of one symbol: name it after that, or download that one")
    return [date, *named["Price"]], cells.slice(3)


def _refuse_cut(origin: str, symbol: str, text: bytes) -> None:
    """Refuse a file without a line end at its end. Only for yfinance, which ends every line; other writers may not."""
    try:
        refuse_open_end(text)
    except BoundsError as error:
        raise SourceError(origin, symbol, str(error), AGAIN) from error
