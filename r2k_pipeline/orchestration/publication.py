"""The last asset: all derived tables become one published generation.

Belongs here: the asset. Not here: what a generation is and when it is published (publication.py).
"""

from typing import Any

import dagster as dg

from r2k_pipeline.build import outdated_tables
from r2k_pipeline.gate import RestatementError
from r2k_pipeline.orchestration.assets import OWNERS, asset_key, preview
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.origins import code_digest
from r2k_pipeline.publication import BY_PUBLISHING, DERIVED, publish
from r2k_pipeline.report.note.kept import new_notes


@dg.asset(
    key=["warehouse"],
    deps=[asset_key(table) for table in DERIVED],
    group_name="publish",
    code_version=code_digest(),
    kinds={"duckdb"},
    owners=OWNERS,
    description="One folder with a DuckDB file and the Parquet of every table; swapped in when every check has passed "
    "and no published row would change without `r2k accept restatement`.",
)
def warehouse(pipeline: Pipeline) -> dg.MaterializeResult[Any]:
    """Publish a generation, or report that the last one is up to date. Raises dg.Failure.

    A page of the UI makes any tables alone: a generation of some tables with a fetch and others without is none.
    """
    run = pipeline.fixed
    if outdated := outdated_tables(run, pipeline.built):
        why = f"not built by this program and with these settings from what was fetched by {run.as_of:%F %T} UTC"
        raise dg.Failure(
            f"{', '.join(outdated)}: {why}; the last generation stays; next: Materialize all", allow_retries=False
        )
    try:
        done = publish(run, new_notes)
    except RestatementError as error:
        lines = dg.MetadataValue.md("\n".join(f"- {line}" for line in str(error).splitlines()))
        raise dg.Failure(str(error), metadata={"restatement": lines}, allow_retries=False) from error
    known = f"{done.generation['as_of'][0]:%Y-%m-%d %H:%M:%S} UTC"
    return dg.MaterializeResult(
        metadata={
            "state": "published" if done.is_new else f"nothing new since {known}, checked at {run.as_of:%F %T} UTC",
            "generation": preview(done.generation),
            "bytes": done.size,
            "tables": len(DERIVED) + len(BY_PUBLISHING),
            "path": dg.MetadataValue.path(run.lake.warehouse),
            "label": done.generation["label"][0],
        },
        data_version=dg.DataVersion(done.generation["generation_id"][0]),
    )
