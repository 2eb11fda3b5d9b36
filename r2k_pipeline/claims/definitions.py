"""Claims in SQL: one statement with the definitions that its words allow, each a query or a check with a condition.

Belongs here: their shape. Not here: files (note.py), the vocabulary, what SQL may do (permitted.py), verdicts.
"""

from collections import Counter
from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from r2k_pipeline.claims.printable import why_not_shown
from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.report_types import REPORT_TYPES

ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_]{0,63}$"


def _is_shown_as_it_is(words: str) -> str:
    """Refuse text that a terminal would execute; a formula is made harmless when it is printed."""
    if reason := why_not_shown(words, lines=True, formulas=True):
        raise ValueError(f"text {reason}")
    return words


Id = Annotated[str, StringConstraints(pattern=ID)]
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
TraderGroup = Literal[TRADER_GROUPS]  # type: ignore[valid-type]
ReportType = Literal[REPORT_TYPES]  # type: ignore[valid-type]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Definition(Strict):
    """One reading of a claim: rows of a query or a check, and the condition on them that makes it hold.

    `query` names one of the note's queries; reading the note puts its text into `sql` and makes `as_of` an instant.
    `holds_when` is a SQL condition on one row; it must be true of `all` rows or of `any`. `value`: the column that is
    the computed value.
    """

    alternative: Id = "as_it_says"
    reading: Shown = "as the query says"
    sql: Query | None = None
    query: Id | None = None
    check: Id | None = None
    parameters: dict[Id, Scalar] = Field(default_factory=dict)
    value: Id = "value"
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

    @property
    def market(self) -> str | None:
        """The market of its parameters."""
        said = self.parameters.get("market")
        return said if isinstance(said, str) else None

    def text(self) -> str:
        """The whole definition as text: reading, source, parameters, condition."""
        given = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        source = self.sql or f"check {self.check}"
        parts = [self.reading, source, f"parameters: {given}" if given else "", f"{self.rows} rows: {self.holds_when}"]
        return "\n".join(filter(None, parts))


class Claim(Strict):
    """One statement of a note, in our words, with every reading that its words allow."""

    id: Id
    claim: Shown
    definitions: Annotated[list[Definition], Field(min_length=1)]

    @model_validator(mode="after")
    def _told_apart(self) -> "Claim":
        given = Counter(definition.alternative for definition in self.definitions)
        if twice := [name for name, times in given.items() if times > 1]:
            raise ValueError(f"alternative given twice: {', '.join(twice)}")
        return self
