"""Tables of the site: rows of the warehouse as cells with text, sort value and a link to what their column means.

Belongs here: how a column, a cell and a table are made and written. Not here: which tables there are
(market_tables.py, quality_tables.py), HTML (templates/).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import dataframely as dy

from r2k_pipeline.contracts.columns import choices_of, unit_of
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.quoting import literal
from r2k_pipeline.report.brief_statements import Value, written
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.tables import TABLES

if TYPE_CHECKING:
    from r2k_pipeline.report.site.pictures import Picture

NOT_KNOWN: Final = "—"
SHORT_UNITS: Final[Mapping[str, str]] = {
    Unit.RATIO: "%",
    Unit.RATIO_A_YEAR: "% a year",
    Unit.SHARE_OI: "% of OI",
    Unit.CHANGE_OF_SHARE: "share of OI",
    Unit.POINTS: "points",
    Unit.RANK: "0–100",
    Unit.EQUIVALENTS: "contracts",
    Unit.INSTANT: "UTC",
    Unit.SCORE: "score",
    Unit.PIECES: "pieces",
    Unit.OF_CLAIM: "see unit",
}
"""Short forms of units for headers; the linked dictionary has the full ones. Other units are short already."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its name in the rows and the `layer.table.column` that it shows or counts.

    `link` is a target and `id` of the row's values in braces, none where that is empty; `verbatim` text is an
    identifier, not words. A table with a `filters` column can be limited to one of its values.
    """

    of: str
    name: str = ""
    label: str = ""
    unit: str | None = None
    link: str | None = None
    signed: bool = False
    verbatim: bool = False
    filters: bool = False

    @property
    def key(self) -> str:
        """The name in the rows."""
        return self.name or self.of.rpartition(".")[2]

    @property
    def title(self) -> str:
        """The text of the header."""
        return self.label or self.key.replace("_", " ")

    @property
    def _column(self) -> dy.Column:
        table, _, column = self.of.rpartition(".")
        return TABLES[table].columns()[column]

    @property
    def own_unit(self) -> str:
        """The unit of the column that it shows or counts."""
        return unit_of(self._column)

    @cached_property
    def _unit(self) -> str:
        return self.own_unit if self.unit is None else self.unit

    @property
    def short_unit(self) -> str:
        """The unit under the header, in the words of a table."""
        return "state" if self.is_state else SHORT_UNITS.get(self._unit, self._unit)

    @cached_property
    def is_state(self) -> bool:
        """Whether it is one of few values."""
        return self.unit is None and bool(choices_of(self._column))

    @property
    def dictionary(self) -> str:
        """The place in the data dictionary."""
        return f"dictionary.html#{self.of}"


@dataclass(frozen=True)
class Cell:
    """One value as shown; `sort` is its sort key if its text is not, `state` is its value in a closed list."""

    text: str
    is_unknown: bool = False
    is_number: bool = False
    sort: str | None = None
    state: str | None = None
    href: str | None = None


@dataclass(frozen=True)
class Line:
    """One row; `id` is the target of deep links."""

    id: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Folded:
    """Details of one row below the table, folded away: titles with their texts, below a picture if there is one."""

    id: str
    title: str
    parts: tuple[tuple[str, str], ...]
    picture: "Picture | None" = None


@dataclass(frozen=True)
class DataTable:
    """A table with its caption, the query that returns its rows, and the text shown if it has none."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    query: str = ""
    empty: str = "No rows."
    note: str = ""
    folded: tuple[Folded, ...] = ()

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers: they are right-aligned and sort by value."""
        return tuple(any(line.cells[i].is_number for line in self.lines) for i in range(len(self.columns)))


@dataclass(frozen=True)
class Asked:
    """Rows as a query returned them, and the query with its parameters filled in."""

    rows: tuple[Mapping[str, Any], ...]
    query: str


def ask(snapshot: Snapshot, query: str, **parameters: Value) -> Asked:
    """Run `query`, whose parameters are `$name::type`; nothing is spliced into what runs."""
    rows = snapshot.ask(query, **parameters).pl().to_dicts()
    asked = re.sub(r"\$(\w+)", lambda name: literal(parameters[name[1]]), query)
    return Asked(tuple(rows), " ".join(asked.split()))


def with_pages(asked: Asked, shown: Collection[str]) -> Asked:
    """The rows with `page`, the file of their market's page; empty for a market that is not among `shown`."""
    rows = ({**row, "page": f"{row['market']}.html" if row["market"] in shown else ""} for row in asked.rows)
    return replace(asked, rows=tuple(rows))


def build_table(
    id: str,
    caption: str,
    columns: Sequence[Column],
    asked: Asked,
    *,
    row_id: str = "",
    empty: str = "No rows.",
    note: str = "",
) -> DataTable:
    """A table of the rows; `row_id` is a pattern over a row's values."""
    lines = tuple(
        Line(slug(row_id.format_map(row)) if row_id else None, tuple(_cell(column, row) for column in columns))
        for row in asked.rows
    )
    return DataTable(id, caption, tuple(columns), lines, asked.query, empty, note)


def slug(text: str) -> str:
    """Text as the id of an element: all but letters, digits, dots, dashes and underscores become a dash."""
    return re.sub(r"[^\w.-]+", "-", text)


def _cell(column: Column, row: Mapping[str, Any]) -> Cell:
    value = row[column.key]
    if value is None:
        return Cell(NOT_KNOWN, is_unknown=True)
    text = _text(column, value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    sort = f"{value:.6g}" if is_number and not _is_plain(text) else None
    state = str(value) if column.is_state else None
    return Cell(text, False, is_number, sort, state, column.link.format_map(row) or None if column.link else None)


def _is_plain(text: str) -> bool:
    """Whether the page's script can parse the number from its text."""
    return re.fullmatch(r"[+-]?[\d,]*\.?\d+", text) is not None


def _text(column: Column, value: Value) -> str:
    """The value as in the brief, without its unit, which is in the header."""
    if column.verbatim:
        return str(value)
    if column.unit is not None and isinstance(value, int):
        return f"{value:,}"
    text = written(value, column.own_unit, signed=column.signed)
    return text.removesuffix(" UTC") if isinstance(value, datetime) else text.removesuffix(" %")
