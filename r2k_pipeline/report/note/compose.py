"""The note on one market at a snapshot's moment: its sentences, and the note as Markdown or JSON.

Belongs here: the order of the page, its budgets, dropped sentences. Not here: possible sentences (rules.toml), HTML
(page.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from r2k_pipeline.report.brief_facts import no_session
from r2k_pipeline.report.brief_statements import Figure
from r2k_pipeline.report.note.facts import Facts, read_facts
from r2k_pipeline.report.note.rules import Part, Rules, read_rules
from r2k_pipeline.report.note.words import Sentence, numbers_in, sentence_of
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.vendors import in_short


@dataclass(frozen=True)
class Said:
    """One section of a note, with its sentences."""

    part: Part
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """Its sentences, as Markdown."""
        said = " ".join(sentence.text for sentence in self.sentences)
        if self.part.name == "headline":
            return f"**{said}**"
        return f"*{self.part.title}.* {said}" if self.part.title else said


@dataclass(frozen=True)
class Note:
    """The sentences on one market at one close, and true sentences that were dropped for want of room."""

    market: str
    name: str
    session_date: date
    known_at: datetime
    generation_id: str
    label: str
    is_sample: bool
    sections: tuple[Said, ...]
    facts: Facts
    dropped: tuple[Sentence, ...] = ()

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences in the order of the page."""
        return tuple(sentence for said in self.sections for sentence in said.sentences)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every number with its query."""
        return tuple(figure for sentence in self.sentences for figure in sentence.figures)

    @property
    def title(self) -> str:
        """Market and day."""
        return f"{self.market}, {self.name}: {self.session_date:%A %-d %B %Y}"

    @property
    def headline(self) -> str:
        """The headline, as plain text."""
        return " ".join(s.text for said in self.sections if said.part.name == "headline" for s in said.sentences)

    @property
    def source(self) -> str:
        """The line with the source of the data and the remark that it is no advice."""
        return in_short(is_sample=self.is_sample)

    @property
    def words(self) -> int:
        """Number of words, title included."""
        return len(self.text().split())

    @property
    def numbers(self) -> int:
        """Number of numbers, title included; digits of a name do not count."""
        return numbers_in(self.text())

    def text(self, *, evidence: bool = False) -> str:
        """Markdown; with `evidence` the query of each figure under its section."""
        banner = [f"> {self.label}", ""] if self.is_sample else []
        return "\n".join([*banner, *self._lines(evidence), *banner[:1]])

    def _lines(self, evidence: bool) -> Iterator[str]:
        yield f"# {self.title}"
        yield ""
        for said in self.sections:
            yield said.text
            if evidence:
                yield from ("", *(f"- {f.text} ← `{f.query}`" for s in said.sentences for f in s.figures))
            yield ""
        yield self.source

    def as_dict(self) -> dict[str, Any]:
        """For JSON; days and instants as ISO text."""
        sections = [
            {"section": said.part.name, "title": said.part.title, "sentences": [s.as_dict() for s in said.sentences]}
            for said in self.sections
        ]
        return {
            "market": self.market,
            "name": self.name,
            "session_date": self.session_date.isoformat(),
            "known_at": self.known_at.isoformat(),
            "generation_id": self.generation_id,
            "label": self.label,
            "is_sample": self.is_sample,
            "headline": self.headline,
            "words": self.words,
            "numbers": self.numbers,
            "sections": sections,
            "dropped": [sentence.as_dict() for sentence in self.dropped],
            "source": self.source,
        }


def read_note(snapshot: Snapshot, market: str) -> Note:
    """The note on `market` at its last finished session. Raises R2kError where there is no such market or session."""
    (facts,) = read_facts(snapshot, [market], read_rules())
    return build_note(facts, snapshot.generation)


def build_note(facts: Facts, generation: Mapping[str, Any]) -> Note:
    """The note that the rules make of facts; `generation` is the row of meta.generation that they are from."""
    rules, values = read_rules(), facts.values
    of_day = {name: values[name] for name in ("market", "name", "session_date", "known_at")}
    of_generation = {name: generation[name] for name in ("generation_id", "label", "is_sample")}
    bare = Note(**of_day, **of_generation, sections=(), facts=facts)
    return _within_limits(bare, rules, tuple(_true(rules, facts)))


def _true(rules: Rules, facts: Facts) -> Iterator[Sentence]:
    """The true sentences in the order of the rules; of rules with the same `one_of` only the first."""
    said: set[str] = set()
    for rule in rules.rules:
        if rule.name not in facts.held or rule.one_of in said:
            continue
        sentence = sentence_of(rule, facts)
        if sentence is not None:
            said |= {rule.one_of} if rule.one_of else set()
            yield sentence


def _within_limits(note: Note, rules: Rules, true: Sequence[Sentence]) -> Note:
    """The note within its limits: each section within its budget; then sentences are dropped, lowest `keep` first."""
    kept: set[str] = set()
    for part in rules.parts:
        of_part = [sentence for sentence in true if sentence.section == part.name]
        kept |= {sentence.rule for sentence in _fitting(part, of_part)}
    while True:
        kept -= _orphans(rules, kept)
        said = tuple(_sections(rules, [s for s in true if s.rule in kept]))
        full = replace(note, sections=said, dropped=tuple(s for s in true if s.rule not in kept))
        has_room = full.words <= rules.limits.words
        if has_room and full.numbers <= rules.limits.numbers:
            return full
        # Where words fit and numbers do not, a sentence without a number may stay.
        too_much = [s for s in full.sentences if s.numbers or not has_room]
        kept.remove(min(too_much, key=lambda sentence: sentence.keep).rule)


def _fitting(part: Part, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """The sentences that fit into the budget of a section, taken in the order of `keep`, the highest first."""
    words, numbers = part.budget.words, part.budget.numbers
    for sentence in sorted(sentences, key=lambda sentence: -sentence.keep):
        if sentence.words <= words and sentence.numbers <= numbers:
            words, numbers = words - sentence.words, numbers - sentence.numbers
            yield sentence


def _orphans(rules: Rules, kept: set[str]) -> set[str]:
    """Rules of sentences that continue a sentence which was dropped."""
    said = {rule.one_of for rule in rules.rules if rule.name in kept}
    return {rule.name for rule in rules.rules if rule.name in kept and rule.after and rule.after not in said}


def _sections(rules: Rules, sentences: Sequence[Sentence]) -> Iterator[Said]:
    for part in rules.parts:
        if said := tuple(sentence for sentence in sentences if sentence.section == part.name):
            yield Said(part, said)


def read_notes(snapshot: Snapshot, wanted: Sequence[str] | None = None) -> Mapping[str, Note]:
    """The notes on `wanted` markets, or on all that have a finished session, by market. Raises R2kError."""
    query = "select distinct market from marts.positioning_vs_technicals order by place_of(market), market"
    markets = [name for (name,) in snapshot.ask(query).fetchall()] if wanted is None else wanted
    if wanted is None and not markets:
        raise no_session(snapshot, None)
    facts = read_facts(snapshot, markets, read_rules())
    return {name: build_note(each, snapshot.generation) for name, each in zip(markets, facts, strict=True)}
