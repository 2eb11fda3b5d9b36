"""Reads the bytes of a price file: its header, its cells, and from these the tables of its symbols.

Belongs here: encodings, separators, footers, refusing a file that is not a table of prices. Not here: wrappers
(containers.py), column names (price_headers.py), tables of symbols (price_tables.py), which file is read for which
symbol (price_folder.py).
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Final

import polars as pl

from r2k_pipeline.sources.containers import UnwrapError, unwrap
from r2k_pipeline.sources.price_days import DaysError
from r2k_pipeline.sources.price_headers import DATE, Header, read_header
from r2k_pipeline.sources.price_layouts import PriceLayout, lacking, layout_of
from r2k_pipeline.sources.price_tables import AGAIN, AS_CSV, PriceFile, PriceTextError, build_tables, refuse_header
from r2k_pipeline.sources.size_limits import BoundsError, plain_text, refuse_beyond, refuse_open_end, say_ragged

MOST_ABOVE: Final = 30
"""Lines above a header: titles, notes, the `sep=;` of Excel."""
SEPARATORS: Final = (",", ";", "\t", "|")
_ZONED: Final = r":\d\d[+-]\d\d:?\d\d\s*$"
_HTML: Final = re.compile(rb"\s*<(!doctype|!--|\?xml|html|head|body|table)", re.IGNORECASE)
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
    above, separator, header, layout = _find_header(lines)
    left_out, lines = lines[:above], lines[above:]
    if layout.footer and lines[-1].lstrip(b'"').startswith(layout.footer.encode()):
        lines = lines[:-1]
    table = b"\n".join(lines)
    try:
        read = pl.read_csv(io.BytesIO(table), separator=separator, infer_schema=False, has_header=False)
    except pl.exceptions.PolarsError as error:
        raise PriceTextError(
            say_ragged(table, separator, may_be_short=True) or str(error).splitlines()[0], AS_CSV
        ) from error
    cells = refuse_beyond(read)
    if (count := len(_cells(lines[-1:], separator)[0])) < len(header.names):
        rule = f"the last row is cut, or a note: it has {count} of {len(header.names)} cells"
        raise PriceTextError(rule, f"{AGAIN}, or take a note out")
    if cells.height == header.lines:
        raise PriceTextError("an empty price answer", AGAIN)
    rows = cells.slice(header.lines)
    if _is_by_yfinance(header, rows):
        _refuse_cut(text)
    return PriceFile(layout.name, build_tables(layout, header, rows, separator, text), tuple(_say_above(left_out)))


def _utf8_of(body: bytes) -> bytes:
    is_utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = body.decode("utf-16").encode() if is_utf16 else body.removeprefix(BOM_UTF8)
    if _HTML.match(text):
        raise PriceTextError("an HTML page, not prices", AGAIN)
    if text.lstrip()[:1] in (b"[", b"{"):
        raise PriceTextError("JSON, not a table", AS_CSV)
    return text


def _find_header(lines: list[bytes]) -> tuple[int, str, Header, PriceLayout]:
    """How many lines are above the header; the sign between its cells, the header, the layout that it fits."""
    headers = []
    for above in range(min(MOST_ABOVE + 1, len(lines) - 1)):
        separator, header = _header_at(lines, above)
        if layout := layout_of(header.names, 3 if header.lines > 1 else 1):
            if repeated := header.repeated():
                raise PriceTextError(f"column {', '.join(repeated)} is there twice", "take one of them out")
            return above, separator, header, layout
        headers.append(header.names)
    raise refuse_header(min(headers, key=lambda names: len(lacking(names))))


def _header_at(lines: list[bytes], above: int) -> tuple[str, Header]:
    """The header in the lines below these, if there is one, and the sign between its cells."""
    separator = max(SEPARATORS, key=lines[above].decode().count)
    return separator, read_header(_cells(lines[above : above + 3], separator))


def _cells(lines: list[bytes], separator: str) -> list[list[str]]:
    rows = csv.reader((line.decode() for line in lines), delimiter=separator)
    return [[cell.strip() for cell in row] for row in rows]


def _say_above(lines: list[bytes]) -> Iterator[str]:
    """A remark on lines above the header."""
    if lines:
        first = lines[0].decode().rstrip("".join(SEPARATORS))[:60]
        many = len(lines) > 1
        yield f"{len(lines)} line{'s' * many} above its header not read: {first}{' ...' * many}"


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
