"""Notes: TOML files of claims, read into frozen values; a mistake in one claim leaves the others.

Belongs here: the shape of a note, messages for mistakes in it. Not here: claims in SQL (definitions.py) and in the
vocabulary (vocabulary/), verdicts (verdicts.py).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError, model_validator

from r2k_pipeline.claims.definitions import (
    ID,
    Claim,
    Definition,
    Id,
    Moment,
    Query,
    ReportType,
    Shown,
    Strict,
    TraderGroup,
)
from r2k_pipeline.claims.note_text import NEXT, NoteText, read_text, with_floats
from r2k_pipeline.claims.printable import printable
from r2k_pipeline.claims.vocabulary.assertions import WordError
from r2k_pipeline.claims.vocabulary.statements import Defaults, Statement, read_statement
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.mistakes import say_mistakes
from r2k_pipeline.moments import session_of
from r2k_pipeline.shipped import shipped

SHIPPED: Final = shipped("notes")
IN_SQL: Final = ("sql", "query", "check", "definitions")
"""A claim with one of these keys is a claim in SQL."""


class _Head(Strict):
    title: Shown
    as_of: Moment | None = None
    moment: Moment | None = None
    moments: Annotated[list[Moment], Field(min_length=1)] | None = None
    market: Shown | None = None
    group: TraderGroup | None = None
    groups: list[TraderGroup] = Field(default_factory=list)
    report_type: ReportType | None = None
    queries: dict[Id, Query] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_moment(self) -> "_Head":
        if [self.as_of, self.moment, self.moments].count(None) != 2:
            raise ValueError("give one of moment (or as_of) and moments")
        return self

    def defaults(self) -> Defaults:
        """The values for claims without their own."""
        one = self.as_of or self.moment
        groups = (*([self.group] if self.group else []), *self.groups)
        return Defaults((one,) if one else tuple(self.moments or ()), self.market, groups, self.report_type)


@dataclass(frozen=True)
class Note:
    """A note: its statements in order, its text, and `mistakes`: claims that cannot be read, and why."""

    id: str
    title: str
    text: NoteText
    claims: tuple[Claim | Statement, ...]
    mistakes: tuple[str, ...]

    def coverage(self) -> str:
        """How many of its statements the tables can judge."""
        checked = sum(isinstance(claim, Claim) or claim.is_checked for claim in self.claims)
        not_checkable = sum(isinstance(claim, Statement) and claim.not_checkable is not None for claim in self.claims)
        without = len(self.claims) - checked - not_checkable
        wrong = f", {len(self.mistakes)} with a mistake" if self.mistakes else ""
        total = len(self.claims) + len(self.mistakes)
        return f"{total} statements: {checked} checked, {not_checkable} not checkable, {without} without a word{wrong}"


def read_shipped_notes() -> list[Note]:
    """The notes of the package, by name. Raises MistakesError, for a mistake in one claim too."""
    notes = [read_note(file) for file in sorted(SHIPPED.glob("*.toml"))]
    if mistakes := [mistake for note in notes for mistake in note.mistakes]:
        raise MistakesError("; ".join(mistakes))
    return notes


def moments_of(notes: Iterable[Note], moments_in: Callable[[Statement], Iterable[datetime]]) -> list[datetime]:
    """The moments at which readings of `notes` are judged, in their order; `moments_in`: those of a statement."""
    moments: set[datetime] = set()
    for claim in (claim for note in notes for claim in note.claims):
        if isinstance(claim, Statement):
            moments.update(moments_in(claim))
            continue
        known = (definition.judged_until or definition.as_of for definition in claim.definitions)
        moments.update(moment for moment in known if isinstance(moment, datetime))
    return sorted(moments)


def read_note(file: Path) -> Note:
    """The note in a TOML file. Raises MistakesError if it is no note; a wrong claim is among its `mistakes`."""
    text = read_text(file)
    entries = _entries(text)
    head = _head(text)
    claims: list[Claim | Statement] = []
    mistakes: list[str] = []
    for place, (name, entry) in enumerate(entries, 1):
        try:
            claim = _claim(name, entry, head)
            if name in {other.id for other in claims}:
                raise MistakesError("this id is given twice; the first one counts")
            claims.append(claim)
        except (WordError, MistakesError) as error:
            mistakes.append(say_mistake(text, name, str(error), getattr(error, "word", ""), place))
        except ValidationError as error:
            mistakes.append(say_mistake(text, name, _reasons(error, Claim), place=place))
    return Note(file.stem, head.title, text, tuple(claims), tuple(mistakes))


def say_mistake(text: NoteText, claim: str, reason: str, word: str = "", place: int = 0) -> str:
    """A mistake at one word of a claim, in one line: file, line, claim, word, reason."""
    named = "" if not word or word in reason else f"{word}: "
    return printable(f"{text.where(claim, place, word)}: claim {claim!r}: {named}{reason}")


def _entries(text: NoteText) -> list[tuple[str, Any]]:
    """Every entry of [claims] or [[claims]] with its id. Raises MistakesError where there is none."""
    claims = text.content.get("claims")
    if isinstance(claims, dict) and claims:
        return list(claims.items())
    if not isinstance(claims, list) or not claims:
        raise MistakesError(f"{text.file}: no [claims]; {NEXT}")
    ids = (entry.get("id") if isinstance(entry, dict) else None for entry in claims)
    return [
        (str(name or f"number {place}"), entry) for place, (name, entry) in enumerate(zip(ids, claims, strict=True), 1)
    ]


def _head(text: NoteText) -> _Head:
    """The keys beside the claims, at the top of the file or in [note]."""
    content = {name: value for name, value in text.content.items() if name not in ("claims", "note")}
    note = text.content.get("note", {})
    try:
        return _Head.model_validate(content | (note if isinstance(note, dict) else {"note": note}))
    except ValidationError as error:
        raise MistakesError(f"{text.file}: {_reasons(error, _Head)}; {NEXT}") from error


def _claim(name: str, entry: Any, head: _Head) -> Claim | Statement:
    """A claim in SQL or in the vocabulary. Raises WordError, MistakesError, ValidationError."""
    if not isinstance(entry, dict):
        raise WordError("", 'should be a table: { says = "...", MEASURE.RELATION = VALUE }')
    if not re.fullmatch(ID, name):
        return Claim.model_validate({**with_floats(entry), "id": name})
    if not any(key in entry for key in (*IN_SQL, "claim")):
        return read_statement(name, entry, head.defaults())
    given = with_floats(entry)
    says = {"claim": given.pop("says")} if "says" in given else {}
    if "definitions" not in given and any(key in given for key in IN_SQL):
        own = {key: given.pop(key) for key in list(given) if key in Definition.model_fields}
        given["definitions"] = [own]
    claim = _at_moments(Claim.model_validate({"id": name, **given, **says}), head.defaults().moments[0])
    _accept(claim)
    return _with_queries(claim, head.queries)


def _at_moments(claim: Claim, as_of: date) -> Claim:
    """The claim with an instant in every definition: a day is judged at its close, and at its open as well."""
    definitions = []
    for definition in claim.definitions:
        close, *opens = _moments(definition.as_of or as_of, f"{definition.alternative}: ")
        definitions.append(definition.model_copy(update={"as_of": close}))
        if definition.judged_until is None:
            at_open = {
                "alternative": f"{definition.alternative}_at_open",
                "reading": f"{definition.reading}; at the open",
            }
            definitions += [definition.model_copy(update={**at_open, "as_of": at}) for at in opens]
    return claim.model_copy(update={"definitions": definitions})


def _moments(moment: date, where: str) -> list[datetime]:
    """The instant, or the close and the open of a day. Raises MistakesError for a day without a session."""
    if isinstance(moment, datetime):
        return [moment]
    try:
        return list(reversed(session_of(moment)))
    except ValueError as error:
        raise MistakesError(f"{where}as_of: {error}") from error


def _accept(claim: Claim) -> None:
    """Raise MistakesError for `judged_until` before `as_of`."""
    for definition in claim.definitions:
        assert isinstance(definition.as_of, datetime)
        if definition.judged_until is not None and definition.judged_until <= definition.as_of:
            raise MistakesError(f"{definition.alternative}: judged_until must come after as_of")


def _with_queries(claim: Claim, queries: dict[str, str]) -> Claim:
    """The claim with the text of each query that a definition names. Raises MistakesError where there is none."""
    definitions = []
    for definition in claim.definitions:
        if definition.query is not None and definition.query not in queries:
            there_are = ", ".join(sorted(queries)) or "none"
            raise MistakesError(
                f"{definition.alternative}: no query {definition.query!r} in [queries]; there are: {there_are}"
            )
        found = {} if definition.query is None else {"sql": queries[definition.query]}
        definitions.append(definition.model_copy(update=found))
    return claim.model_copy(update={"definitions": definitions})


def _reasons(error: ValidationError, model: type[BaseModel]) -> str:
    """Every mistake that pydantic found, as `key: what is wrong`."""
    return printable("; ".join(say_mistakes(error, model, "claim")))
