"""A sandbox over a few rows by hand.

Belongs here: opening one. Not here: the rows, what is asked of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r2k_pipeline.claims.known_views import SOURCES
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.lake import Lake
from r2k_pipeline.tables import TABLES
from tests.sql.rows import Given, rows_of


@contextmanager
def sandboxed(folder: Path, rows: Given, seconds: float = 0.5) -> Iterator[Sandbox]:
    """A sandbox over a lake in `folder` with `rows`; tables without any are empty."""
    lake = Lake.of(folder, "files")
    for name in SOURCES:
        lake.write(TABLES[name], rows_of(TABLES[name], rows.get(TABLES[name], [])))
    files = {name: lake.files(name) for name in SOURCES}
    with Sandbox.over_files(files, seconds=seconds) as box:
        yield box
