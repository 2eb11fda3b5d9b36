"""Verdicts: claims of a note checked against what was known -> marts.claims.

Belongs here: how rows and a condition, or the relations of a line, become holds, fails or undetermined. Not here: where
rows come from (sandbox.py, checks.py, known_tables.py), how verdicts are shown (report/).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final, Literal, Protocol

import polars as pl

from r2k_pipeline.claims.checks import run_check
from r2k_pipeline.claims.data_ends import Reach
from r2k_pipeline.claims.note import Claim, Definition, Note, say_mistake
from r2k_pipeline.claims.printable import no_formula, printable, why_not_shown
from r2k_pipeline.claims.sandbox import Sandbox, SandboxError
from r2k_pipeline.claims.story import story_of, story_of_names
from r2k_pipeline.claims.vocabulary.known_rows import wanted_columns
from r2k_pipeline.claims.vocabulary.reached import windows
from r2k_pipeline.claims.vocabulary.readings import Judged, judge_readings
from r2k_pipeline.claims.vocabulary.results import Result, shown
from r2k_pipeline.claims.vocabulary.statements import Statement, WordError, measures_of

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
    value_date: date | None = None


class Told(Protocol):
    """What a verdict says of its reading: a Definition in SQL, or the Line of a vocabulary claim."""

    @property
    def alternative(self) -> str: ...
    @property
    def reading(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def judged_until(self) -> datetime | None: ...
    def text(self) -> str:
        """The whole definition."""


@dataclass(frozen=True)
class Line:
    """A reading of a vocabulary claim; `words` are its relations and what they were judged of."""

    alternative: str
    reading: str
    unit: str = "none"
    judged_until: datetime | None = None
    words: str = ""

    def text(self) -> str:
        """Reading and relations."""
        return "\n".join(filter(None, (self.reading, self.words)))


@dataclass(frozen=True)
class Verdict:
    """One reading of one claim, judged; `error` where its definition could not be computed: the mistake in the note.

    `results`: of a vocabulary claim, each relation. `story`: all readings of the claim in one line.
    """

    note_id: str
    claim: Claim | Statement
    definition: Told
    as_of: datetime
    finding: Finding
    error: str | None = None
    results: tuple[Result, ...] = ()
    story: str = ""

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
            "definition": no_formula(self.definition.text()),
            "unit": no_formula(self.definition.unit),
            "as_of": self.as_of,
            "judged_until_at": self.definition.judged_until,
            "known_at": self.known_at,
            "story": self.story,
            **asdict(self.finding),
        }


def judge(note: Note, sandbox: Sandbox, data_known_at: datetime) -> Iterator[Verdict]:
    """A verdict for every reading of every claim, in the note's order.

    The data is as known at `data_known_at`. A reading at a later moment is undetermined, and so is one at a moment at
    which newer data was due and is missing. `reason` counts the days missing in the windows before.
    """
    reach = Reach(sandbox, data_known_at)
    statements = [claim for claim in note.claims if isinstance(claim, Statement)]
    sandbox.tables.wants(wanted_columns(measure for claim in statements for measure in measures_of(claim)))
    for claim in note.claims:
        if isinstance(claim, Statement):
            yield from _judge_statement(note, claim, sandbox, data_known_at)
            continue
        found = [_judge(note, claim, definition, sandbox, reach) for definition in claim.definitions]
        story = story_of_names([(each.definition.alternative, each.finding.verdict) for each in found])
        yield from (replace(each, story=story) for each in found)


def _judge_statement(note: Note, claim: Statement, sandbox: Sandbox, data_known_at: datetime) -> Iterator[Verdict]:
    """Every reading of a vocabulary claim; one line for what no table bears out, and for a mistake."""
    first = claim.moments[0]
    as_of = first if isinstance(first, datetime) else datetime.combine(first, time(), UTC)
    if not claim.is_checked:
        story = (
            f"not checkable: {claim.not_checkable}" if claim.not_checkable else "without a word: no measure is given"
        )
        line = Line("not_checkable" if claim.not_checkable else "without_a_word", "no measure of the tables")
        yield Verdict(note.id, claim, line, as_of, Finding("undetermined", story), story=story)
        return
    try:
        readings = list(judge_readings(claim, sandbox.tables, data_known_at))
    except WordError as error:
        said, story = say_mistake(note.text, claim.id, str(error), error.word), f"error: {printable(str(error))}"
        finding = Finding("undetermined", story)
        yield Verdict(note.id, claim, Line("mistake", "not judged"), as_of, finding, said, story=story)
        return
    for judged in readings:
        yield _verdict(note, claim, judged, sandbox, story_of(readings))


def _verdict(note: Note, claim: Statement, judged: Judged, sandbox: Sandbox, story: str) -> Verdict:
    """The verdict of one reading; the value is that of the relation that decides."""
    way, words, results = judged.reading.way, judged.reading.words, judged.results
    finding, unit = _finding(judged), claim.asked[0].measure.unit
    if results and (lacking := windows(claim, way, sandbox.tables)):
        finding = replace(finding, reason="; ".join(filter(None, (finding.reason, lacking))))
    group = f", trader_group = {way.group}, report_type = {way.report_type}" if way.group else ""
    relations = [f"{a.measure.name}.{word} = {right}" for a in claim.asked for word, right in a.written.items()]
    stated = "\n".join([*relations, f"parameters: market = {way.market}{group}"])
    until = way.known if way.known > way.as_of else None
    decides = _deciding(results)
    line = Line(
        judged.reading.alternative, words, _unit_of(decides.unit if decides and decides.unit else unit), until, stated
    )
    return Verdict(note.id, claim, line, way.as_of, finding, None, results, story)


def _unit_of(unit: str) -> str:
    """The unit of a value; a text out of a list is a text."""
    return "text" if unit.startswith("one of") else unit


def _deciding(results: Sequence[Result]) -> Result | None:
    """The first relation that fails, else the first that is unknown, else the first."""
    ordered = sorted(results, key=lambda result: (result.truth is not False, result.truth is not None))
    return ordered[0] if ordered else None


def _finding(judged: Judged) -> Finding:
    decides = _deciding(judged.results)
    if decides is None:
        return Finding("undetermined", judged.reason or "no relation")
    word: Word = "undetermined" if judged.truth is None else "holds" if judged.truth else "fails"
    is_number = isinstance(decides.value, int | float)
    text = None if is_number or decides.value is None else str(decides.value)
    rate = None if decides.base_rate is None else f"{100 * decides.base_rate:.0f} % of prices near the close pass"
    evidence = json.dumps([_evidence(result) for result in judged.results], allow_nan=False)
    said = "; ".join(say_result(result) for result in judged.results)
    return Finding(
        word,
        decides.reason if word == "undetermined" else None,
        float(decides.value) if isinstance(decides.value, int | float) else None,
        "; ".join(filter(None, (text, rate))) or None,
        evidence,
        said,
        decides.day,
    )


def _evidence(result: Result) -> dict[str, Plain]:
    truth = {True: "holds", False: "fails", None: "undetermined"}[result.truth]
    shown_day = result.day.isoformat() if result.day else None
    row: dict[str, Plain] = {"relation": result.words, "verdict": truth, "value": result.value, "day": shown_day}
    more = {"unit": result.unit, "base_rate": result.base_rate, "also": result.also, "reason": result.reason}
    return row | {name: value for name, value in more.items() if value}


def say_result(result: Result) -> str:
    """A relation with what was found, its day and unit."""
    if result.truth is None:
        return f"{result.words}: {result.reason}"
    value = "none" if result.value is None else shown(result.value, result.unit)
    day = f" on {result.day}" if result.day and str(result.day) != value else ""
    return f"{result.words}: {value}{day}{f' ({result.also})' if result.also else ''}"


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
