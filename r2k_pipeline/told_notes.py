"""Notes that were told: each that a generation publishes is kept for good, in raw and in marts.notes.

Belongs here: how notes get into the candidate before it is published, and into raw after. Not here: what a note says
(report/note/), the publication (publication.py).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from r2k_pipeline.contracts.notes import NoteLog, Notes
from r2k_pipeline.runs import Run
from r2k_pipeline.snapshot import Snapshot, snapshot_over
from r2k_pipeline.warehouse import add_rows

Tell = Callable[[Snapshot, pl.DataFrame], pl.DataFrame]
"""From a snapshot of the candidate and the notes told before to the rows of those that are new."""


def told_notes(run: Run) -> pl.DataFrame:
    """The notes that were told before, in a replay those told by its moment."""
    log = run.lake.read(NoteLog)
    told = log.filter(pl.col("known_at") <= run.as_of) if run.is_replay else log
    return Notes.validate(told.sort(Notes.primary_key()))


def tell_notes(run: Run, tell: Tell, file: Path) -> None:
    """Add the new notes to the candidate's DuckDB file and to the lake's marts.notes. A replay tells none."""
    if run.is_replay:
        return
    before = told_notes(run)
    with snapshot_over(file, memory_limit=run.settings.memory_limit) as candidate:
        new = Notes.validate(tell(candidate, before), cast=True)
    add_rows(file, Notes, new, run.settings.memory_limit)
    run.lake.write(Notes, pl.concat([before, new]).sort(Notes.primary_key()))


def record_notes(run: Run) -> None:
    """Append to the log in raw what the published generation told first; this also completes a run that was killed."""
    for file in run.lake.published_files(Notes.dotted()):
        told = pl.read_parquet(file.read_bytes()).select(NoteLog.column_names())
        new = told.join(run.lake.read(NoteLog), on=NoteLog.primary_key(), how="anti")
        run.lake.append(NoteLog, new, run.clock())
    run.lake.compact(NoteLog, run.settings.raw_files_before_compaction)
