"""The last asset: all derived tables become one published generation.

Belongs here: what a generation is and the asset that publishes it. Not here: the file format (warehouse.py).
"""

import hashlib
from importlib.metadata import version
from typing import Any

import dagster as dg
import polars as pl

from r2k_pipeline.contracts.meta import Fetches, Generation
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS
from r2k_pipeline.orchestration.assets import OWNERS, RAW, asset_key, preview
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.orchestration.tables import SQL, derived_tables
from r2k_pipeline.warehouse import publish_warehouse

PUBLISHED = tuple(d.table for d in derived_tables() if d.table.layer in PUBLISHED_LAYERS)


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
    stamps = [run.lake.read(table)["recorded_at"].max() for table in RAW]
    is_sample = run.settings.source == "sample"
    return Generation.validate(
        pl.DataFrame(
            [
                {
                    "generation_id": digest.hexdigest()[:16],
                    "published_at": run.clock(),
                    "as_of": run.as_of,
                    "source": run.settings.source,
                    "is_sample": is_sample,
                    "label": "SAMPLE: synthetic data, not a market" if is_sample else run.settings.source,
                    "r2k_version": version("r2k-pipeline"),
                    "raw_files": sum(len(run.lake.files(table.dotted())) for table in RAW),
                    "last_recorded_at": max((stamp for stamp in stamps if stamp is not None), default=None),
                }
            ],
            schema=Generation.create_empty().schema,
        )
    )


@dg.asset(
    key=["warehouse"],
    deps=[asset_key(table) for table in PUBLISHED],
    group_name="publish",
    kinds={"duckdb"},
    owners=OWNERS,
    description="One DuckDB file with every table, comments and macros; swapped in when every check has passed.",
)
def warehouse(pipeline: Pipeline) -> dg.MaterializeResult[Any]:
    """Publish the generation."""
    run = pipeline.run
    generation = describe_generation(run)
    file = run.lake.write(Generation, generation)
    tables = {table: run.lake.files(table.dotted()) for table in PUBLISHED} | {Generation: [file]}
    macros = [macro.read_text("utf-8") for macro in sorted((SQL / "macros").glob("*.sql"))]
    size = publish_warehouse(run.lake.warehouse, tables, macros, run.settings.memory_limit)
    return dg.MaterializeResult(
        metadata={
            "generation": preview(generation),
            "bytes": size,
            "tables": len(tables),
            "path": dg.MetadataValue.path(run.lake.warehouse),
            "label": generation["label"][0],
        }
    )
