"""The protocols of a source of prices and a source of COT reports, and their failures.

Belongs here: the two protocols, the values they hand over and their errors. Not here: any vendor's
format (prices.py, cot.py parse) or transport (files.py, yahoo.py, cftc.py, sample.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple, Protocol, runtime_checkable

import polars as pl

ADDRESS: Final = "://"
"""Part of the origin of a live answer; a file's origin does not contain it."""
ANNOUNCEMENTS: Final = "special_announcements.txt"
"""The page of announcements in the fetch log and among kept bodies."""
Span = tuple[date, date]
"""First and last day."""


class SourceError(Exception):
    """One item (a symbol, a report file) that could not be had; the others go on.

    `source` and `key` name the source and the item, `rule` is the rule that was broken, `remedy` the next command.
    """

    def __init__(self, source: str, key: str, rule: str, remedy: str) -> None:
        where = source if source.endswith(f"/{key}") else f"{source}: {key}"
        super().__init__(f"{where}: {rule}; next: {remedy}")
        self.source, self.key, self.rule, self.remedy = source, key, rule, remedy


class NotThereError(SourceError):
    """The source answered, and has no such item: no failure where the item is optional and was never there."""


@dataclass(frozen=True)
class PriceAnswer:
    """A vendor's full history of one symbol, in Yahoo's file layout, every value still text.

    `bars`: Date, Open, High, Low, Close, Adj Close, Volume. `actions`: Date, Dividends, Stock Splits; None where the
    answer does not cover them, which is not the same as none.
    `origin` is the file name or address the rows came from, free of secrets and of local folders. `saved_at`: a
    file's mtime, None for an answer that was made for us. `asked_at`: the moment before the source was asked, which
    the caller fills in. `layout`: that of a file, by name; `remarks`: notes on how it was read.
    """

    symbol: str
    origin: str
    bars: pl.DataFrame
    actions: pl.DataFrame | None
    saved_at: datetime | None = None
    asked_at: datetime | None = None
    layout: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class CotDocument:
    """One COT file as delivered: a yearly zip, its text, or the headerless current week.

    `remark`: what a reader of the fetch log should know of where it came from.
    """

    name: str
    origin: str
    content: bytes
    remark: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it was just fetched from its publisher."""
        return ADDRESS in self.origin


@dataclass(frozen=True)
class Announcements:
    """The CFTC's page of special announcements as text; `new`: lines that the text kept before did not have."""

    origin: str
    text: str
    new: tuple[str, ...]

    def remarks(self) -> tuple[str, ...]:
        """A note of what is new: how many lines, and the first one."""
        first = "".join(self.new[:1])[:200]
        return (
            (f'{len(self.new)} new lines, the first: "{first}"; next: r2k doctor --source live --online',)
            if self.new
            else ()
        )


def came_live() -> pl.Expr:
    """Whether a row's `source` is the address of a live fetch, not a file (`files:`, `sample:`).

    A file proves that its rows were public when it was read: not since when, and nothing about missing rows.
    """
    return pl.col("source").str.contains(ADDRESS, literal=True)


class PriceSource(Protocol):
    """Daily prices by symbol."""

    @property
    def asks_vendor(self) -> bool:
        """Whether each fetch asks the vendor: then a row missing from the answer did not exist; not so for a file."""
        ...

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """Its whole history. Raises NotThereError for an unknown symbol, SourceError, also for an empty answer."""
        ...

    def list_unread(self, symbols: Collection[str]) -> list[str]:
        """A note, with a remedy, for each entry of the source that is not read for any of `symbols`."""
        ...


class CotSource(Protocol):
    """COT files."""

    @property
    def asks_vendor(self) -> bool:
        """Whether each fetch asks the vendor: then a row missing from the answer did not exist then."""
        ...

    def list_reports(self) -> list[str]:
        """The names of the files this source has or expects."""
        ...

    def fetch_report(self, name: str) -> CotDocument | None:
        """One file; None where its absence is no failure (the running year's file in January)."""
        ...


class Sources(NamedTuple):
    """Whom a run asks."""

    prices: PriceSource
    reports: CotSource


@runtime_checkable
class Announcer(Protocol):
    """A source of COT files whose publisher announces irregular releases."""

    def fetch_announcements(self) -> Announcements:
        """Its current announcements. Raises SourceError if they cannot be fetched, which does not fail a run."""
        ...
