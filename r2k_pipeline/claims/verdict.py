"""A verdict: one reading of one claim with its result, as a row of marts.claims.

Belongs here: its shape. Not here: how it is reached (verdicts.py, lines.py), how it is shown (report/).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from r2k_pipeline.claims.definitions import Claim
from r2k_pipeline.claims.printable import no_formula
from r2k_pipeline.claims.vocabulary.readings import Judged
from r2k_pipeline.claims.vocabulary.results import Result
from r2k_pipeline.claims.vocabulary.statements import Statement

Plain = str | int | float | bool | None
Word = Literal["holds", "fails", "undetermined"]


@dataclass(frozen=True)
class Finding:
    """The result of a definition: verdict, computed value, its rows as JSON; `reason`: why undetermined, missing days.

    `judged`: every column that the condition names, with its value in the row that decided.
    """

    verdict: Word
    reason: str | None = None
    computed_value: float | None = None
    computed_text: str | None = None
    evidence: str = "[]"
    judged: str | None = None
    value_date: date | None = None


class Described(Protocol):
    """The reading of a verdict: a Definition in SQL, or the Line of a vocabulary claim."""

    @property
    def alternative(self) -> str: ...
    @property
    def market(self) -> str | None: ...
    @property
    def reading(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def judged_until(self) -> datetime | None: ...
    def text(self) -> str:
        """The whole definition."""


@dataclass(frozen=True)
class Verdict:
    """One reading of one claim, judged; `error` where its definition could not be computed: the mistake in the note.

    `judged`: of a vocabulary claim, the reading. `story`: the readings of the claim known by then, in one line.
    """

    note_id: str
    claim: Claim | Statement
    definition: Described
    as_of: datetime
    finding: Finding
    error: str | None = None
    judged: Judged | None = None
    story: str = ""

    @property
    def results(self) -> tuple[Result, ...]:
        """Of a vocabulary claim, each relation."""
        return self.judged.results if self.judged else ()

    @property
    def known_at(self) -> datetime:
        """When the verdict could first be given."""
        return self.definition.judged_until or self.as_of

    def row(self) -> dict[str, object]:
        """As in marts.claims."""
        return {
            "note_id": self.note_id,
            "claim_id": self.claim.id,
            "alternative": self.definition.alternative,
            "claim": no_formula(self.claim.claim),
            "market": self.definition.market,
            "definition": no_formula(self.definition.text()),
            "unit": no_formula(self.definition.unit),
            "as_of": self.as_of,
            "judged_until_at": self.definition.judged_until,
            "known_at": self.known_at,
            "story": self.story,
            **asdict(self.finding),
        }


def main_reading(verdicts: Sequence[Verdict]) -> Verdict:
    """The reading to show for a claim: a true one, else the plainest."""
    return min(
        verdicts,
        key=lambda each: (
            each.finding.verdict != "holds",
            len(each.definition.alternative),
            each.definition.alternative,
        ),
    )


def last_story(verdicts: Sequence[Verdict]) -> str:
    """The story of all readings of a claim: that of the one known last."""
    return max(verdicts, key=lambda verdict: verdict.known_at).story
