"""Verdicts on claims of the vocabulary: their readings as rows, each with its deciding relation.

Belongs here: how results of relations become a verdict. Not here: the results (vocabulary/), claims in SQL
(verdicts.py).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from r2k_pipeline.claims.note import Note, say_mistake
from r2k_pipeline.claims.printable import printable
from r2k_pipeline.claims.story import story_of
from r2k_pipeline.claims.verdict import Finding, Plain, Verdict, Word
from r2k_pipeline.claims.vocabulary.assertions import WordError
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.missing_data import say_windows
from r2k_pipeline.claims.vocabulary.readings import Judged, judge_readings
from r2k_pipeline.claims.vocabulary.results import Result, shown
from r2k_pipeline.claims.vocabulary.statements import Statement


@dataclass(frozen=True)
class Line:
    """A reading of a vocabulary claim; `words` are its relations with market, group and report type."""

    alternative: str
    reading: str
    unit: str = "none"
    judged_until: datetime | None = None
    words: str = ""
    market: str | None = None

    def text(self) -> str:
        """Reading and relations."""
        return "\n".join(filter(None, (self.reading, self.words)))


def judge_statement(note: Note, claim: Statement, tables: KnownTables, data_known_at: datetime) -> Iterator[Verdict]:
    """Every reading of a vocabulary claim; a single verdict if no table can judge it, or if it has a mistake."""
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
        readings = list(judge_readings(claim, tables, data_known_at))
    except WordError as error:
        said, story = say_mistake(note.text, claim.id, str(error), error.word), f"error: {printable(str(error))}"
        finding = Finding("undetermined", story)
        yield Verdict(note.id, claim, Line("mistake", "not judged"), as_of, finding, said, story=story)
        return
    for judged in readings:
        # a row may depend only on readings known by its own moment
        with_it = [each for each in readings if each.reading.chosen.known_at <= judged.reading.chosen.known_at]
        yield _verdict(note, claim, judged, tables, story_of(with_it))


def _verdict(note: Note, claim: Statement, judged: Judged, tables: KnownTables, story: str) -> Verdict:
    """The verdict of one reading, with the value of its deciding relation."""
    chosen, words, results = judged.reading.chosen, judged.reading.words, judged.results
    finding, unit = _finding(judged), claim.assertions[0].measure.unit
    if results and (lacking := say_windows(claim, chosen, tables)):
        finding = replace(finding, reason="; ".join(filter(None, (finding.reason, lacking))))
    group = f", trader_group = {chosen.group}, report_type = {chosen.report_type}" if chosen.group else ""
    relations = [f"{a.measure.name}.{word} = {right}" for a in claim.assertions for word, right in a.written.items()]
    stated = "\n".join([*relations, f"parameters: market = {chosen.market}{group}"])
    until = chosen.known_at if chosen.known_at > chosen.as_of else None
    decides = deciding(results)
    line = Line(
        judged.reading.alternative,
        words,
        decides.unit if decides and decides.unit else unit,
        until,
        stated,
        chosen.market,
    )
    return Verdict(note.id, claim, line, chosen.as_of, finding, None, judged, story)


def deciding(results: Sequence[Result]) -> Result | None:
    """The first relation that fails, else the first that is unknown, else the first."""
    ordered = sorted(results, key=lambda result: (result.truth is not False, result.truth is not None))
    return ordered[0] if ordered else None


def _finding(judged: Judged) -> Finding:
    decides = deciding(judged.results)
    if decides is None:
        return Finding("undetermined", judged.reason or "no relation")
    word: Word = "undetermined" if judged.truth is None else "holds" if judged.truth else "fails"
    rate = None if decides.base_rate is None else f"{100 * decides.base_rate:.0f} % of prices near the close pass"
    evidence = json.dumps([_evidence(result) for result in judged.results], allow_nan=False)
    said = "; ".join(say_result(result) for result in judged.results)
    return Finding(
        word,
        decides.reason if word == "undetermined" else None,
        float(decides.value) if isinstance(decides.value, int | float) else None,
        "; ".join(filter(None, (None if decides.value is None else say_value(decides), rate))) or None,
        evidence,
        said,
        decides.day,
    )


def _evidence(result: Result) -> dict[str, Plain]:
    truth = {True: "holds", False: "fails", None: "undetermined"}[result.truth]
    value, day = (each.isoformat() if isinstance(each, date) else each for each in (result.value, result.day))
    row: dict[str, Plain] = {"relation": result.words, "verdict": truth, "value": value, "day": day}
    more = {"unit": result.unit, "base_rate": result.base_rate, "also": result.also, "reason": result.reason}
    return row | {name: value for name, value in more.items() if value}


def say_value(result: Result) -> str:
    """The value of a result, with its unit, its day and the value that it was compared with."""
    value = "none" if result.value is None else shown(result.value, result.unit)
    day = f" on {result.day}" if result.day and str(result.day) != value else ""
    return f"{value}{day}{f' ({result.also})' if result.also else ''}"


def say_result(result: Result) -> str:
    """A relation with its value, or the reason why it is unknown."""
    return f"{result.words}: {say_value(result) if result.truth is not None else result.reason}"
