"""The brief: what stands out in each market's data at a moment, as Markdown or JSON.

Belongs here: the order of the page and its layout. Not here: what is said (brief_positioning.py,
brief_contrast.py, brief_technicals.py, brief_outlook.py), which rows are known (brief_facts.py), anything computed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from r2k_pipeline.report.brief_contrast import contrast
from r2k_pipeline.report.brief_facts import Facts, no_session, read_facts
from r2k_pipeline.report.brief_outlook import changes, setup
from r2k_pipeline.report.brief_positioning import positioning
from r2k_pipeline.report.brief_statements import Figure, Grid, Row, Section, Statement, join, say
from r2k_pipeline.report.brief_technicals import levels, momentum, trend
from r2k_pipeline.report.price_series import say_series
from r2k_pipeline.snapshot import Snapshot


@dataclass(frozen=True)
class Page:
    """The page of one market: its statements in order."""

    market: Row
    session: Row
    head: Statement
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure on the page."""
        said = (self.head, *(statement for section in self.sections for statement in section.statements))
        return tuple(figure for statement in said for figure in statement.figures)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "market": self.market["market"],
            "name": self.market["name"],
            "session_date": self.session["session_date"].isoformat(),
            "known_at": self.session["known_at"].isoformat(),
            "head": self.head.as_dict(),
            "sections": [section.as_dict() for section in self.sections],
        }

    def lines(self, evidence: bool) -> Iterator[str]:
        """Markdown; with `evidence`, the query of each figure is under its statement."""
        yield f"# {self.market['market']}, {self.market['name']}: {self.session['session_date']}"
        yield ""
        yield from _written(self.head, "", evidence)
        for section in self.sections:
            yield from ("", f"## {section.title}")
            yield from _section_lines(section, evidence)


@dataclass(frozen=True)
class Brief:
    """A page for each market, and the data's label."""

    label: str
    is_sample: bool
    pages: tuple[Page, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; instants and days as ISO text. Each page carries the data's label, as in the text."""
        label = {"label": self.label, "is_sample": self.is_sample}
        return label | {"markets": [label | page.as_dict() for page in self.pages]}

    def text(self, *, evidence: bool = False) -> str:
        """Markdown; a page of the sample is labelled at head and foot."""
        banner = f"> {self.label}"
        head, foot = ([banner, ""], ["", banner]) if self.is_sample else ([], [])
        return "\n\n".join("\n".join([*head, *page.lines(evidence), *foot]) for page in self.pages)


def read_brief(snapshot: Snapshot, market: str | None) -> Brief:
    """The brief of one market or all at their last finished sessions.

    Raises R2kError where there is no such market or session.
    """
    facts = read_facts(snapshot)
    label, is_sample = snapshot.generation["label"], snapshot.generation["is_sample"]
    asked = [one for one in facts if market in (None, one.market["market"])]
    if not asked:
        raise no_session(snapshot, market)
    return Brief(label, is_sample, tuple(_page(one, [other for other in facts if other is not one]) for one in asked))


def _page(facts: Facts, others: Sequence[Facts]) -> Page:
    sections = (
        positioning(facts),
        contrast(facts, others),
        *(write(facts) for write in (trend, momentum, levels, setup, changes)),
    )
    return Page(facts.market, facts.session, _head(facts), sections)


def _head(facts: Facts) -> Statement:
    session = facts.session
    missing = [
        say(
            f"Missing: the prices of {end['symbol']} end at {{}}: session {{}} was due {{}}, {{}} missing by now.",
            *(end.show(name) for name in ("last_date", "due_date", "due_at", "due_days")),
        )
        for end in facts.holes
    ]
    known = say("As known at {}.", session.show("known_at"))
    market = facts.market
    series = say_series(market["index_symbol"], market["price_series"], is_inverse=market["is_inverse"])
    said = [say(f"{series}.")] if series else []
    return join(say("Closed at {}.", session.show("close")), _day(facts), *said, known, *missing)


def _day(facts: Facts) -> Statement:
    if facts.skipped:
        return say("Day: none, session {} is missing.", facts.skipped.show("session_date"))
    return say(
        "Day {}.", facts.session.show("return_1d", signed=True), otherwise="The first close: no change is known."
    )


def _section_lines(section: Section, evidence: bool) -> Iterator[str]:
    """Statements as lists, and tables; an empty line before each list and table."""
    is_in_list = False
    for part in section.parts:
        if isinstance(part, Grid):
            yield from ("", *part.rows())
            if evidence:
                yield from _cited(part.statements, "")
        else:
            if not is_in_list:
                yield ""
            yield from _written(part, "- ", evidence)
        is_in_list = isinstance(part, Statement)


def _written(statement: Statement, bullet: str, evidence: bool) -> Iterator[str]:
    yield bullet + statement.text
    if evidence:
        yield from _cited([statement], " " * len(bullet))


def _cited(statements: Iterable[Statement], indent: str) -> Iterator[str]:
    """The query of each figure."""
    yield from (f"{indent}  - {figure.text} ← `{figure.query}`" for said in statements for figure in said.figures)
