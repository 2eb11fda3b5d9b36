"""Reads the bytes of a price file: its header, its cells, and from these the tables of its symbols.

Belongs here: encodings, separators, footers, refusing a file that is not a table of prices. Not here: wrappers
(containers.py), column names (price_headers.py), tables of symbols (price_tables.py), which file is read for which
symbol (price_folder.py).
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

import polars as pl

from r2k_pipeline.sources.containers import UnwrapError, unwrap
from r2k_pipeline.sources.price_days import DaysError
from r2k_pipeline.sources.price_headers import DATE, Header, read_header
from r2k_pipeline.sources.price_layouts import PriceLayout, layout_of
from r2k_pipeline.sources.price_tables import AGAIN, PriceFile, PriceTextError, build_tables, refuse_header
from r2k_pipeline.sources.size_limits import BoundsError, plain_text, refuse_beyond, refuse_open_end

AS_CSV: Final = "save it as CSV in UTF-8: one header line, and as many cells in every row"
SEPARATORS: Final = (",", ";", "\t", "|")
_ZONED: Final = r":\d\d[+-]\d\d:?\d\d\s*$"
_HTML: Final = re.compile(rb"\s*<(!doctype|!--|\?xml|html|head|body)", re.IGNORECASE)
"""A `<` alone does not make it HTML: Stooq's header is `<TICKER>,<PER>,...`."""


def read_price_file(name: str, body: bytes) -> PriceFile:
    """The tables in a file called `name`. Raises PriceTextError for another kind of file or a bad download."""
    try:
        return _read(unwrap(name, body)[1])
    except PriceTextError:
        raise
    except (DaysError, UnwrapError) as error:
        raise PriceTextError(str(error), error.remedy or AGAIN) from error
    except (ValueError, csv.Error, pl.exceptions.PolarsError) as error:
        raise PriceTextError(f"not a readable table: {str(error).splitlines()[0]}", AS_CSV) from error


def _read(body: bytes) -> PriceFile:
    text = _utf8_of(body)
    lines = plain_text(text).splitlines()
    if len(lines) < 2:
        raise PriceTextError("an empty price answer", AGAIN)
    separator = max(SEPARATORS, key=lines[0].decode().count)
    header, layout = _header_of(lines, separator)
    if layout.footer and lines[-1].lstrip(b'"').startswith(layout.footer.encode()):
        lines = lines[:-1]
    cells = refuse_beyond(
        pl.read_csv(io.BytesIO(b"\n".join(lines)), separator=separator, infer_schema=False, has_header=False)
    )
    if lines[-1].count(separator.encode()) < len(header.names) - 1:
        raise PriceTextError("the last row is cut", AGAIN)
    if cells.height == header.lines:
        raise PriceTextError("an empty price answer", AGAIN)
    rows = cells.slice(header.lines)
    if _is_by_yfinance(header, rows):
        _refuse_cut(text)
    return PriceFile(layout.name, build_tables(layout, header, rows, separator, text))


def _utf8_of(body: bytes) -> bytes:
    is_utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = body.decode("utf-16").encode() if is_utf16 else body.removeprefix(BOM_UTF8)
    if _HTML.match(text):
        raise PriceTextError("an HTML page, not prices", AGAIN)
    return text


def _header_of(lines: list[bytes], separator: str) -> tuple[Header, PriceLayout]:
    """The header in the first lines, and the layout that it fits."""
    top = csv.reader((line.decode() for line in lines[:3]), delimiter=separator)
    header = read_header([[cell.strip() for cell in row] for row in top])
    if repeated := header.repeated():
        raise PriceTextError(f"column {', '.join(repeated)} is there twice", "take one of them out")
    layout = layout_of(header.names, 3 if header.lines > 1 else 1)
    if layout is None:
        raise refuse_header(header.names)
    return header, layout


def _is_by_yfinance(header: Header, rows: pl.DataFrame) -> bool:
    """Whether pandas wrote the file from yfinance: a header of several lines, or instants with a zone as days."""
    days = rows[:, header.names.index(DATE) if DATE in header.names else 0]
    return header.lines > 1 or days.str.contains(_ZONED).any()


def _refuse_cut(text: bytes) -> None:
    """Refuse a file of yfinance without a line end at its end: yfinance ends every line, other writers may not."""
    try:
        refuse_open_end(text)
    except BoundsError as error:
        raise PriceTextError(str(error), AGAIN) from error
