"""The asset of the site: figures and pages of the published generation, and what the UI shows of them.

Belongs here: thumbnails, links and sizes as metadata. Not here: what the site holds (report/site/).
"""

import base64
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from r2k_pipeline.orchestration.assets import OWNERS
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.origins import code_digest

if TYPE_CHECKING:
    from r2k_pipeline.report.site.pictures import Picture
    from r2k_pipeline.report.site.publish import Site

THUMBNAIL_BYTES: Final = 60_000
"""Largest picture in the event log, in bytes: pages of the UI that list runs read all of them."""
THUMBNAIL_SCALE: Final = 0.6
"""Pixels to a point, reduced until the picture is small enough."""


@dg.asset(
    key=["report"],
    deps=[["warehouse"]],
    group_name="publish",
    code_version=code_digest(),
    kinds={"html"},
    owners=OWNERS,
    description="The site: a page for each market, claims, outcomes, data quality, the dictionary; opened from disk.",
)
def report(pipeline: Pipeline) -> dg.MaterializeResult[Any]:
    """Write the site of the published generation."""
    from r2k_pipeline.report.site.publish import publish_site  # noqa: PLC0415  (charts are a second's import)

    site = publish_site(pipeline.run.settings)
    notes = {f"note {note.market}": dg.MetadataValue.md(note.text()) for note in site.market_notes}
    return dg.MaterializeResult(metadata={**_facts(site), **notes, **_thumbnails(site)})


def _facts(site: "Site") -> dict[str, Any]:
    edition = site.edition
    return {
        "site": dg.MetadataValue.url(site.index.as_uri()),
        "path": dg.MetadataValue.path(site.index),
        "label": edition.label,
        "generation": edition.generation_id,
        "known at": dg.MetadataValue.timestamp(edition.moment),
        "pages": len(site.pages),
        "bytes": site.size_bytes,
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in site.notes) or "none"),
    }


def _thumbnails(site: "Site") -> dict[str, Any]:
    return {
        picture.figure.name: dg.MetadataValue.md(f"![{_plain(picture.figure.title)}]({thumbnail_of(picture)})")
        for picture in site.pictures
    }


def thumbnail_of(picture: "Picture") -> str:
    """The figure as a small PNG in a data URL, which needs no server."""
    from r2k_pipeline.report.site.pictures import SCALE  # noqa: PLC0415  (as above)

    # Packed bytes grow with the scale: the next scale is computed from the size of this picture, with a fifth to spare.
    scale = min(THUMBNAIL_SCALE, SCALE * 0.8 * THUMBNAIL_BYTES / len(picture.png))
    png = picture.figure.png(scale=scale)
    while len(png) > THUMBNAIL_BYTES:
        scale *= 0.8
        png = picture.figure.png(scale=scale)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _plain(title: str) -> str:
    """A title without characters that would close a Markdown bracket."""
    return title.replace("[", "(").replace("]", ")")
