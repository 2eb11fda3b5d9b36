"""Parts of a brief: figures with the cell they come from, statements with figures, tables of them, sections.

Belongs here: the reference behind every number, how a unit is written. Not here: the wording (brief_*.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.quoting import literal
from r2k_pipeline.tables import TABLES

Value = str | float | int | bool | date | datetime | None

PERCENT: Final[Mapping[str, int]] = {
    Unit.RATIO: 2,
    Unit.RATIO_A_YEAR: 1,
    Unit.SHARE_OI: 1,
    Unit.CHANGE_OF_SHARE: 1,
}
"""Units written in percent, with their decimals."""
DECIMALS: Final[Mapping[str, int]] = {
    Unit.POINTS: 2,
    Unit.RANK: 1,
    Unit.RANK_DIFFERENCE: 1,
    Unit.ATR: 1,
    Unit.EQUIVALENTS: 0,
    Unit.PROBABILITY: 3,
}


@dataclass(frozen=True)
class Figure:
    """One value of one table, as written; `column` may be an expression over columns of the row that `key` names."""

    value: Value
    unit: str
    text: str
    table: str
    key: Mapping[str, Value]
    column: str

    @property
    def query(self) -> str:
        """SQL that returns the value from the warehouse."""
        where = " and ".join(f"{name} = {literal(value)}" for name, value in self.key.items())
        return f"select {self.column} from {self.table}" + (f" where {where}" if where else "")

    def as_dict(self) -> dict[str, Any]:
        """For JSON; instants and days as ISO text."""
        key = {name: _plain(value) for name, value in self.key.items()}
        named = {"text": self.text, "value": _plain(self.value), "unit": self.unit}
        return named | {"table": self.table, "key": key, "column": self.column, "query": self.query}


@dataclass(frozen=True)
class Row:
    """One row of a table of the warehouse, identified by its key."""

    table: str
    values: Mapping[str, Value]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def __contains__(self, column: str) -> bool:
        return self.values.get(column) is not None

    def show(self, column: str, *, signed: bool = False, size: bool = False) -> Figure:
        """A cell as figure: `signed` with a plus, `size` without its sign (a word in the sentence gives it)."""
        return self._figure(column, self[column], self._unit(column), signed=signed, size=size)

    def against(self, column: str, base: str) -> Figure:
        """How far one column is from another of the same row, in percent of the second."""
        known = column in self and base in self
        value = self[column] / self[base] - 1 if known else None
        return self._figure(f"{column} / {base} - 1", value, Unit.RATIO, signed=True)

    def share(self, column: str, *rest: str) -> Figure:
        """One column as a share of itself and the `rest` of the same row."""
        whole = sum(self[name] for name in (column, *rest))
        value = self[column] / whole if whole else None
        return self._figure(f"{column} / ({' + '.join((column, *rest))})", value, Unit.RATIO)

    def _unit(self, column: str) -> str:
        return TABLES[self.table].units()[column]

    def _key(self) -> dict[str, Value]:
        return {name: self.values[name] for name in TABLES[self.table].primary_key()}

    def _figure(self, column: str, value: Value, unit: str, *, signed: bool = False, size: bool = False) -> Figure:
        text = written(value, unit, signed=signed, size=size)
        return Figure(value, unit, text, self.table, self._key(), column)


@dataclass(frozen=True)
class Answer(Row):
    """The one row that a macro of the warehouse gives; `table` is the call, `units` has its columns' units."""

    units: Mapping[str, str]

    def _unit(self, column: str) -> str:
        return self.units[column]

    def _key(self) -> dict[str, Value]:
        return {}


@dataclass(frozen=True)
class Statement:
    """One or more sentences: runs of words, and the figures between them."""

    parts: tuple[str | Figure, ...]

    @property
    def text(self) -> str:
        """The sentences."""
        return "".join(part.text if isinstance(part, Figure) else part for part in self.parts)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures in them, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Figure))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"text": self.text, "figures": [figure.as_dict() for figure in self.figures]}


@dataclass(frozen=True)
class Grid:
    """The same statements on several subjects, as a table: its head, and a line of cells for each subject."""

    head: tuple[str, ...]
    lines: tuple[tuple[Statement, ...], ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The cells, line by line."""
        return tuple(cell for line in self.lines for cell in line)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"head": self.head, "lines": [[cell.as_dict() for cell in line] for line in self.lines]}

    def rows(self) -> Iterator[str]:
        """Its rows in Markdown, each column as wide as its widest cell."""
        cells = [self.head, *(tuple(cell.text for cell in line) for line in self.lines)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        head, *lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
        yield from (head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines)


@dataclass(frozen=True)
class Section:
    """Statements and tables under one heading, in their order."""

    title: str
    parts: tuple[Statement | Grid, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, those in tables too."""
        each = (part.statements if isinstance(part, Grid) else (part,) for part in self.parts)
        return tuple(statement for statements in each for statement in statements)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the statements, and the tables beside them."""
        return {
            "title": self.title,
            "statements": [part.as_dict() for part in self.parts if isinstance(part, Statement)],
            "tables": [part.as_dict() for part in self.parts if isinstance(part, Grid)],
        }


def say(sentence: str, *figures: Figure, otherwise: str | None = None) -> Statement:
    """`sentence` with a figure for each `{}`, or `otherwise`, a sentence on the missing value, if a figure is null.

    Raises ValueError for a null without `otherwise`: the contract should have excluded it.
    """
    missing = [f"{figure.table}.{figure.column}" for figure in figures if figure.value is None]
    if missing and otherwise is None:
        raise ValueError(f"brief: {', '.join(missing)} is null in {sentence!r}")
    if missing:
        return Statement((otherwise or "",))
    begin, *words = sentence.split("{}")
    return Statement((begin, *(part for pair in zip(figures, words, strict=True) for part in pair)))


def join(*parts: Statement) -> Statement:
    """Several statements as one."""
    return Statement(_joined(" ", [part for part in parts if part.text]))


def cell(*figures: Figure, otherwise: str = "not known") -> Statement:
    """The cell of a table: figures one after the other, or `otherwise` where one is not known."""
    return say(" ".join("{}" for _ in figures), *figures, otherwise=otherwise)


def listed(head: str, parts: Sequence[Statement]) -> Statement:
    """`head` and the parts, separated by commas, as one sentence."""
    return Statement((f"{head} " if head else "", *_joined(", ", parts), "."))


def _joined(separator: str, said: Sequence[Statement]) -> tuple[str | Figure, ...]:
    """The parts of several statements, with a separator between two."""
    return tuple(part for each in said for part in (separator, *each.parts))[1:]


def number_of(row: Row, column: str, one: str, many: str) -> str:
    """The noun after a count of `row`: its singular where the count is 1."""
    return one if row[column] == 1 else many


def written(value: Value, unit: str, *, signed: bool = False, size: bool = False) -> str:
    """A value as text, rounded as its unit is: `signed` with a plus, `size` without its sign."""
    if value is None:
        return "not known"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(abs(value) if size else value, unit, "+" if signed else "")
    return str(value).replace("_", " ")


def _number(value: float, unit: str, sign: str) -> str:
    if unit == Unit.PROBABILITY and value < 0.001:
        return "under 0.001"
    scale, after = (100, " %") if unit in PERCENT else (1, "")
    decimals = PERCENT.get(unit, DECIMALS.get(unit, 0 if isinstance(value, int) else 2))
    rounded = round(scale * value, decimals) + 0.0  # without the minus of -0.0
    return f"{rounded:{sign if rounded else ''},.{decimals}f}{after}"


def _plain(value: Value) -> Any:
    return value.isoformat() if isinstance(value, date) else value
