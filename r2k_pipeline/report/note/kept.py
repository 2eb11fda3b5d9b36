"""Notes as rows of marts.notes, as a generation keeps them.

Belongs here: which notes a generation adds, and how a sentence is kept. Not here: what is said (compose.py),
where it is kept (published_notes.py).
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.report.note.compose import Note, read_notes
from r2k_pipeline.snapshot import Snapshot

NEWEST = "select market, max(session_date) as session_date from marts.positioning_vs_technicals group by market"


def new_notes(snapshot: Snapshot, published: pl.DataFrame) -> pl.DataFrame:
    """The notes on the newest session of each market without a `published` note on it, as rows of marts.notes."""
    newest = snapshot.ask(f"{NEWEST} order by market").pl()
    missing = newest.join(published, on=["market", "session_date"], how="anti", maintain_order="left")
    rows = [
        row
        for note in read_notes(snapshot, missing["market"].to_list()).values()
        for row in _rows(note, snapshot.moment)
    ]
    return pl.DataFrame(rows, schema=Notes.create_empty().schema)


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
