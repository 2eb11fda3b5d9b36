"""Verdicts: claims of a note checked against rows as known -> marts.claims.

Belongs here: how rows and a condition, or the relations of a line, become holds, fails or undetermined. Not here: where
rows come from (sandbox.py, checks.py, known_tables.py), how verdicts are shown (report/).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import polars as pl

from r2k_pipeline.claims.checks import run_check
from r2k_pipeline.claims.data_ends import DataEnds
from r2k_pipeline.claims.definitions import Claim, Definition
from r2k_pipeline.claims.lines import judge_statement
from r2k_pipeline.claims.note import Note, say_mistake
from r2k_pipeline.claims.printable import printable, why_not_shown
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError
from r2k_pipeline.claims.story import story_of_names
from r2k_pipeline.claims.verdict import Finding, Plain, Verdict, Word
from r2k_pipeline.claims.vocabulary.known_rows import wanted_columns
from r2k_pipeline.claims.vocabulary.statements import Statement, measures_of

LONGEST_EVIDENCE: Final = 100_000
"""Characters of one verdict's evidence."""


def judge(note: Note, sandbox: Sandbox, data_known_at: datetime) -> Iterator[Verdict]:
    """A verdict for every reading of every claim, in the note's order.

    The data is as known at `data_known_at`. A reading at a later moment is undetermined, and so is one at a moment at
    which newer data was due and is missing. `reason` counts the days missing in the windows before.
    """
    ends = DataEnds(sandbox, data_known_at)
    statements = [claim for claim in note.claims if isinstance(claim, Statement)]
    sandbox.tables.wants(wanted_columns(measure for claim in statements for measure in measures_of(claim)))
    for claim in note.claims:
        if isinstance(claim, Statement):
            yield from judge_statement(note, claim, sandbox.tables, data_known_at)
            continue
        found = [_judge(note, claim, definition, sandbox, ends) for definition in claim.definitions]
        for verdict in found:
            with_it = (each for each in found if each.known_at <= verdict.known_at)
            story = story_of_names([(each.definition.alternative, each.finding.verdict) for each in with_it])
            yield replace(verdict, story=story)


def _judge(note: Note, claim: Claim, definition: Definition, sandbox: Sandbox, ends: DataEnds) -> Verdict:
    as_of = definition.as_of
    assert isinstance(as_of, datetime)  # of a note that was read
    known = definition.judged_until or as_of
    error = None
    try:
        if not_there := ends.say_missing(definition, known):
            finding = Finding("undetermined", not_there)
        else:
            finding = _find(definition, sandbox, as_of, known)
            if lacking := ends.say_windows(definition, known):
                finding = replace(finding, reason="; ".join(filter(None, (finding.reason, lacking))))
    except SandboxError as caught:
        error = printable(str(caught))
        finding = Finding("undetermined", f"error: {error}")
    said = None if error is None else say_mistake(note.text, claim.id, f"{definition.alternative}: {error}")
    return Verdict(note.id, claim, definition, as_of, finding, said)


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
        rows = sandbox.rows(definition.sql, _used_by_query(definition, as_of), known)
    if definition.value not in rows.columns:
        raise SandboxError(f"gives no column `{definition.value}`, only {', '.join(rows.columns)}")
    if rows.is_empty():
        return Finding("undetermined", f"no rows{_of(definition)}")
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows.to_dicts()]
    evidence = json.dumps(plain, allow_nan=False)
    if len(evidence) > LONGEST_EVIDENCE:
        raise SandboxError(f"evidence is longer than {LONGEST_EVIDENCE:,} characters")
    in_condition = _named(definition.holds_when)
    given = {"as_of": as_of, **definition.parameters}
    truths = sandbox.truths(definition.holds_when, rows, {name: given[name] for name in given if name in in_condition})
    verdict, reason = _decide(truths, definition.rows)
    decided = truths.eq_missing(verdict == "holds").arg_max() if verdict != "undetermined" else 0
    row = plain[decided or 0]
    value = row[definition.value]
    if value is None:
        return Finding("undetermined", "the first row's value is null", evidence=evidence)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = _base_rate(row) if is_number else str(value)
    judged = _judged(definition.holds_when, row)
    return Finding(verdict, reason, float(value) if is_number else None, text, evidence, judged)


def _used_by_query(definition: Definition, as_of: datetime) -> dict[str, object]:
    """The parameters of the query: those that the condition alone uses are not among them."""
    in_query, in_condition = _named(definition.sql or ""), _named(definition.holds_when)
    given: dict[str, object] = {
        name: value for name, value in definition.parameters.items() if name in in_query or name not in in_condition
    }
    return given | ({"as_of": as_of} if "as_of" in in_query else {})


def _named(sql: str) -> set[str]:
    return set(re.findall(r"\$(\w+)", sql))


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
    """Kleene's logic over the rows: with a null the result is unknown, unless the other rows decide it."""
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
