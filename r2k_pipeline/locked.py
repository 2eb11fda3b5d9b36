"""How the published DuckDB file is opened to read: read-only, locked down, bounded.

Belongs here: the connection. Not here: what is said where it cannot be had (warehouse.py). It imports little, as a
process that answers one query starts with it.
"""

import os
from pathlib import Path
from typing import Final

import duckdb

NOTHING_ELSE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""No extension, and no spill to disk: DuckDB would put its temporary files beside the warehouse, into the lake."""


def connect_locked(warehouse: Path, memory_limit: str, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """No other files, no settings, bounded memory; instants in UTC. Raises duckdb.Error."""
    bounds = {"memory_limit": memory_limit, "threads": str(threads or os.cpu_count())}
    connection = duckdb.connect(warehouse, read_only=True, config=NOTHING_ELSE | bounds)
    # A second connection of this process finds all of it set for good.
    if connection.sql("select current_setting('lock_configuration')").fetchall() == [(False,)]:
        # The zone is no option of a connection: instants would be shown in that of whoever reads them.
        connection.execute("set global timezone = 'UTC'; set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    return connection
