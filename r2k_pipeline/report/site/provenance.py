"""Which generation a site shows, and as known when.

Belongs here: the label, generation and moment on every page. Not here: the pages' content.
"""

from dataclasses import dataclass
from datetime import datetime

from r2k_pipeline.holes import read_holes
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.vendors import in_full


@dataclass(frozen=True)
class Edition:
    """The published generation and the moment shown; `is_past`: the generation also has later data.

    `holes`: data that should be known at the moment and is missing. `terms`: that this is no advice, whose data it is
    and under which terms.
    """

    label: str
    is_sample: bool
    source: str
    generation_id: str
    published_at: datetime
    r2k_version: str
    moment: datetime
    is_past: bool
    holes: tuple[str, ...]
    terms: tuple[str, ...]


def edition_of(snapshot: Snapshot) -> Edition:
    """The edition of a snapshot."""
    names = ("label", "is_sample", "source", "generation_id", "published_at", "r2k_version")
    published = {name: snapshot.generation[name] for name in names}
    holes = read_holes(snapshot.connection, snapshot.moment)
    terms = in_full(is_sample=bool(snapshot.generation["is_sample"]))
    return Edition(**published, moment=snapshot.moment, is_past=snapshot.is_past, holes=holes, terms=terms)
