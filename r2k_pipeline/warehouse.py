"""The published DuckDB file: built beside the old one, checked, swapped in by one rename; and opened to read.

Belongs here: what makes the file a product (comments, macros, storage version). Not here: what its tables hold
(contracts/, sql/, transforms/), which generation is the current one (generations.py).
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import discard, disk_error, fsync
from r2k_pipeline.folders import Folders
from r2k_pipeline.locked import Cut, connect_locked
from r2k_pipeline.quoting import literal, parquet

STORAGE_VERSION: Final = "v1.0.0"
"""So that DuckDB clients since 1.0 open the file."""
ROW_GROUP_ROWS: Final = 40_960
"""Rows of a row group, a multiple of 2,048. The thread that fills a whole row group compresses it; partial ones are
compressed by one thread at the checkpoint. With DuckDB's default of 122,880 most tables would be partial."""
ADDITIONS: Final = 20
"""A table is written anew after about so many additions, as each takes a few blocks: a month of sessions."""
OPENINGS: Final = 10
"""A file that is replaced while it is opened is opened again, this often at most."""


Tables = Mapping[type[Table], Sequence[Path]]
"""Tables with the Parquet that holds their rows."""


@dataclass(frozen=True)
class Before:
    """The DuckDB file of the generation before, of the same program; `changed`: the tables whose rows differ in it.

    Rows of a table that grows that were known by `moment` are in both, or their numbers differ.
    """

    file: Path
    changed: Tables
    moment: datetime


def publish_warehouse(
    warehouse: Path, tables: Tables, macros: Sequence[str], memory_limit: str, before: Before | None = None
) -> int:
    """Build the file from the Parquet of `tables`, check it, swap it in; its size in bytes.

    `macros` are `create macro` statements. With a file from before only what changed is written, into a copy of it.
    Raises R2kError, and then the old file is as it was.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    building = warehouse.with_name(f".{warehouse.name}.{os.getpid()}.tmp")
    try:
        if before is None:
            _build(building, tables, macros, memory_limit)
        else:
            _build_from(building, before, memory_limit)
        _check(building, tables)
        fsync(building)
        # DuckDB must not replay a log that belongs to the old file on the new one.
        warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
        building.replace(warehouse)
        fsync(warehouse.parent)
    except (duckdb.Error, OSError) as error:
        raise disk_error(warehouse, "not published, the old one stays", error, "run again") from error
    finally:
        for leftover in (building, building.with_name(building.name + ".wal")):
            discard(leftover)
    return warehouse.stat().st_size


@contextmanager
def _writing(file: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of a file that nobody reads yet, checkpointed afterwards.

    A file that is written once has nothing to vacuum. Left to itself, a checkpoint would merge partial row groups, and
    where their size is not said again rewrite every table: a third more CPU, and a file half as large again. Metadata
    is written anew: where it is used again, clients before 1.4 cannot open some of the files.
    """
    with duckdb.connect(
        config={"memory_limit": memory_limit, "max_vacuum_tasks": "0", "experimental_metadata_reuse": "false"}
    ) as connection:
        options = f"storage_version '{STORAGE_VERSION}', row_group_size {ROW_GROUP_ROWS}"
        connection.execute(f"attach {literal(file)} as warehouse ({options}); use warehouse")
        yield connection
        connection.execute("checkpoint warehouse; use memory; detach warehouse")


def _build(file: Path, tables: Tables, macros: Sequence[str], memory_limit: str) -> None:
    with _writing(file, memory_limit) as connection:
        for layer in sorted({table.layer for table in tables}):
            connection.execute(f"create schema {layer}")
        _create_all(connection, tables)
        for macro in macros:
            connection.execute(macro)


def _build_from(file: Path, before: Before, memory_limit: str) -> None:
    """A copy of the file from before; of the tables that changed those that grow get their new rows, others are new."""
    shutil.copyfile(before.file, file)
    with _writing(file, memory_limit) as connection:
        anew = {table: files for table, files in before.changed.items() if not _grow(connection, table, files, before)}
        for table in anew:
            connection.execute(f"drop table {table.dotted()}")
        connection.execute("checkpoint warehouse")  # so that the new tables take the place of the old ones
        _create_all(connection, anew)


def _grow(connection: duckdb.DuckDBPyConnection, table: type[Table], files: Sequence[Path], before: Before) -> bool:
    """Add the rows that became known since to a table that grows, if they are all that it lacks; whether they were.

    They become a row group of their own: a table with many of them is better written anew.
    """
    if not table.grows:
        return False
    name, every = table.dotted(), f"from {parquet(files)}"
    new = f"{every} where {table.known_by} > {literal(before.moment)}"
    groups = f"(select count(distinct row_group_id) from pragma_storage_info('{name}'))"
    counts = f"{groups}, (select count(*) from {name}), (select count(*) {new}), (select count(*) {every})"
    ((row_groups, old, added, wanted),) = connection.execute(f"select {counts}").fetchall()
    is_all = old + added == wanted and row_groups < wanted // ROW_GROUP_ROWS + len(files) + ADDITIONS
    if is_all:
        connection.execute(f"insert into {name} select {', '.join(table.column_names())} {new}")
    return bool(is_all)


def _create_all(connection: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    largest_first = sorted(tables, key=lambda table: -sum(file.stat().st_size for file in tables[table]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # writing one table in key order uses one processor only
        list(pool.map(lambda table: _create(connection, table, tables[table]), largest_first))


def _create(connection: duckdb.DuckDBPyConnection, table: type[Table], files: Sequence[Path]) -> None:
    """The table with its rows and comments, through a cursor of its own."""
    columns = ", ".join(table.column_names())
    with connection.cursor() as cursor:
        cursor.execute("use warehouse")
        cursor.execute(f"create table {table.dotted()} as select {columns} from {parquet(files)}")
        cursor.execute("begin")  # comments in transactions of their own took a quarter of the whole build
        cursor.execute(f"comment on table {table.dotted()} is {literal(table.description())}")
        for name, column in table.columns().items():
            text = f"{column.description} [{table.units()[name]}]"
            cursor.execute(f"comment on column {table.dotted()}.{name} is {literal(text)}")
        cursor.execute("commit")


def add_rows(file: Path, table: type[Table], rows: pl.DataFrame, memory_limit: str) -> None:
    """Add rows to a table of a DuckDB file that nobody reads yet. Raises R2kError."""
    try:
        with _writing(file, memory_limit) as connection:
            connection.register("added", rows.to_arrow())
            connection.execute(f"insert into {table.dotted()} by name from added")
            connection.unregister("added")
        fsync(file)
    except (duckdb.Error, OSError) as error:
        raise disk_error(file, f"{table.dotted()} cannot be added to", error, "run again") from error


def _check(file: Path, tables: Tables) -> None:
    """Check that the file opens read-only, each table has as many rows as its Parquet, and no log is beside it."""
    if file.with_name(file.name + ".wal").exists():
        raise R2kError(file, "not checkpointed, a .wal is beside it", "run again")
    with duckdb.connect(file, read_only=True) as connection:
        for table, files in tables.items():
            (same,) = connection.execute(
                f"select (select count(*) from {table.dotted()}) = (select count(*) from {parquet(files)})"
            ).fetchone() or (False,)
            if not same:
                raise R2kError(file, f"{table.dotted()} lost rows on the way", "run again")


def open_warehouse(warehouse: Path, memory_limit: str = "1GB", cut: Cut | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection, locked down: no other files, no extensions, no settings, bounded memory; clock in UTC.

    Nothing spills to disk: DuckDB would put its folder of temporary files beside the warehouse, into the lake. Links
    are resolved once, because DuckDB opens a path three times; where a publication comes between, it is opened again.
    Raises R2kError where nothing was published yet or the file cannot be opened.
    """
    for _ in range(OPENINGS):
        file = warehouse.resolve()
        try:
            was = file.stat()
            return connect_locked(file, memory_limit, cut=cut)
        except FileNotFoundError as error:
            if warehouse.resolve() == file:
                raise R2kError(warehouse, "no warehouse yet", Folders.around(warehouse).run) from error
        except OSError as error:  # a file where a folder should be, no right to read
            raise R2kError(
                warehouse, f"cannot be opened: {error.strerror}", Folders.around(warehouse).command("doctor")
            ) from error
        except (duckdb.CatalogException, duckdb.BinderException):
            raise
        except duckdb.Error as error:
            if warehouse.exists() and os.path.samestat(was, warehouse.stat()):
                reason = str(error).splitlines()[0]
                raise R2kError(warehouse, f"cannot be opened: {reason}", Folders.around(warehouse).run) from error
    raise R2kError(warehouse, f"replaced {OPENINGS} times while it was opened", "try again")
