"""Published notes: each note that a generation publishes is kept for good, in raw and in marts.notes.

Belongs here: adding notes to the candidate before it is published, and to raw afterwards. Not here: what a note says
(report/note/), the publication (publication.py).
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


def record_notes(run: Run) -> None:
    """Append to the log in raw the notes that the published generation added; completes a run that was killed, too."""
    for file in run.lake.published_files(Notes.dotted()):
        notes = pl.read_parquet(file.read_bytes()).select(NoteLog.column_names())
        new = notes.join(run.lake.read(NoteLog), on=NoteLog.primary_key(), how="anti")
        run.lake.append(NoteLog, new, run.clock())
    run.lake.compact(NoteLog, run.settings.raw_files_before_compaction)
