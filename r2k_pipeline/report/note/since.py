"""The changes between two notes on one market: facts then and now, sentences that are new or no longer true.

Belongs here: the comparison. Not here: what is compared (rules.toml, [since]).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from r2k_pipeline.errors import R2kError
from r2k_pipeline.report.note.compose import Note, read_note
from r2k_pipeline.report.note.rules import read_rules
from r2k_pipeline.report.note.words import Sentence, fill
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import reading_of


@dataclass(frozen=True)
class Change:
    """One fact as it was and as it is."""

    what: str
    before: str
    now: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"what": self.what, "before": self.before, "now": self.now}


@dataclass(frozen=True)
class Changes:
    """Changed facts, new sentences, and sentences that are no longer true."""

    before: Note
    now: Note
    facts: tuple[Change, ...]
    new: tuple[Sentence, ...]
    gone: tuple[Sentence, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "market": self.now.market,
            "before": self.before.known_at.isoformat(),
            "now": self.now.known_at.isoformat(),
            "facts": [change.as_dict() for change in self.facts],
            "new": [sentence.as_dict() for sentence in self.new],
            "gone": [sentence.as_dict() for sentence in self.gone],
        }

    def text(self) -> str:
        """Markdown."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"## {self.now.market} since {self.before.session_date:%A %-d %B %Y}"
        yield ""
        yield from (f"- {change.what}: {change.before} → {change.now}" for change in self.facts)
        if not (self.facts or self.new or self.gone):
            yield "Nothing that the note tells has changed."
        for title, note, sentences in (("New", self.now, self.new), ("No longer true", self.before, self.gone)):
            if sentences:
                yield from ("", f"*{title}.* {' '.join(_alone(note, sentences))}")


def changes_since(settings: Settings, notes: Mapping[str, Note]) -> list[Changes]:
    """The changes of each market's note since the moment of `settings`. Raises R2kError."""
    with reading_of(settings) as snapshot:
        return [changes(read_note(snapshot, market), now) for market, now in notes.items()]


def changes(before: Note, now: Note) -> Changes:
    """The changes between two notes on one market. A sentence counts by its rule, also if it was dropped.

    Raises R2kError where `before` is the later one.
    """
    if before.session_date > now.session_date:
        note, way_on = f"the note is on {now.session_date}", "give that day or an earlier one as --since"
        raise R2kError(f"--since {before.session_date}", note, way_on)
    found = (
        Change(_named(what, now, before), _filled(words, before), _filled(words, now))
        for what, words in read_rules().since.items()
    )
    facts = tuple(change for change in found if change.before != change.now)
    then, today = _by_rule(before), _by_rule(now)
    new = tuple(sentence for rule, sentence in today.items() if rule not in then)
    gone = tuple(sentence for rule, sentence in then.items() if rule not in today)
    return Changes(before, now, facts, new, gone)


def _filled(words: str, note: Note) -> str:
    return fill(words, note.facts)[0] or "not known"


def _by_rule(note: Note) -> dict[str, Sentence]:
    """The true sentences of a note by their rules, those that were dropped too."""
    return {sentence.rule: sentence for sentence in (*note.sentences, *note.dropped)}


def _alone(note: Note, sentences: Iterable[Sentence]) -> Iterator[str]:
    """The texts; one that goes on with a sentence which is not before it here says which group it is of."""
    rules = {rule.name: rule for rule in read_rules().rules}
    begun = None
    for sentence in sentences:
        rule = rules[sentence.rule]
        text = sentence.text
        if rule.after not in (None, begun):
            role = rule.name.partition(".")[2]
            text = f"{fill(f'Of {{{role}:group}}: ', note.facts)[0]}{text[0].lower()}{text[1:]}"
        begun = rule.after or rule.one_of
        yield text


def _named(what: str, *notes: Note) -> str:
    """The name of a fact with its trader group, from the first note that has the group."""
    return next((text for note in notes if (text := fill(what, note.facts)[0])), what)
