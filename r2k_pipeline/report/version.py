"""What to say of a warehouse that another version of r2k published.

Belongs here: telling that apart from other errors. Not here: opening it (warehouse.py), what is asked of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from r2k_pipeline.lake import LakeError


@contextmanager
def of_this_version(warehouse: Path) -> Iterator[None]:
    """Around our own queries on `warehouse`. Raises LakeError where it lacks a table or a column that they name."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        said = str(error).splitlines()[0]
        raise LakeError(f"{warehouse}: published by another version: {said}; next: r2k run") from error
