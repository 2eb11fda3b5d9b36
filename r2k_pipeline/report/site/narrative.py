"""The brief as pieces for a page: text, and figures that point to the query behind them.

Belongs here: the evidence of a section's figures, by row. Not here: what is said (report/brief*.py), HTML (templates/).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from r2k_pipeline.report.brief import Page
from r2k_pipeline.report.brief_statements import Figure, Grid, Section, Statement
from r2k_pipeline.report.site.tables import slug
from r2k_pipeline.tables import TABLES


@dataclass(frozen=True)
class Evidence:
    """One figure: its text, the column it is from, and where that is explained, at the column's first figure."""

    id: str
    text: str
    column: str
    dictionary: str | None


@dataclass(frozen=True)
class RowEvidence:
    """The figures of a section that come from one row, and the query that returns them all."""

    figures: tuple[Evidence, ...]
    query: str


@dataclass(frozen=True)
class Piece:
    """A run of words, or a figure where there is evidence; `evidence` is the id of it."""

    text: str
    evidence: str | None = None


Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class Listed:
    """Statements one under the other."""

    statements: tuple[Pieces, ...]


@dataclass(frozen=True)
class Tabled:
    """A table of statements."""

    head: tuple[str, ...]
    lines: tuple[tuple[Pieces, ...], ...]


@dataclass(frozen=True)
class BriefSection:
    """One section: lists and tables of statements in pieces, and the evidence of all of them by row."""

    id: str
    title: str
    parts: tuple[Listed | Tabled, ...]
    evidence: tuple[RowEvidence, ...]

    @property
    def figures(self) -> int:
        """How many figures the section has evidence of."""
        return sum(len(row.figures) for row in self.evidence)


def tell(page: Page) -> tuple[BriefSection, ...]:
    """The head of a brief and its sections."""
    head = Section("At the close", (page.head,))
    numbers = count(1)
    return tuple(_section(section, numbers) for section in (head, *page.sections))


def _section(section: Section, numbers: Iterator[int]) -> BriefSection:
    id = slug(f"brief {section.title.lower()}")
    figures = [figure for said in section.statements for figure in said.figures]
    first = {place: f"e{next(numbers)}" for place in dict.fromkeys(map(_place, figures))}
    return BriefSection(id, section.title, tuple(_parts(section, first)), tuple(_evidence(figures, first)))


def _parts(section: Section, ids: Mapping[tuple[str, str], str]) -> Iterator[Listed | Tabled]:
    """Each table, and the statements between two as one list."""

    def pieces(statements: Iterable[Statement]) -> tuple[Pieces, ...]:
        return tuple(tuple(_piece(part, ids) for part in said.parts) for said in statements)

    for is_table, parts in groupby(section.parts, lambda part: isinstance(part, Grid)):
        if is_table:
            yield from (Tabled(part.head, tuple(map(pieces, part.lines))) for part in parts if isinstance(part, Grid))
        else:
            yield Listed(pieces(part for part in parts if isinstance(part, Statement)))


def _place(figure: Figure) -> tuple[str, str]:
    """Identity of a figure: its query and its text."""
    return figure.query, figure.text


def _piece(part: str | Figure, ids: Mapping[tuple[str, str], str]) -> Piece:
    return Piece(part.text, ids[_place(part)]) if isinstance(part, Figure) else Piece(part)


def _evidence(figures: Sequence[Figure], ids: Mapping[tuple[str, str], str]) -> Iterator[RowEvidence]:
    rows: dict[str, dict[tuple[str, str], Figure]] = {}
    for figure in figures:
        rows.setdefault(figure.query.removeprefix(f"select {figure.column} "), {})[_place(figure)] = figure
    explained: set[str] = set()
    for source, found in rows.items():
        columns = ", ".join(dict.fromkeys(figure.column for figure in found.values()))
        evidence = tuple(_one(figure, ids[place], explained) for place, figure in found.items())
        yield RowEvidence(evidence, f"select {columns} {source}")


def _one(figure: Figure, id: str, explained: set[str]) -> Evidence:
    table = TABLES.get(figure.table)  # none where a macro gives the row
    anchor = f"{figure.table}.{figure.column}" if table and figure.column in table.column_names() else figure.table
    where = f"dictionary.html#{anchor}" if table else "dictionary.html"
    is_first = where not in explained
    explained.add(where)
    return Evidence(id, figure.text, figure.column, where if is_first else None)
