"""Verdicts: claims of a note checked against what was known -> marts.claims.

Belongs here: how rows and a condition become holds, fails or undetermined. Not here: where rows come from (sandbox.py,
checks.py), how verdicts are shown (report/).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

import polars as pl

from r2k_pipeline.claims.checks import run_check
from r2k_pipeline.claims.data_ends import Reach
from r2k_pipeline.claims.note import Claim, Definition, Note
from r2k_pipeline.claims.printable import printable, why_not_shown
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError

Plain = str | int | float | bool | None
Word = Literal["holds", "fails", "undetermined"]
LONGEST_EVIDENCE: Final = 100_000
"""Characters of one verdict's evidence."""


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


@dataclass(frozen=True)
class Verdict:
    """One reading of one claim, judged; `error` where its definition could not be computed."""

    note_id: str
    claim: Claim
    definition: Definition
    as_of: datetime
    finding: Finding
    error: str | None = None

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
            "claim": self.claim.claim,
            "definition": self.definition.text(),
            "unit": self.definition.unit,
            "as_of": self.as_of,
            "judged_until_at": self.definition.judged_until,
            "known_at": self.known_at,
            **asdict(self.finding),
        }


def judge(note: Note, sandbox: Sandbox, data_known_at: datetime) -> Iterator[Verdict]:
    """A verdict for every reading of every claim, in the note's order.

    The data is as known at `data_known_at`. A reading at a later moment is undetermined, and so is one at a moment at
    which newer data was due and is missing. `reason` counts the days missing in the windows before.
    """
    reach = Reach(sandbox, data_known_at)
    for claim in note.claims:
        for definition in claim.definitions:
            yield _judge(note, claim, definition, sandbox, reach)


def _judge(note: Note, claim: Claim, definition: Definition, sandbox: Sandbox, reach: Reach) -> Verdict:
    as_of = definition.as_of
    assert isinstance(as_of, datetime)  # of a note that was read
    known = definition.judged_until or as_of
    error = None
    if not_there := reach.not_reached(definition, known):
        finding = Finding("undetermined", not_there)
    else:
        try:
            finding = _find(definition, sandbox, as_of, known)
            if lacking := reach.windows(definition, known):
                finding = replace(finding, reason="; ".join(filter(None, (finding.reason, lacking))))
        except SandboxError as caught:
            error = printable(str(caught))
            finding = Finding("undetermined", f"error: {error}")
    return Verdict(note.id, claim, definition, as_of, finding, error)


def judge_notes(notes: Sequence[Note], sandbox: Sandbox, data_known_at: datetime) -> Iterator[Mapping[str, object]]:
    """Every verdict on every note, in their order, as rows of marts.claims; see `judge`."""
    for note in notes:
        for verdict in judge(note, sandbox, data_known_at):
            yield verdict.row()


def _find(definition: Definition, sandbox: Sandbox, as_of: datetime, known: datetime) -> Finding:
    """Raises SandboxError."""
    if definition.check is not None:
        rows = run_check(definition.check, definition.parameters, sandbox, known)
    else:
        assert definition.sql is not None
        moment = {"as_of": as_of} if "$as_of" in definition.sql else {}
        rows = sandbox.rows(definition.sql, moment | definition.parameters, known)
    if "value" not in rows.columns:
        raise SandboxError(f"gives no column `value`, only {', '.join(rows.columns)}")
    if rows.is_empty():
        return Finding("undetermined", f"no rows{_of(definition)}")
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows.to_dicts()]
    evidence = json.dumps(plain, allow_nan=False)
    if len(evidence) > LONGEST_EVIDENCE:
        raise SandboxError(f"evidence is longer than {LONGEST_EVIDENCE:,} characters")
    truths = sandbox.truths(definition.holds_when, rows)
    verdict, reason = _decide(truths, definition.rows)
    decided = truths.eq_missing(verdict == "holds").arg_max() if verdict != "undetermined" else 0
    row = plain[decided or 0]
    value = row["value"]
    if value is None:
        return Finding("undetermined", "the first row's value is null", evidence=evidence)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = _base_rate(row) if is_number else str(value)
    judged = _judged(definition.holds_when, row)
    return Finding(verdict, reason, float(value) if is_number else None, text, evidence, judged)


def _judged(condition: str, row: Mapping[str, Plain]) -> str:
    named = re.findall(r"\w+", re.sub(r"'[^']*'", "", condition))
    shown = ((name, row[name]) for name in dict.fromkeys(named) if name in row)
    return ", ".join(f"{name} = {v:,.6g}" if isinstance(v, float) else f"{name} = {v}" for name, v in shown)


def _of(definition: Definition) -> str:
    """The parameters of a reading without rows."""
    keys = ", ".join(f"{name} = {value}" for name, value in definition.parameters.items())
    return f" of {keys}" if keys else ""


def _base_rate(row: Mapping[str, Plain]) -> str | None:
    """The share of other prices that pass the same test, if the query gives it: a test that most pass proves little."""
    share = row.get("base_rate")
    return f"{100 * share:.0f} % of other prices pass this test" if isinstance(share, float) else None


def _decide(truths: pl.Series, rows: str) -> tuple[Word, str | None]:
    """Kleene's logic over the rows: a null decides nothing, unless the others decide without it."""
    decided = truths.all(ignore_nulls=False) if rows == "all" else truths.any(ignore_nulls=False)
    if decided is None:
        return "undetermined", "the condition is null"
    return ("holds" if decided else "fails"), None


def _plain(name: str, value: object) -> Plain:
    """A value as JSON has it. Raises SandboxError for a type that evidence cannot show."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        raise SandboxError(f"{name} is {value}: neither a number nor unknown")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and (reason := why_not_shown(value)):
        raise SandboxError(f"{name} {reason}")
    if value is None or isinstance(value, str | int | float):
        return value
    raise SandboxError(f"{name} is a {type(value).__name__}: give text, a number, a day, an instant, or true or false")
