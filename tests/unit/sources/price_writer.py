"""Writes bars as a vendor's file: any declared layout, day form, number style, separator and wrapper.

Belongs here: the twins of vendors' files that tests read back. Not here: what is read (r2k_pipeline/sources).
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from r2k_pipeline.sources.price_layouts import PriceLayout, price_layouts, squash

LAYOUTS: Final = {layout.name: layout for layout in price_layouts()}
Bar = tuple[date, float, float, float, float, float]
"""Day, open, high, low, close, volume."""
BARS: Final[tuple[Bar, ...]] = (
    (date(2025, 1, 2), 2238.5, 2251.25, 2210.125, 2231.5, 3_959_140_000),
    (date(2025, 1, 3), 2233.5, 2270.5, 2229.75, 2268.25, 3_640_020_000),
    (date(2025, 1, 14), 2210.5, 2225.5, 2196.5, 2219.75, 3_710_000_000),
)
PLACES: Final = {"Open": 1, "High": 2, "Low": 3, "Close": 4, "Adj Close": 4, "Volume": 5}
"""Our name -> its place in a Bar."""


@dataclass(frozen=True)
class Style:
    """How a file is written; the default is the layout's plain form."""

    day: str = "%Y-%m-%d"
    number: Callable[[float], str] = lambda value: f"{value:.15g}"
    separator: str = ","
    encoding: str = "utf-8"
    newline: str = "\n"
    wrapper: str = ""
    symbol: str = "^RUT"


def write(layout: PriceLayout, bars: tuple[Bar, ...] = BARS, style: Style | None = None) -> bytes:
    """A file of these bars, with each column of the layout's header."""
    style = style or Style()
    if layout.name == "Stooq bulk":
        style = replace(style, day="%Y%m%d")
    header = [style.symbol if layout.lines == 3 and n == 0 else name for n, name in enumerate(layout.header)]
    stream = io.StringIO()
    out = csv.writer(stream, delimiter=style.separator, lineterminator=style.newline)
    if layout.lines == 3:
        empty = [""] * (len(header) - 1)
        out.writerows([["Price", *header[1:]], ["Ticker", *[style.symbol] * len(empty)], ["Date", *empty]])
    else:
        out.writerow(header)
    out.writerows([_cell(layout, name, bar, style) for name in layout.header] for bar in bars)
    return _wrapped(stream.getvalue().encode(style.encoding), style.wrapper)


def _cell(layout: PriceLayout, name: str, bar: Bar, style: Style) -> str:
    role = layout.roles[squash(name)]
    if role == "Date":
        return bar[0].strftime(style.day)
    if role == "Symbol":
        return style.symbol
    if role == "Stock Splits":
        return style.number(layout.no_split)
    if role is None or role == "Dividends":
        return layout.daily.get(name, style.number(0.0))
    return style.number(bar[PLACES[role]])


def _wrapped(body: bytes, wrapper: str) -> bytes:
    if wrapper == "gz":
        return gzip.compress(body)
    if wrapper != "zip":
        return body
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", body)
    return stream.getvalue()
