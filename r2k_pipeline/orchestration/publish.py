"""The last two assets: all derived tables become one published generation, and the site of it.

Belongs here: the assets, and what the UI shows of them. Not here: what a generation is and when it is published
(publication.py), what the site holds (report/site/).
"""

import base64
from typing import Any

import dagster as dg

from r2k_pipeline.build import outdated_tables
from r2k_pipeline.gate import RestatementError
from r2k_pipeline.orchestration.assets import OWNERS, asset_key, preview
from r2k_pipeline.orchestration.events import as_list
from r2k_pipeline.orchestration.resources import WAREHOUSE, Pipeline
from r2k_pipeline.origins import code_digest
from r2k_pipeline.publication import BY_PUBLISHING, DERIVED, publish
from r2k_pipeline.report.note.kept import new_notes


@dg.asset(
    key=WAREHOUSE,
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
        tables = outdated[0] + (f" and {len(outdated) - 1} more tables" if len(outdated) > 1 else "")
        why = f"not built by this program and with these settings from what was fetched by {run.as_of:%F %T} UTC"
        raise dg.Failure(f"{tables}: {why}; the last generation stays; next: Materialize all", allow_retries=False)
    try:
        done = publish(run, new_notes)
    except RestatementError as error:
        lines = as_list(str(error).splitlines())
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


@dg.asset(
    key=["report"],
    deps=[WAREHOUSE],
    group_name="publish",
    code_version=code_digest(),
    kinds={"html"},
    owners=OWNERS,
    description="The site: a page for each market, claims, outcomes, data quality, the dictionary; opened from disk.",
)
def report(pipeline: Pipeline) -> dg.MaterializeResult[Any]:
    """Write the site of the published generation; its notes and small figures are shown in the UI."""
    from r2k_pipeline.report.site.pictures import thumbnail  # noqa: PLC0415  (charts are a second's import)
    from r2k_pipeline.report.site.publish import publish_site  # noqa: PLC0415

    site = publish_site(pipeline.run.settings)
    return dg.MaterializeResult(
        metadata={
            "site": dg.MetadataValue.url(site.index.as_uri()),
            "path": dg.MetadataValue.path(site.index),
            "label": site.edition.label,
            "generation": site.edition.generation_id,
            "known at": dg.MetadataValue.timestamp(site.edition.moment),
            "pages": len(site.pages),
            "bytes": site.size_bytes,
            "notes": as_list(site.notes) if site.notes else dg.MetadataValue.md("none"),
            **{f"note {note.market}": dg.MetadataValue.md(note.text()) for note in site.market_notes},
            **{its.figure.name: _image(its.figure.title, thumbnail(its)) for its in site.pictures},
        }
    )


def _image(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A picture in a data URL, which needs no server. A bracket in its title would end the Markdown bracket."""
    title = title.replace("[", "(").replace("]", ")")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")
