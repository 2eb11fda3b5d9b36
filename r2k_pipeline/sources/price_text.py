"""The bytes of a price file as one table of cells and its header.

Belongs here: encodings, separators, footers, remedies for a file that is no table of prices. Not here: wrappers
(containers.py), names and tickers of columns (price_headers.py), the tables of symbols in it (price_tables.py), which
file is whose (price_folder.py).
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

import polars as pl

from r2k_pipeline.sources.containers import UnwrapError, unwrap
from r2k_pipeline.sources.price_days import DaysError
from r2k_pipeline.sources.price_headers import DATE, read_header
from r2k_pipeline.sources.price_layouts import layout_of
from r2k_pipeline.sources.price_tables import AGAIN, PriceFile, PriceTextError, build_tables, refuse_header
from r2k_pipeline.sources.size_limits import BoundsError, plain_text, refuse_beyond, refuse_open_end

AS_CSV: Final = "save it as CSV in UTF-8: one header line, and as many cells in every row"
SEPARATORS: Final = (",", ";", "\t", "|")
_ZONED: Final = r":\d\d[+-]\d\d:?\d\d\s*$"
_HTML: Final = re.compile(rb"\s*<(!doctype|!--|\?xml|html|head|body)", re.IGNORECASE)
"""Not any `<`: Stooq's header is `<TICKER>,<PER>,...`."""


def read_price_file(name: str, body: bytes) -> PriceFile:
    """The tables in a file called `name`. Raises PriceTextError: another kind of file, a bad download, unreadable."""
    try:
        return _read(unwrap(name, body)[1])
    except PriceTextError:
        raise
    except DaysError as error:
        raise PriceTextError(str(error), error.remedy) from error
    except UnwrapError as error:
        raise PriceTextError(str(error), error.remedy or AGAIN) from error
    except (ValueError, csv.Error, pl.exceptions.PolarsError) as error:
        raise PriceTextError(f"not a readable table: {str(error).splitlines()[0]}", AS_CSV) from error


def _read(body: bytes) -> PriceFile:
    utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = body.decode("utf-16").encode() if utf16 else body.removeprefix(BOM_UTF8)
    if _HTML.match(text):
        raise PriceTextError("an HTML page, not prices", AGAIN)
    lines = plain_text(text).splitlines()
    if len(lines) < 2:
        raise PriceTextError("an empty price answer", AGAIN)
    separator = max(SEPARATORS, key=lines[0].decode().count)
    top = csv.reader((line.decode() for line in lines[:3]), delimiter=separator)
    header = read_header([[cell.strip() for cell in row] for row in top])
    if repeated := header.repeated():
        raise PriceTextError(f"column {', '.join(repeated)} is there twice", "take one of them out")
    layout = layout_of(header.names, 3 if header.lines > 1 else 1)
    if layout is None:
        raise refuse_header(header.names)
    if layout.footer and lines[-1].lstrip(b'"').startswith(layout.footer.encode()):
        lines = lines[:-1]
    cells = refuse_beyond(
        pl.read_csv(io.BytesIO(b"\n".join(lines)), separator=separator, infer_schema=False, has_header=False)
    )
    if lines[-1].count(separator.encode()) < len(header.names) - 1:
        raise PriceTextError("the last row is cut", AGAIN)
    if cells.height == header.lines:
        raise PriceTextError("an empty price answer", AGAIN)
    found = cells.slice(header.lines)
    if header.lines > 1 or found[:, header.names.index(DATE) if DATE in header.names else 0].str.contains(_ZONED).any():
        _refuse_cut(text)
    return PriceFile(layout.name, build_tables(layout, header, found, separator, text))


def _refuse_cut(text: bytes) -> None:
    """Refuse a file without a line end at its end. Only for yfinance, which ends every line; other writers may not."""
    try:
        refuse_open_end(text)
    except BoundsError as error:
        raise PriceTextError(str(error), AGAIN) from error
