"""Publication: all derived tables become one generation, unless it would equal the last one for its readers.

Belongs here: what a generation is, when it is new. Not here: whether published rows may change (gate.py), folders and
the swap (generations.py), the file format (warehouse.py), Dagster's asset (orchestration/publish.py).
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Final

import polars as pl

from r2k_pipeline.contracts.meta import Fetches, Generation, Restatements
from r2k_pipeline.contracts.notes import NoteLog, Notes
from r2k_pipeline.contracts.restatements import Restatements as RestatementLog
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, SCHEMA_VERSION, Table
from r2k_pipeline.files import short_digest
from r2k_pipeline.gate import pass_gate, published_restatements
from r2k_pipeline.generations import Published, folder_name, last_generation, prune, publish_generation, take_over
from r2k_pipeline.keys import last_reached
from r2k_pipeline.last_run import mark_checked, mark_published
from r2k_pipeline.origins import digests_of
from r2k_pipeline.published_notes import WriteNotes, add_new_notes, published_notes
from r2k_pipeline.raw_check import FETCHED
from r2k_pipeline.restatement import write_restatement
from r2k_pipeline.runs import Run
from r2k_pipeline.sql_models import read_macros
from r2k_pipeline.tables.registry import SQL, derived_tables

DERIVED: Final = tuple(d.table for d in derived_tables() if d.table.layer in PUBLISHED_LAYERS)
"""The published tables that are derived from raw; see BY_PUBLISHING for the others."""
BY_PUBLISHING: Final = (Generation, Restatements, Notes)
"""Tables that publishing itself writes."""
LOGGED: Final[tuple[tuple[type[Table], type[Table]], ...]] = ((Restatements, RestatementLog), (Notes, NoteLog))
"""Published tables whose rows are also kept in a raw log."""
MEMORY: Final = f"{128 * (os.cpu_count() or 1)}MB"
"""DuckDB's limit while it writes the file. With more it is no faster, and keeps more in memory."""
OF_THE_RUN: Final = ("published_at", "as_of")
"""Columns of meta.generation that differ from run to run."""
ANSWER: Final = ("item", "table_name", "status", "message")
"""Columns of meta.fetches that are compared: not when an attempt was, nor how many of its rows were known before."""


@dataclass(frozen=True)
class Publication:
    """The current row of meta.generation, its DuckDB file's size in bytes, and whether it was published now.

    If not, the last generation was checked and stays: there is nothing new since its `as_of`.
    """

    generation: pl.DataFrame
    size: int
    is_new: bool


def publish(run: Run, write_notes: WriteNotes) -> Publication:
    """Publish the derived tables if the gate lets them, or keep the last generation if it has the same content.

    Raises RestatementError if published rows would change, R2kError if writing fails: the old generation stays.
    """
    run = run.fixed()
    take_over(run.lake)
    record_published(run)
    generation = describe_generation(run)
    last = None if run.is_replay else last_generation(run.lake)
    whole = last if last and last.is_whole() else None
    if whole and has_same_content(run, generation, whole):
        return _keep(run, whole)
    restated = pass_gate(run, generation)
    size = _publish_new(run, generation, restated, whole, write_notes)
    if not run.is_replay:
        record_published(run)
        write_restatement(run.lake, None)
    mark_published(run.lake, generation["generation_id"].item())
    _prune(run)
    return Publication(generation, size, is_new=True)


def _keep(run: Run, last: Published) -> Publication:
    """The last generation stays; the lake records that it was checked now."""
    mark_checked(run.lake, last.row["generation_id"], run.as_of)
    write_restatement(run.lake, None)
    _prune(run)  # a run that was killed after its swap left that to the next one
    generation = Generation.validate(pl.DataFrame([last.row], schema=Generation.create_empty().schema))
    return Publication(generation, run.lake.warehouse.stat().st_size, is_new=False)


def _publish_new(
    run: Run, generation: pl.DataFrame, restated: pl.DataFrame, last: Published | None, write_notes: WriteNotes
) -> int:
    """Write the tables that publishing makes, then the generation; returns the size of its DuckDB file.

    The file starts from the `last` one's if the program is the same and no published row changes.
    """
    run.lake.write(Generation, generation)
    run.lake.write(Restatements, published_restatements(run, restated))
    run.lake.write(Notes, published_notes(run))
    published: tuple[type[Table], ...] = (*DERIVED, *BY_PUBLISHING)
    tables = {table: run.lake.files(table.dotted()) for table in published}
    macros = read_macros(SQL / "macros", [table.dotted() for table in tables])
    row = generation.row(0, named=True)
    name = folder_name(row["published_at"], row["generation_id"])
    is_same_program = last is not None and last.row.get("code_digest") == row["code_digest"]
    goes_on = last if is_same_program and restated.is_empty() else None
    return publish_generation(run.lake, tables, macros, MEMORY, name, partial(add_new_notes, run, write_notes), goes_on)


def _prune(run: Run) -> None:
    replaced = run.lake.read(RestatementLog).select("generation_before", "restated_at").unique().rows()
    prune(run.lake, 1 if run.is_replay else run.settings.keep_generations, replaced)


def record_published(run: Run) -> None:
    """Append to raw the restatements and notes that only the published generation has.

    They are read from the published generation, so only published rows are recorded, and a run that was killed after
    the swap is completed by the next one. A replay records nothing.
    """
    for published, log in () if run.is_replay else LOGGED:
        for file in run.lake.published_files(published.dotted()):
            rows = pl.read_parquet(file.read_bytes()).select(log.column_names())
            run.lake.append(log, rows.join(run.lake.read(log), on=log.primary_key(), how="anti"), run.clock())
        run.lake.compact(log, run.settings.raw_files_before_compaction)


def describe_generation(run: Run) -> pl.DataFrame:
    """The one row of meta.generation: a digest over the content of every table, and where it came from.

    The time of a fetch is not part of the content: a run without new data gives the same digest.
    """
    versions = "".join(f"{table.dotted()} {run.lake.version(table)}\n" for table in DERIVED if table is not Fetches)
    stamps = [run.lake.read(table, ["recorded_at"])["recorded_at"].max() for table in FETCHED]
    is_sample = run.settings.source == "sample"
    return Generation.validate(
        pl.DataFrame(
            [
                {
                    "generation_id": short_digest(versions.encode()),
                    "published_at": _published_at(run),
                    "as_of": run.as_of,
                    "source": run.settings.source,
                    "is_sample": is_sample,
                    "label": "SAMPLE: synthetic data, not a market" if is_sample else run.settings.source,
                    "r2k_version": version("r2k-pipeline"),
                    "schema_version": SCHEMA_VERSION,
                    "raw_files": sum(len(run.lake.files(table.dotted())) for table in FETCHED),
                    "last_recorded_at": max((stamp for stamp in stamps if stamp is not None), default=None),
                    **digests_of(run.settings, run.markets),
                }
            ],
            schema=Generation.create_empty().schema,
        )
    )


def _published_at(run: Run) -> datetime:
    """Now, or just after the last publication if that is later: folders of generations sort by their moments."""
    last = last_generation(run.lake)
    return max(run.clock(), last.row["published_at"] + timedelta(microseconds=1)) if last else run.clock()


def has_same_content(run: Run, generation: pl.DataFrame, last: Published) -> bool:
    """Whether `last` equals what would be published: the same tables, origins and answers of the sources.

    It does not if a session closed, a report was due or a day ended since its moment: readers judge freshness by the
    moment of the generation.
    """
    row = generation.row(0, named=True)
    if any(last.row.get(name) != value for name, value in row.items() if name not in OF_THE_RUN):
        return False
    if last_reached(run.lake, last.row["as_of"]) != last_reached(run.lake, run.as_of):
        return False
    before = pl.concat(pl.read_parquet(file.read_bytes()) for file in last.files(Fetches))
    return before.select(ANSWER).equals(run.lake.read(Fetches, ANSWER))
