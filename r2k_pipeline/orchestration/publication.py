"""The last asset: all derived tables become one published generation.

Belongs here: what a generation is and the asset that publishes it. Not here: whether it may be (gate.py), folders and
the swap (generations.py), the file format (warehouse.py).
"""

import hashlib
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.meta import Fetches, Generation, Restatements
from r2k_pipeline.contracts.restatements import Restatements as RestatementLog
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS
from r2k_pipeline.gate import RestatementError, pass_gate, published_restatements, record_published
from r2k_pipeline.generations import folder_name, last_generation, prune, publish_generation, take_over
from r2k_pipeline.last_run import mark_published
from r2k_pipeline.orchestration.assets import OWNERS, RAW, asset_key, preview
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.origins import digests_of
from r2k_pipeline.restatement import write_restatement
from r2k_pipeline.run import Run
from r2k_pipeline.sql_models import read_macros
from r2k_pipeline.tables.derived import SQL, derived_tables

PUBLISHED = tuple(d.table for d in derived_tables() if d.table.layer in PUBLISHED_LAYERS)
BY_PUBLISHING: Final = (Generation, Restatements)
"""Tables that publishing itself writes."""


def describe_generation(run: Run) -> pl.DataFrame:
    """The one row of meta.generation: a digest over the content of every table, and where it came from.

    When a fetch was tried is no content: a run that learns nothing new publishes the same generation.
    """
    digest = hashlib.sha256()
    for table in PUBLISHED:
        if table is Fetches:
            continue
        for file in run.lake.files(table.dotted()):
            digest.update(table.dotted().encode() + file.read_bytes())
    stamps = [run.lake.read(table, ["recorded_at"])["recorded_at"].max() for table in RAW]
    is_sample = run.settings.source == "sample"
    return Generation.validate(
        pl.DataFrame(
            [
                {
                    "generation_id": digest.hexdigest()[:16],
                    "published_at": _published_at(run),
                    "as_of": run.as_of,
                    "source": run.settings.source,
                    "is_sample": is_sample,
                    "label": "SAMPLE: synthetic data, not a market" if is_sample else run.settings.source,
                    "r2k_version": version("r2k-pipeline"),
                    "raw_files": sum(len(run.lake.files(table.dotted())) for table in RAW),
                    "last_recorded_at": max((stamp for stamp in stamps if stamp is not None), default=None),
                    **digests_of(run.settings, run.markets),
                }
            ],
            schema=Generation.create_empty().schema,
        )
    )


def _published_at(run: Run) -> datetime:
    """Now, but never at or before the last publication: folders of generations are in the order of their moments."""
    last = last_generation(run.lake)
    return max(run.clock(), last.row["published_at"] + timedelta(microseconds=1)) if last else run.clock()


@dg.asset(
    key=["warehouse"],
    deps=[asset_key(table) for table in PUBLISHED],
    group_name="publish",
    kinds={"duckdb"},
    owners=OWNERS,
    description="One folder with a DuckDB file and the Parquet of every table; swapped in when every check has passed "
    "and no row that was told before would change without `r2k accept restatement`.",
)
def warehouse(pipeline: Pipeline) -> dg.MaterializeResult[Any]:
    """Publish the generation."""
    run = pipeline.run
    try:
        generation, size = publish(run)
    except RestatementError as error:
        told = dg.MetadataValue.md("\n".join(f"- {line}" for line in str(error).splitlines()))
        raise dg.Failure(str(error), metadata={"restatement": told}, allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "generation": preview(generation),
            "bytes": size,
            "tables": len(PUBLISHED) + len(BY_PUBLISHING),
            "path": dg.MetadataValue.path(run.lake.warehouse),
            "label": generation["label"][0],
        }
    )


def publish(run: Run) -> tuple[pl.DataFrame, int]:
    """Publish the tables at hand if the gate lets them; the row of meta.generation and the DuckDB file's size.

    Raises RestatementError where told rows would differ, LakeError where it cannot be written: the old one stays.
    """
    take_over(run.lake)
    record_published(run)
    generation = describe_generation(run)
    restated = pass_gate(run, generation)
    by_publishing = {Generation: generation, Restatements: published_restatements(run, restated)}
    written = {table: [run.lake.write(table, rows)] for table, rows in by_publishing.items()}
    tables = {table: run.lake.files(table.dotted()) for table in PUBLISHED} | written
    macros = read_macros(SQL / "macros", [table.dotted() for table in tables])
    row = generation.row(0, named=True)
    name = folder_name(row["published_at"], row["generation_id"])
    size = publish_generation(run.lake, tables, macros, run.settings.memory_limit, name)
    if not run.is_replay:
        record_published(run)
        write_restatement(run.lake, None)
    mark_published(run.lake, row["generation_id"])
    replaced = run.lake.read(RestatementLog).select("generation_before", "restated_at").unique().rows()
    prune(run.lake, 1 if run.is_replay else run.settings.keep_generations, replaced)
    return generation, size
