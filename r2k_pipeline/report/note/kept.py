"""Notes as rows of marts.notes, as a generation keeps them.

Belongs here: which notes a generation adds or lacks, and how a sentence is kept. Not here: what is said (compose.py),
where it is kept (published_notes.py).
"""

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.report.note.compose import Note, build_note
from r2k_pipeline.report.note.facts import read_facts
from r2k_pipeline.report.note.rules import read_rules
from r2k_pipeline.snapshot import Snapshot

NEWEST = "select market, max(session_date) as session_date from marts.positioning_vs_technicals group by market"
UNWRITABLE: Final = (ValueError, TypeError, LookupError, ArithmeticError)
"""What a rule raises that has no words for its values."""


def new_notes(snapshot: Snapshot, published: pl.DataFrame) -> pl.DataFrame:
    """The notes on the newest session of each market without a `published` note on it, as rows of marts.notes.

    One that cannot be written stops no publication: it is left out, and `unwritten` names it.
    """
    notes = (note for _, _, note in _missing(snapshot, published) if isinstance(note, Note))
    rows = [row for note in notes for row in _rows(note, snapshot.moment)]
    return pl.DataFrame(rows, schema=Notes.create_empty().schema)


def unwritten(snapshot: Snapshot) -> Iterator[str]:
    """A line for each market whose newest session has no note in marts.notes, with the reason."""
    for market, day, found in _missing(snapshot, snapshot.read(Notes)):
        why = "it was not kept" if isinstance(found, Note) else f"a rule has no words: {found}"
        yield f"{market} {day}: no note, {why}; next: report this fault of the rules, all else is published"


def _missing(snapshot: Snapshot, published: pl.DataFrame) -> Iterator[tuple[str, date, Note | Exception]]:
    """Market and newest session without a `published` note, with that note, or why it cannot be written."""
    newest = snapshot.ask(f"{NEWEST} order by market").pl()
    missing = newest.join(published, on=["market", "session_date"], how="anti", maintain_order="left")
    facts = read_facts(snapshot, missing["market"].to_list(), read_rules())
    for (market, day), each in zip(missing.iter_rows(), facts, strict=True):
        try:
            yield market, day, build_note(each, snapshot.generation)
        except UNWRITABLE as error:
            yield market, day, error


def _rows(note: Note, published_at: datetime) -> Iterator[dict[str, Any]]:
    for place, sentence in enumerate(note.sentences, 1):
        figures = [
            {"text": figure.text, "value": figure.as_dict()["value"], "query": figure.query}
            for figure in sentence.figures
        ]
        yield {
            "market": note.market,
            "session_date": note.session_date,
            "place": place,
            "section": sentence.section,
            "rule": sentence.rule,
            "sentence": sentence.text,
            "figures": json.dumps(figures),
            "report_date": note.facts.values["report_date"],
            "generation_id": note.generation_id,
            "known_at": published_at,
        }
