"""A note checked against the published warehouse, as text and JSON.

Belongs here: the wording of verdicts. Not here: how they are reached (claims/), marts.claims (inputs.py).
"""

import json
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from r2k_pipeline.claims.note import Note, read_note
from r2k_pipeline.claims.note_text import NEXT
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.claims.verdicts import Verdict, judge
from r2k_pipeline.snapshot import Snapshot

WIDTH = 110


@dataclass(frozen=True)
class CheckedNote:
    """A note, its verdicts in order, the data they rest on, and every mistake in the file by claim."""

    note: Note
    label: str
    is_sample: bool
    data_known_at: datetime
    verdicts: tuple[Verdict, ...]
    errors: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; instants as ISO text, evidence as rows."""
        rows = [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in verdict.row().items()}
            | {"evidence": json.loads(verdict.finding.evidence)}
            for verdict in self.verdicts
        ]
        return {
            "note_id": self.note.id,
            "title": self.note.title,
            "label": self.label,
            "is_sample": self.is_sample,
            "data_known_at": self.data_known_at.isoformat(),
            "verdicts": rows,
            "errors": list(self.errors),
        }

    def text(self) -> str:
        """Each claim with its readings under it, and the errors at the end."""
        head = [*([self.label] if self.is_sample else []), f"{self.note.title}: {_tally(self.verdicts)}"]
        lines = [
            *head,
            f"data known as of {_minute(self.data_known_at)}; --json has the rows behind a verdict",
        ]
        for claim, verdicts in groupby(self.verdicts, lambda verdict: verdict.claim):
            lines += ["", *textwrap.wrap(f"{claim.id}  {claim.claim}", WIDTH, subsequent_indent="    ")]
            for verdict in verdicts:
                lines += _lines(verdict)
        errors = ["", *(f"ERROR  {error}" for error in self.errors), NEXT] if self.errors else []
        return "\n".join([*lines, *errors])


def check_note(file: Path, snapshot: Snapshot) -> CheckedNote:
    """The verdicts on a note's claims that could be given at the snapshot's moment. Raises MistakesError, R2kError."""
    note = read_note(file)
    label, is_sample = snapshot.generation["label"], snapshot.generation["is_sample"]
    with Sandbox.over_warehouse(snapshot.file, snapshot.connection) as sandbox:
        verdicts = tuple(judge(note, sandbox, snapshot.moment))
    failed = (verdict.error for verdict in verdicts if verdict.error is not None)
    return CheckedNote(note, label, is_sample, snapshot.moment, verdicts, (*note.mistakes, *failed))


def _tally(verdicts: tuple[Verdict, ...]) -> str:
    words = [verdict.finding.verdict for verdict in verdicts]
    return f"{words.count('holds')} hold, {words.count('fails')} fail, {words.count('undetermined')} undetermined"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _lines(verdict: Verdict) -> list[str]:
    found, reading = verdict.finding, verdict.definition
    is_number = found.computed_value is not None
    number = f"{found.computed_value:,.6g}" if is_number else found.computed_text
    shown = "" if number is None else f"{number} ({reading.unit})"
    base = found.computed_text if is_number else ""
    if found.judged not in (None, f"value = {number}"):  # other columns were judged as well, or instead
        base = "; ".join(filter(None, (base, f"judged by {found.judged}")))
    moment = f"judged with data to {_minute(verdict.known_at)}" if reading.judged_until else ""
    facts = "; ".join(filter(None, (shown, base, moment, found.reason)))
    explained = textwrap.wrap(reading.reading, WIDTH, initial_indent=" " * 18, subsequent_indent=" " * 18)
    return [f"    {found.verdict:14}{reading.alternative}: {facts}", *explained]
