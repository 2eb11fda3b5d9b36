"""A note checked against the published warehouse, as text and JSON.

Belongs here: the wording of verdicts. Not here: how they are reached (claims/), marts.claims (inputs.py).
"""

import json
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from r2k_pipeline.claims.definitions import Claim
from r2k_pipeline.claims.note import Note, read_note
from r2k_pipeline.claims.note_text import NEXT
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.claims.verdict import Verdict, last_story
from r2k_pipeline.claims.verdicts import judge
from r2k_pipeline.claims.vocabulary.statements import Statement
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import disk_error
from r2k_pipeline.shipped import shipped
from r2k_pipeline.snapshot import Snapshot

TEMPLATE: Final = shipped("claims/template.toml")
WIDTH = 110
INDENT = " " * 18


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
            {name: value.isoformat() if isinstance(value, date) else value for name, value in verdict.row().items()}
            | {"evidence": json.loads(verdict.finding.evidence)}
            for verdict in self.verdicts
        ]
        return {
            "note_id": self.note.id,
            "title": self.note.title,
            "coverage": self.note.coverage(),
            "label": self.label,
            "is_sample": self.is_sample,
            "data_known_at": self.data_known_at.isoformat(),
            "stories": {claim.id: last_story(verdicts) for claim, verdicts in self.by_claim()},
            "verdicts": rows,
            "errors": list(self.errors),
        }

    def by_claim(self) -> Iterator[tuple[Claim | Statement, Sequence[Verdict]]]:
        """The readings of each claim, in the note's order."""
        yield from ((claim, [*verdicts]) for claim, verdicts in groupby(self.verdicts, lambda verdict: verdict.claim))

    def head(self) -> list[str]:
        """What is covered, and what it was judged on."""
        return [
            self.note.coverage(),
            f"their readings: {_tally(self.verdicts)}",
            f"data known as of {_minute(self.data_known_at)}",
        ]

    def text(self) -> str:
        """What is covered; each claim with its verdict in one line and its readings under it; at the end what the data

        of verdicts lacks, and the errors.
        """
        lines = [
            *([self.label] if self.is_sample else []),
            self.note.title,
            *self.head(),
            "--json has the rows behind a verdict, --html a chart of each",
        ]
        for claim, verdicts in self.by_claim():
            lines += [
                "",
                *textwrap.wrap(f"{claim.id}  {claim.claim}", WIDTH, subsequent_indent="    "),
                *_claim_lines(verdicts),
            ]
        lines += _incomplete(self.verdicts)
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


def write_template(file: Path) -> str:
    """A note to fill in, written to `file`; what to do next. Raises R2kError for a file that is there already."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(TEMPLATE.read_text("utf-8"))
    except FileExistsError as error:
        raise R2kError(file, "is there already, and is not written over", "another name") from error
    except OSError as error:
        raise disk_error(file, "cannot be written", error, "another folder") from error
    return f"{file} is a note to fill in; next: r2k check-note {shlex.quote(str(file))}"


def _tally(verdicts: tuple[Verdict, ...]) -> str:
    words = [verdict.finding.verdict for verdict in verdicts]
    return f"{words.count('holds')} hold, {words.count('fails')} fail, {words.count('undetermined')} undetermined"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _claim_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The claim's verdict in one line, and its readings."""
    yield from textwrap.wrap(last_story(verdicts), WIDTH, initial_indent="    = ", subsequent_indent="      ")
    if isinstance(verdicts[0].claim, Statement) and not any(verdict.results for verdict in verdicts):
        return
    for verdict in verdicts:
        yield from _lines(verdict)


def _incomplete(verdicts: Sequence[Verdict]) -> list[str]:
    """What is missing in data that was complete enough for a verdict, each once, with the claims that rest on it."""
    claims: dict[str, dict[str, None]] = {}
    for verdict in verdicts:
        if verdict.finding.reason and verdict.finding.verdict != "undetermined":
            claims.setdefault(verdict.finding.reason, {})[verdict.claim.id] = None
    lines = ["", "Data of these claims is not complete:"] if claims else []
    for reason, ids in claims.items():
        said = f"{reason}: {', '.join(ids)}"
        lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


def _lines(verdict: Verdict) -> list[str]:
    found, reading = verdict.finding, verdict.definition
    why = found.reason if found.verdict == "undetermined" else ""
    moment = f"judged with data to {_minute(verdict.known_at)}" if reading.judged_until else ""
    if verdict.results:
        rate = next((result.base_rate for result in verdict.results if result.base_rate is not None), None)
        passes = "" if rate is None else f"{100 * rate:.0f} % of prices near the close pass"
        facts = "; ".join(filter(None, (found.judged, passes, moment)))
        return textwrap.wrap(
            f"{found.verdict:14}{reading.alternative}: {facts}", WIDTH, initial_indent="    ", subsequent_indent=INDENT
        )
    is_number = found.computed_value is not None
    number = f"{found.computed_value:,.6g}" if is_number else found.computed_text
    shown = "" if number is None else f"{number} ({reading.unit})"
    base = found.computed_text if is_number else ""
    if found.judged not in (None, f"value = {number}"):  # other columns were judged as well, or instead
        base = "; ".join(filter(None, (base, f"judged by {found.judged}")))
    facts = "; ".join(filter(None, (shown, base, moment, why)))
    explained = textwrap.wrap(reading.reading, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return [f"    {found.verdict:14}{reading.alternative}: {facts}", *explained]
