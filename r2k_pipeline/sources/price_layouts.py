"""The layouts of price files: reads price_layouts.toml and recognises a header.

Belongs here: the fields of a declaration, the one that a header fits, our name of each column. Not here: bytes and
rows (price_text.py), days (price_days.py), numbers (price_numbers.py).
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from r2k_pipeline.shipped import shipped

Role = Literal[
    "Date", "Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits", "Symbol"
]  # fmt: skip
ROLES: Final[tuple[Role, ...]] = get_args(Role)
NEEDED: Final[tuple[Role, ...]] = ("Date", "Open", "High", "Low", "Close")

SYMBOL_COLUMNS: Final = ("Symbol", "Ticker")
"""May be in a file of any layout."""


class PriceLayout(BaseModel):
    """One vendor's columns; price_layouts.toml says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    header: Annotated[list[str], Field(min_length=len(NEEDED))]
    takes: dict[str, Role] = {}
    lines: Literal[1, 3] = 1
    footer: str = ""
    daily: dict[str, str] = {}
    raw_splits: bool = False
    no_split: float = 0
    ends: str = ""
    symbols: dict[str, str] = {}

    @cached_property
    def roles(self) -> dict[str, Role | None]:
        """Squashed vendor name -> our name, None for a column that is left out."""
        taken: dict[str, Role] = {squash(role): role for role in ROLES}
        taken |= {squash(name): role for name, role in self.takes.items()}
        names = [squash(name) for name in (*self.header, *SYMBOL_COLUMNS)]
        return {name: taken.get(name) for name in names} | dict.fromkeys(map(squash, SYMBOL_COLUMNS), "Symbol")

    def named(self, header: Sequence[str]) -> dict[str, Role]:
        """Names of a file's header -> our names, for the columns that are taken."""
        found = {name: self.roles.get(squash(name)) for name in header}
        return {name: role for name, role in found.items() if role}

    def symbol(self, printed: str) -> str:
        """Our spelling of a vendor's symbol."""
        return self.symbols.get(printed, printed.removesuffix(self.ends))


def squash(name: str) -> str:
    """A column name without case, blanks and signs, which vendors and editors change; % and / distinguish columns."""
    return re.sub(r"[^\w%/]|_", "", name).lower()


@cache
def price_layouts() -> tuple[PriceLayout, ...]:
    """All declared layouts, in the order of the file."""
    tables = tomllib.loads(shipped("sources/price_layouts.toml").read_text("utf-8"))
    return tuple(PriceLayout.model_validate(table) for table in tables["layout"])


def layout_of(header: Sequence[str], lines: int = 1) -> PriceLayout | None:
    """The layout with the most columns in `header`, the first of equals; None where each one lacks a needed column."""
    names = {squash(name) for name in header}
    fitting = [layout for layout in price_layouts() if layout.lines == lines and not _lacking(layout, names)]
    return max(fitting, key=lambda layout: len(names & layout.roles.keys()), default=None)


def lacking(header: Sequence[str]) -> list[Role]:
    """Our names of the columns that `header` lacks for the layout that it is nearest to."""
    names = {squash(name) for name in header}
    return min((_lacking(layout, names) for layout in price_layouts()), key=len)


def _lacking(layout: PriceLayout, names: Iterable[str]) -> list[Role]:
    there = {layout.roles.get(name) for name in names}
    return [role for role in NEEDED if role not in there]
