"""The bytes of a price file as one table with Yahoo's column names, all cells text, numbers and days in one form.

Belongs here: encodings, header lines, footers, remedies for a file that is no such table. Not here: wrappers
(containers.py), which file is whose (price_folder.py), the layouts (price_layouts.toml), what a row must hold
(prices.py), files that are wrong as a whole (wrong_files.py).
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from r2k_pipeline.sources.containers import UnwrapError, unwrap
from r2k_pipeline.sources.price_days import DaysError, iso_days
from r2k_pipeline.sources.price_layouts import NEEDED, PriceLayout, lacking, layout_of, squash
from r2k_pipeline.sources.price_numbers import is_blank, plain_numbers
from r2k_pipeline.sources.size_limits import BoundsError, lines_of, refuse_beyond, refuse_open_end
from r2k_pipeline.sources.splits import divide_by_later_splits

AGAIN: Final = "download it again"
"""Only for bad downloads: a sound file of another kind would be the same after another download."""
AS_CSV: Final = "save it as CSV in UTF-8: one header line, and as many cells in every row"
HEADS: Final = ({"Price", "Ticker"}, "Date")
"""The first cells of the three header lines of `yf.download(...).to_csv()`; `group_by` swaps the first two."""
NUMBERS: Final = ("Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits")
QUICK_LOOK: Final = 100
"""Rows of a volume that are looked at before all of them are."""
SEPARATORS: Final = (",", ";", "\t", "|")
_ZONED: Final = r":\d\d[+-]\d\d:?\d\d\s*$"
_PAIR: Final = re.compile(r"\('(.*)', '(.*)'\)")
"""A column of two names, as pandas writes it: ('Close', '^RUT')."""
_HTML: Final = re.compile(rb"\s*<(!doctype|!--|\?xml|html|head|body)", re.IGNORECASE)
"""Not any `<`: Stooq's header is `<TICKER>,<PER>,...`."""


class PriceTextError(BoundsError):
    """A file that is no table of prices: the rule that it breaks, and the way out."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.remedy = remedy


@dataclass(frozen=True)
class PriceTable:
    """`rows`: Date, Open, High, Low, Close, Volume and, where the file has them, Adj Close, Dividends, Stock Splits.

    `layout` is its name; `symbols` are those that the file itself names, none if it does not say; with several, `rows`
    has a column Symbol. `remarks`: notes for the reader.
    """

    layout: str
    rows: pl.DataFrame
    symbols: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_price_table(name: str, body: bytes) -> PriceTable:
    """The table in a file called `name`. Raises PriceTextError: another kind of file, a bad download, unreadable."""
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


def _read(body: bytes) -> PriceTable:
    utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = body.decode("utf-16").encode() if utf16 else body.removeprefix(BOM_UTF8)
    if _HTML.match(text):
        raise PriceTextError("an HTML page, not prices", AGAIN)
    lines = lines_of(text)
    if len(lines) < 2:
        raise PriceTextError("an empty price answer", AGAIN)
    separator = max(SEPARATORS, key=lines[0].decode().count)
    top = [[cell.strip() for cell in row] for row in csv.reader(_texts(lines[:3]), delimiter=separator)]
    header, tickers, heads = _header(top)
    layout = layout_of(header, heads)
    if layout is None:
        raise _unknown(header)
    if layout.footer and lines[-1].lstrip(b'"').startswith(layout.footer.encode()):
        lines = lines[:-1]
    cells = refuse_beyond(
        pl.read_csv(io.BytesIO(b"\n".join(lines)), separator=separator, infer_schema=False, has_header=False)
    )
    if lines[-1].count(separator.encode()) < len(header) - 1:
        raise PriceTextError("the last row is cut", AGAIN)
    if cells.height == heads:
        raise PriceTextError("an empty price answer", AGAIN)
    found = cells.slice(heads)
    if heads > 1 or found[:, header.index("Date") if "Date" in header else 0].str.contains(_ZONED).any():
        _refuse_cut(text)
    return _as_yahoo(layout, header, found, tickers, separator, text)


def _texts(lines: Sequence[bytes]) -> list[str]:
    return [line.decode() for line in lines]


def _header(top: list[list[str]]) -> tuple[list[str], set[str], int]:
    """Column names, tickers beside them, number of header lines: yfinance prints one line, three, or pairs of names."""
    names, date = HEADS
    if {row[0] for row in top[:2]} == names and top[-1][0] == date:
        named = {row[0]: row[1:] for row in top[:2]}
        return _checked([date, *named["Price"]], set(named["Ticker"])), set(named["Ticker"]), 3
    header = top[0]
    pairs = [match.groups() for name in header if (match := _PAIR.fullmatch(name))]
    if not pairs:
        return _checked(header, set()), set(), 1
    at = 0 if {squash(pair[0]) for pair in pairs} >= {"open", "close"} else 1
    tickers = {pair[1 - at] for pair in pairs} - {""}
    flat = [match.group(at + 1) if (match := _PAIR.fullmatch(name)) else name for name in header]
    return _checked(flat, tickers), tickers, 1


def _checked(header: list[str], tickers: set[str]) -> list[str]:
    """The header if no name is in it twice, as the names of several tickers are."""
    if len(tickers) > 1:
        raise PriceTextError(
            f"its header names several tickers, {', '.join(sorted(tickers)[:3])}",
            "a file of this form is of one symbol: download each one",
        )
    counts = Counter(filter(None, map(squash, header)))
    if repeated := sorted({name for name in header if counts[squash(name)] > 1}):
        raise PriceTextError(f"column {', '.join(repeated)} is there twice", "take one of them out")
    return header


def _unknown(header: list[str]) -> PriceTextError:
    missing = lacking(header)
    found = ", ".join(name or "(no name)" for name in header[:20])
    rule = f"no column {', '.join(missing)}; found {found}"
    if len(header) == 2 or {"Open", "High", "Low"} <= set(missing):
        return PriceTextError(f"closes only: {rule}", "take bars with open, high, low and close: a level needs them")
    return PriceTextError(rule, f"name the columns {','.join(NEEDED)},Volume, or take a layout of docs/operations.md")


def _as_yahoo(
    layout: PriceLayout, header: list[str], cells: pl.DataFrame, tickers: set[str], separator: str, text: bytes
) -> PriceTable:
    """The kept columns under Yahoo's names, days and numbers in one form."""
    named = layout.named(header)
    if len(set(named.values())) < len(named):
        raise PriceTextError(f"two columns of one meaning among {', '.join(named)}", "take one of them out")
    for name, wanted in layout.daily.items():
        column = cells[:, [squash(one) for one in header].index(squash(name))].str.strip_chars()
        if not (column == wanted).all():
            other = column.filter(column != wanted)[0]
            raise PriceTextError(
                f"not daily: {name} is {other}, not {wanted}", "download it again with a row a session"
            )
    rows = cells.select(pl.col(cells.columns[at]).alias(named[name]) for at, name in enumerate(header) if name in named)
    rows = plain_numbers(rows.with_columns(iso_days(rows["Date"])), NUMBERS, separator, text)
    rows, remarks = _without_unusable_volume(rows)
    if layout.no_split:
        is_none = pl.col("Stock Splits").cast(pl.Float64, strict=False) == layout.no_split
        rows = rows.with_columns(pl.when(is_none).then(pl.lit("0")).otherwise("Stock Splits").alias("Stock Splits"))
    if layout.raw_splits and "Stock Splits" in rows.columns:
        rows, divided = divide_by_later_splits(rows)
        remarks += divided
    symbols = {layout.symbol(ticker) for ticker in tickers}
    if "Symbol" in rows.columns:
        rows = rows.with_columns(pl.col("Symbol").str.strip_chars().map_elements(layout.symbol, pl.String))
        symbols |= set(rows["Symbol"].drop_nulls())
    return PriceTable(layout.name, rows, tuple(sorted(symbols)), remarks)


def _without_unusable_volume(rows: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A Volume of nulls where the file has none, or none of which any cell is a number: bars stand without it."""
    empty = rows.with_columns(Volume=pl.lit(None, pl.String))
    if "Volume" not in rows.columns:
        return empty, ("no column Volume: the prices stand without a volume",)
    if _has_number(rows["Volume"].head(QUICK_LOOK)):
        return rows, ()
    filled = rows.filter(~is_blank("Volume"))["Volume"]
    if filled.is_empty() or _has_number(filled):
        return rows, ()
    return empty, (f"no number in column Volume, e.g. {filled[0]}: the prices stand without a volume",)


def _has_number(cells: pl.Series) -> bool:
    return cells.str.strip_chars().cast(pl.Float64, strict=False).is_not_null().any()


def _refuse_cut(text: bytes) -> None:
    """Refuse a file without a line end at its end. Only for yfinance, which ends every line; other writers may not."""
    try:
        refuse_open_end(text)
    except BoundsError as error:
        raise PriceTextError(str(error), AGAIN) from error
