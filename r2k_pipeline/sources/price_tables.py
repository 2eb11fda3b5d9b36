"""From the cells of a price file to a table for each symbol: Yahoo's column names, numbers and days in one form.

Belongs here: the symbol of each column and row, columns that a symbol lacks. Not here: bytes and lines (price_text.py),
layouts (price_layouts.toml), rules for a row (prices.py), files that are wrong as a whole (wrong_files.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.errors import first_names
from r2k_pipeline.sources.price_days import iso_days
from r2k_pipeline.sources.price_headers import DATE, Header
from r2k_pipeline.sources.price_layouts import NEEDED, PriceLayout, lacking, squash
from r2k_pipeline.sources.price_numbers import is_blank, plain_numbers
from r2k_pipeline.sources.size_limits import BoundsError
from r2k_pipeline.sources.splits import divide_by_later_splits

AGAIN: Final = "download it again"
"""Only for bad downloads: a sound file of another kind would be the same after another download."""
AS_CSV: Final = "save it as CSV in UTF-8: one header line, and as many cells in every row"
NUMBERS: Final = ("Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits")
OPTIONAL: Final = ("Adj Close", "Dividends", "Stock Splits")
QUICK_LOOK: Final = 100
"""Rows of a volume to check before all rows."""


class PriceTextError(BoundsError):
    """A file that is not a table of prices; the message is the rule that it breaks, `remedy` what to do."""


@dataclass(frozen=True)
class PriceTable:
    """One symbol's `rows`: Date, Open, High, Low, Close, Volume; Adj Close, Dividends, Stock Splits if given.

    `remarks`: notes for the reader.
    """

    rows: pl.DataFrame
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class PriceFile:
    """One file: the name of its `layout`, and its `tables` by symbol, or by "" if the file names no symbol.

    In a file of several symbols, one may have an error instead of a table. `remarks`: notes on the whole file.
    """

    layout: str
    tables: Mapping[str, PriceTable | PriceTextError]
    remarks: tuple[str, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that the file itself names."""
        return tuple(sorted(filter(None, self.tables)))

    def days(self) -> pl.DataFrame:
        """Column Date of all rows."""
        found = [table.rows.select(DATE) for table in self.tables.values() if isinstance(table, PriceTable)]
        return pl.concat(found or [pl.DataFrame(schema={DATE: pl.String})])

    def of(self, symbol: str) -> PriceTable:
        """A symbol's table; in a file that names no symbol, the only one. Raises PriceTextError if it has none."""
        found = self.tables.get(symbol if self.symbols else "")
        if found is None:
            alone = "a file is of the symbol that it is named after: name it after that one, or download this one"
            remedy = (
                "give a file of several symbols a name that is none, such as tickers.csv" if self.symbols[1:] else alone
            )
            raise PriceTextError(f"the file names {first_names(self.symbols)}, not {symbol}", remedy)
        if isinstance(found, PriceTextError):
            raise found
        return found


def refuse_header(header: Sequence[str]) -> PriceTextError:
    """The error for a header that lacks columns of every layout."""
    missing = lacking(header)
    if len(missing) == len(NEEDED):
        return PriceTextError(f"no line with names of columns, the first is {' '.join(header)[:60]}", AS_CSV)
    found = ", ".join(name[:40] or "(no name)" for name in list(dict.fromkeys(header))[:20])
    rule = f"no column {', '.join(missing)}; found {found}"
    if DATE not in missing and {"Open", "High", "Low"} <= set(missing):
        return PriceTextError(f"closes only: {rule}", "take bars with open, high, low and close: a level needs them")
    return PriceTextError(rule, f"name the columns {','.join(NEEDED)},Volume, or take a layout of docs/operations.md")


def build_tables(
    layout: PriceLayout, header: Header, cells: pl.DataFrame, separator: str, text: bytes
) -> dict[str, PriceTable | PriceTextError]:
    """The tables in the rows below a header; `separator` and `text` are those of the file.

    Days and numbers have one form in the whole file; otherwise each symbol is read as if it were alone in it.
    """
    _refuse_other_rows(layout, header, cells)
    shared = layout.named([name for name, ticker in zip(header.names, header.tickers, strict=True) if not ticker])
    if header.owners and (unclear := set(shared.values()) - {DATE}):
        raise PriceTextError(f"tickers in its header, and none beside {', '.join(sorted(unclear))}", AGAIN)
    parts = {owner: _columns_of(owner, layout, header, cells) for owner in header.owners or ("",)}
    lack = {owner: header.names_of(owner) for owner, part in parts.items() if set(NEEDED) - set(part.columns)}
    errors = {layout.symbol(owner): refuse_header(names) for owner, names in lack.items()}
    sound = {owner: part for owner, part in parts.items() if owner not in lack}
    if not sound:
        raise next(iter(errors.values()))
    days = iso_days(next(iter(sound.values()))[DATE])
    whose = {owner: [days, pl.lit(owner).alias("Symbol")] if owner else [days] for owner in sound}
    rows = pl.concat([part.with_columns(whose[owner]) for owner, part in sound.items()], how="diagonal")
    rows = plain_numbers(rows, NUMBERS, separator, text)
    return errors | _by_symbol(layout, rows, is_alone=len(parts) == 1)


def _refuse_other_rows(layout: PriceLayout, header: Header, cells: pl.DataFrame) -> None:
    """Refuse rows if one of their columns shows that they are not daily."""
    for name, wanted in layout.daily.items():
        column = cells[:, [squash(one) for one in header.names].index(squash(name))].str.strip_chars()
        if not (column == wanted).all():
            other = column.filter(column != wanted)[0]
            rule = f"not daily: {name} is {other}, not {wanted}"
            raise PriceTextError(rule, "download it again with a row a session")


def _columns_of(owner: str, layout: PriceLayout, header: Header, cells: pl.DataFrame) -> pl.DataFrame:
    """The kept columns of a ticker under Yahoo's names."""
    named = layout.named(header.names_of(owner))
    if len(set(named.values())) < len(named):
        raise PriceTextError(f"two columns of one meaning among {', '.join(named)}", "take one of them out")
    places = [at for at in header.columns_of(owner) if header.names[at] in named]
    return cells.select(pl.col(cells.columns[at]).alias(named[header.names[at]]) for at in places)


def _by_symbol(layout: PriceLayout, rows: pl.DataFrame, *, is_alone: bool) -> dict[str, PriceTable | PriceTextError]:
    """The table of each symbol; `is_alone`: the file has no other ticker."""
    if "Symbol" not in rows.columns:
        return {"": _table(layout, rows)}
    printed = rows["Symbol"].str.strip_chars().fill_null("")
    if nobodys := (printed == "").sum():
        raise PriceTextError(f"rows with a blank symbol: {nobodys:,}", "fill it in, or take these rows out")
    ours = {name: layout.symbol(name) for name in printed.unique()}
    parts = rows.with_columns(printed.replace_strict(ours)).partition_by("Symbol", as_dict=True, include_key=False)
    return {
        symbol: _of_symbol(symbol, layout, part, is_alone=is_alone and len(parts) == 1)
        for (symbol,), part in parts.items()
    }


def _of_symbol(symbol: str, layout: PriceLayout, rows: pl.DataFrame, *, is_alone: bool) -> PriceTable | PriceTextError:
    """A symbol's table. In a file of several, its cells are blank on days and in columns that only others have."""
    if not re.fullmatch(SYMBOL, symbol):
        return PriceTextError(f"{symbol[:40]!r} is no symbol", "write symbols as Yahoo does: ^RUT, IWM")
    if is_alone:
        return _table(layout, rows)
    rows = rows.filter(~pl.all_horizontal(map(is_blank, rows.drop("Date").columns)))
    if rows.is_empty():
        return PriceTextError("an empty price answer: all its cells are blank", AGAIN)
    blank = rows.select(is_blank(name).all() for name in OPTIONAL if name in rows.columns)
    return _table(layout, rows.drop(name for name in blank.columns if blank[name].item()))


def _table(layout: PriceLayout, rows: pl.DataFrame) -> PriceTable:
    rows, remarks = _without_unusable_volume(rows)
    if layout.no_split and "Stock Splits" in rows.columns:
        is_none = pl.col("Stock Splits").cast(pl.Float64, strict=False) == layout.no_split
        rows = rows.with_columns(pl.when(is_none).then(pl.lit("0")).otherwise("Stock Splits").alias("Stock Splits"))
    if layout.raw_splits and "Stock Splits" in rows.columns:
        rows, divided = divide_by_later_splits(rows)
        remarks += divided
    return PriceTable(rows, remarks)


def _without_unusable_volume(rows: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Rows with a Volume of nulls if the file has no such column or no number in it, and a remark on that."""
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
