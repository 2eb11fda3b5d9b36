"""How the published DuckDB file is opened to read: read-only, locked down, bounded.

Belongs here: the connection. Not here: what is said where it cannot be had (warehouse.py). It imports little, as a
process that answers one query starts with it.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from r2k_pipeline.quoting import literal

NOTHING_ELSE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""No extension, and no spill to disk: DuckDB would put its temporary files beside the warehouse, into the lake."""


PUBLISHED: Final = "published"
"""The name of the attached file, over which the cut views are made."""
CUT_FIRST: Final = f"set search_path = 'memory.main,{PUBLISHED}.main'"
"""The search path by which the file's macros read the tables of the cut. Creating the macros anew was slower."""


@dataclass(frozen=True)
class Cut:
    """A moment, and statements that create views of the file attached as PUBLISHED without what was known later."""

    moment: datetime
    statements: tuple[str, ...]


def connect_locked(
    warehouse: Path, memory_limit: str, threads: int | None = None, cut: Cut | None = None
) -> duckdb.DuckDBPyConnection:
    """No other files, no settings, bounded memory; instants in UTC. Raises duckdb.Error.

    A `cut` that is not before the file's own moment leaves it whole.
    """
    bounds = {"memory_limit": memory_limit, "threads": str(threads or os.cpu_count())}
    if cut is None:
        connection = duckdb.connect(warehouse, read_only=True, config=NOTHING_ELSE | bounds)
    else:
        connection = duckdb.connect(config=NOTHING_ELSE | bounds)
        _attach(connection, warehouse, cut)
    # A second connection of this process finds these settings locked already.
    if connection.sql("select current_setting('lock_configuration')").fetchall() == [(False,)]:
        # The time zone cannot be set when connecting; the default would show instants in the reader's own zone.
        connection.execute("set global timezone = 'UTC'; set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, warehouse: Path, cut: Cut) -> None:
    connection.execute(f"attach {literal(warehouse)} as {PUBLISHED} (read_only)")
    is_past = f"select max(as_of) > ? from {PUBLISHED}.meta.generation"
    if connection.execute(is_past, [cut.moment]).fetchone() == (True,):
        connection.execute("; ".join(("begin", *cut.statements, "commit", CUT_FIRST)))
    else:
        connection.execute(f"use {PUBLISHED}")
