"""Notes: TOML files of claims, read into frozen values; a mistake in one claim leaves the others.

Belongs here: the shape of a note and messages for a mistake in it. Not here: what a claim's SQL may do (permitted.py),
verdicts (verdicts.py).
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)

from r2k_pipeline.claims.printable import printable, why_not_shown
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.mistakes import say_mistakes
from r2k_pipeline.moments import session_of
from r2k_pipeline.shipped import shipped

SHIPPED: Final = shipped("notes")
LARGEST_BYTES: Final = 1_000_000
NEXT: Final = "next: columns are in docs/tables.md, keys in docs/claims.md"


def _is_shown_as_it_is(words: str) -> str:
    """Refuse text that a terminal or spreadsheet would execute."""
    if reason := why_not_shown(words, lines=True):
        raise ValueError(f"text {reason}")
    return words


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]{0,63}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Shown = Annotated[Words, AfterValidator(_is_shown_as_it_is)]
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
Scalar = bool | int | float | AwareDatetime | date | str


def _is_moment(said: object) -> date:
    if type(said) is date or (isinstance(said, datetime) and said.tzinfo):
        return said
    raise ValueError("should be an instant with its zone, or a day: then its open and its close are two readings")


Moment = Annotated[date, PlainValidator(_is_moment)]
"""An instant, or a day if the words name no hour."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Definition(_Strict):
    """One reading of a claim: rows of a query or a check, and the condition on them that makes it hold.

    `query` names one of the note's queries; reading the note puts its text into `sql` and makes `as_of` an instant.
    `holds_when` is a SQL condition on one row; it must be true of `all` rows or of `any`.
    """

    alternative: Id
    reading: Shown
    sql: Query | None = None
    query: Id | None = None
    check: Id | None = None
    parameters: dict[Id, Scalar] = Field(default_factory=dict)
    unit: Shown
    holds_when: Query
    rows: Literal["all", "any"] = "all"
    as_of: Moment | None = None
    judged_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_way_to_rows(self) -> "Definition":
        if [self.sql, self.query, self.check].count(None) != 2:
            raise ValueError("give one of sql, query and check")
        return self

    def text(self) -> str:
        """The whole definition as text: reading, source, parameters, condition."""
        given = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        source = self.sql or f"check {self.check}"
        parts = [self.reading, source, f"parameters: {given}" if given else "", f"{self.rows} rows: {self.holds_when}"]
        return "\n".join(filter(None, parts))


class Claim(_Strict):
    """One statement of a note, in our words, with every reading that its words allow."""

    id: Id
    claim: Shown
    definitions: Annotated[list[Definition], Field(min_length=1)]

    @model_validator(mode="after")
    def _told_apart(self) -> "Claim":
        twice = _repeated(definition.alternative for definition in self.definitions)
        if twice:
            raise ValueError(f"alternative given twice: {', '.join(twice)}")
        return self


class _Head(_Strict):
    title: Shown
    as_of: Moment
    queries: dict[Id, Query] = Field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A note: its claims in order, the moment it was made, and `mistakes`: claims that cannot be read, and why."""

    id: str
    title: str
    as_of: datetime
    claims: tuple[Claim, ...]
    mistakes: tuple[str, ...]


def read_shipped_notes() -> list[Note]:
    """The notes of the package, by name. Raises MistakesError, for a mistake in one claim too."""
    notes = [read_note(file) for file in sorted(SHIPPED.glob("*.toml"))]
    if mistakes := [mistake for note in notes for mistake in note.mistakes]:
        raise MistakesError("; ".join(mistakes))
    return notes


def moments_of(notes: Iterable[Note]) -> list[datetime]:
    """The moments at which readings of `notes` are judged, in their order."""
    definitions = [definition for note in notes for claim in note.claims for definition in claim.definitions]
    moments = [definition.judged_until or definition.as_of for definition in definitions]
    return sorted({moment for moment in moments if isinstance(moment, datetime)})


def read_note(file: Path) -> Note:
    """The note in a TOML file. Raises MistakesError if it is no note; a wrong claim is among its `mistakes`."""
    content = _content(file)
    entries = content.pop("claims", None)
    if not isinstance(entries, list) or not entries:
        raise MistakesError(f"{file}: no [[claims]]; {NEXT}")
    try:
        head = _Head.model_validate(content)
    except ValidationError as error:
        raise MistakesError(f"{file}: {_reasons(error, _Head)}; {NEXT}") from error
    claims: list[Claim] = []
    mistakes: list[str] = []
    for place, entry in enumerate(entries, 1):
        name = str(entry.get("id", f"number {place}")) if isinstance(entry, dict) else f"number {place}"
        try:
            claim = _at_moments(Claim.model_validate(entry), head.as_of)
            _accept(claim, claims)
            claims.append(_with_queries(claim, head.queries))
        except ValidationError as error:
            mistakes.append(f"{file}: claim {name!r}: {_reasons(error, Claim)}")
        except MistakesError as error:
            mistakes.append(f"{file}: claim {name!r}: {error}")
    as_of, *_ = _moments(head.as_of, f"{file}: ")
    return Note(file.stem, head.title, as_of, tuple(claims), tuple(mistakes))


def _at_moments(claim: Claim, as_of: date) -> Claim:
    """The claim with an instant in every definition: a day is judged at its close, and at its open as well."""
    definitions = []
    for definition in claim.definitions:
        close, *opens = _moments(definition.as_of or as_of, f"{definition.alternative}: ")
        definitions.append(definition.model_copy(update={"as_of": close}))
        if definition.judged_until is None:
            told = {"alternative": f"{definition.alternative}_at_open", "reading": f"{definition.reading}; at the open"}
            definitions += [definition.model_copy(update={**told, "as_of": at}) for at in opens]
    return claim.model_copy(update={"definitions": definitions})


def _moments(moment: date, where: str) -> list[datetime]:
    """The instant, or the close and the open of a day. Raises MistakesError for a day without a session."""
    if isinstance(moment, datetime):
        return [moment]
    try:
        return list(reversed(session_of(moment)))
    except ValueError as error:
        raise MistakesError(f"{where}as_of: {error}") from error


def _content(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            body = stream.read(LARGEST_BYTES + 1)
        if len(body) > LARGEST_BYTES:
            raise MistakesError(f"{file}: larger than {LARGEST_BYTES:,} bytes: not a note")
        return tomllib.loads(body.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MistakesError(f"{file}: not TOML: {error}; {NEXT}") from error
    except OSError as error:
        raise MistakesError(f"{file}: cannot be read: {error.strerror}; {NEXT}") from error


def _accept(claim: Claim, others: list[Claim]) -> None:
    """Raise MistakesError for a repeated id, and for `judged_until` before `as_of`."""
    if claim.id in {other.id for other in others}:
        raise MistakesError("this id is given twice; the first one counts")
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


def _repeated(names: Iterator[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _reasons(error: ValidationError, model: type[BaseModel]) -> str:
    """Every mistake that pydantic found, as `key: what is wrong`."""
    return printable("; ".join(say_mistakes(error, model, "claim")))
