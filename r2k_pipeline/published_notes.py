"""Published notes: each note that a generation publishes is kept for good, in raw and in marts.notes.

Belongs here: adding notes to the candidate before it is published. Not here: the words of a note (report/note/), the
publication and the log in raw (publication.py).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from r2k_pipeline.contracts.notes import NoteLog, Notes
from r2k_pipeline.runs import Run
from r2k_pipeline.snapshot import Snapshot, snapshot_over
from r2k_pipeline.warehouse import add_rows

WriteNotes = Callable[[Snapshot, pl.DataFrame], pl.DataFrame]
"""From a snapshot of the candidate and the notes published before to the rows of new notes."""


def published_notes(run: Run) -> pl.DataFrame:
    """The notes published before; in a replay, those published by its moment."""
    log = run.lake.read(NoteLog)
    published = log.filter(pl.col("known_at") <= run.as_of) if run.is_replay else log
    return Notes.validate(published.sort(Notes.primary_key()))


def add_new_notes(run: Run, write: WriteNotes, file: Path) -> None:
    """Add the new notes to the candidate's DuckDB file and to the lake's marts.notes. A replay adds none."""
    if run.is_replay:
        return
    before = published_notes(run)
    with snapshot_over(file, memory_limit=run.settings.memory_limit) as candidate:
        new = Notes.validate(write(candidate, before), cast=True)
    add_rows(file, Notes, new, run.settings.memory_limit)
    run.lake.write(Notes, pl.concat([before, new]).sort(Notes.primary_key()))
