"""Which generation a site shows, and as known when.

Belongs here: what every page says of itself. Not here: what the pages show.
"""

from dataclasses import dataclass
from datetime import datetime

from r2k_pipeline.holes import read_holes
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.version import of_this_version
from r2k_pipeline.warehouse import open_warehouse


@dataclass(frozen=True)
class Edition:
    """The published generation and the moment shown; `is_past`: the generation knows more than is shown.

    `holes`: what should be known at the moment and is not there.
    """

    label: str
    is_sample: bool
    source: str
    generation_id: str
    published_at: datetime
    as_of: datetime
    r2k_version: str
    moment: datetime
    is_past: bool
    holes: tuple[str, ...]


def read_edition(lake: Lake, as_of: datetime | None) -> Edition:
    """The edition of the lake's warehouse at `as_of` (default: all that it knows).

    Raises LakeError without a warehouse, or where another version of r2k published it.
    """
    with open_warehouse(lake.warehouse) as connection, of_this_version(lake.warehouse):
        ((label, is_sample, source, generation, published, known, version),) = connection.sql(
            "select label, is_sample, source, generation_id, published_at, as_of, r2k_version from meta.generation"
        ).fetchall()
        moment = known if as_of is None else min(as_of, known)
        holes = read_holes(connection, moment)
    return Edition(label, is_sample, source, generation, published, known, version, moment, moment < known, holes)
