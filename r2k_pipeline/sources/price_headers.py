"""The header of a price file: the name of each column and, where yfinance wrote it, the ticker beside that name.

Belongs here: headers of one line, and the forms in which pandas writes columns of two names. Not here: the meaning of
a name (price_layouts.py), rows (price_text.py).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Final

from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.sources.price_layouts import NEEDED, squash
from r2k_pipeline.sources.price_numbers import BLANK

DATE: Final = "Date"
PRICE: Final = "Price"
LEVELS: Final = {PRICE, "Ticker"}
"""How yfinance calls the two names of a column; they stand before the lines that hold them."""
_PAIR: Final = re.compile(r"\('(.*)', '(.*)'\)")
"""A column of two names in a file that has one line for them: ('Close', '^RUT')."""


@dataclass(frozen=True)
class Header:
    """`names` and `tickers` by column ("" for a column without a ticker, such as Date); `lines`: how many it has.

    yfinance puts the names or the tickers first (`group_by`), and a line for the index below.
    """

    names: tuple[str, ...]
    tickers: tuple[str, ...]
    lines: int

    @property
    def owners(self) -> tuple[str, ...]:
        """The tickers, each one once; none where the header names none."""
        return tuple(dict.fromkeys(filter(None, self.tickers)))

    def columns_of(self, owner: str) -> list[int]:
        """Places of the columns of a ticker and of those without one."""
        return [at for at, ticker in enumerate(self.tickers) if ticker in ("", owner)]

    def names_of(self, owner: str) -> list[str]:
        """Their names."""
        return [self.names[at] for at in self.columns_of(owner)]

    def repeated(self) -> list[str]:
        """Names that a ticker has twice."""
        names = [(squash(name), ticker) for name, ticker in zip(self.names, self.tickers, strict=True)]
        counts = Counter(names)
        return sorted({name for name, key in zip(self.names, names, strict=True) if key[0] and counts[key] > 1})


def read_header(top: Sequence[Sequence[str]]) -> Header:
    """The header in the first three lines of a file, at the most."""
    return _of_three_lines(top) or _of_two_lines(top) or _of_one_line(top[0])


def _of_three_lines(top: Sequence[Sequence[str]]) -> Header | None:
    """`to_csv()` and `to_excel()`: two lines of names, and one that names the index."""
    if len(top) < 3 or top[2][0] != DATE or any(top[2][1:]):
        return None
    levels = _levels(top, 1)
    return _joined([(DATE, ""), *levels], 3) if levels else None


def _of_two_lines(top: Sequence[Sequence[str]]) -> Header | None:
    """`reset_index().to_csv()`: the day is a column, its second name blank; a column of numbers may be before it."""
    if len(top) < 2 or DATE not in top[0][:2]:
        return None
    at = top[0].index(DATE)
    if any(top[1][at : at + 1]) or (at and not _is_named(top)):
        return None
    levels = _levels(top, at + 1)
    return _joined([("", "")] * at + [(DATE, ""), *levels], 2) if levels else None


def _of_one_line(header: Sequence[str]) -> Header:
    names = header[: max((at for at, name in enumerate(header, 1) if name), default=1)]
    found = [(match[1], match[2]) if (match := _PAIR.fullmatch(name)) else (name, "") for name in names]
    if _has_bars([second for _, second in found]):
        found = [(second, first) if second else (first, "") for first, second in found]
    return _joined(found, 1)


def _levels(top: Sequence[Sequence[str]], first: int) -> list[tuple[str, str]] | None:
    """(name, ticker) of each column from the `first` one on; None where the two lines are something else.

    In a sheet a name of the upper line stands once, in a merged cell over its columns.
    """
    upper = accumulate(top[0][first:], _or_left)
    lower = top[1][first:]
    columns = [(above, below) if below else ("", "") for above, below in zip_longest(upper, lower, fillvalue="")]
    are_tickers_above = top[1][0] == PRICE if _is_named(top) else _has_bars(lower)
    if are_tickers_above:
        columns = [(name, ticker) for ticker, name in columns]
    if _is_named(top):
        return columns
    names, tickers = [name for name, _ in columns], [ticker for _, ticker in columns if ticker]
    return columns if _has_bars(names) and _are_tickers(tickers) else None


def _or_left(left: str, cell: str) -> str:
    """A blank cell takes the name on its left."""
    return cell or left


def _is_named(top: Sequence[Sequence[str]]) -> bool:
    return {top[0][0], top[1][0]} == LEVELS


def _has_bars(names: Sequence[str]) -> bool:
    """Whether the columns of a bar are among these; one of their names alone may be a ticker, as LOW and OPEN are."""
    return {squash(name) for name in names} >= {squash(name) for name in NEEDED} - {squash(DATE)}


def _are_tickers(cells: Sequence[str]) -> bool:
    """Whether the cells of a line without a name are tickers, and not numbers or blanks."""
    is_all = all(re.fullmatch(SYMBOL, cell) and re.search("[A-Z]", cell) for cell in cells)
    return is_all and not all(cell.lower() in BLANK for cell in cells)


def _joined(pairs: Sequence[tuple[str, str]], lines: int) -> Header:
    names, tickers = zip(*pairs, strict=True)
    return Header(names, tickers, lines)
