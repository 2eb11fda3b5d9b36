"""The worker process of `r2k sql`: one SELECT on the warehouse, its rows into a file that its parent reads.

Belongs here: code that runs under the limits. Not here: the limits (claims/serving.py), the output of the rows
(query.py). It imports little, so that it starts fast.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa

from r2k_pipeline.claims.query_limits import first_line, one_select, stopped_after
from r2k_pipeline.claims.serving import answer_requests
from r2k_pipeline.errors import QueryError, RefusedError
from r2k_pipeline.locked import connect_locked
from r2k_pipeline.report.output_types import projection
from r2k_pipeline.report.query import Query, QuerySetup
from r2k_pipeline.report.row_formats import write_rows

BATCH_ROWS: Final = 10_000
READS: Final = "one SELECT (or from, values, with, describe, show, summarize)"
THREADS: Final = min(4, os.cpu_count() or 1)
"""Number of threads, limited because the stack of each counts as memory of the process."""


@dataclass(frozen=True)
class Opened:
    """The connection, and the label of its data."""

    connection: duckdb.DuckDBPyConnection
    label: str
    is_sample: bool


def serve() -> None:
    """Answer one query after the other with a JSON list: rows, label, whether it is the sample."""
    answer_requests(_open, _answer)


def _open(setup: QuerySetup) -> Opened:
    try:
        connection = connect_locked(setup.warehouse, setup.memory_limit, THREADS, setup.cut)
    except duckdb.Error as error:
        raise QueryError(f"cannot be opened: {first_line(error)}") from error
    for table, rows in setup.summaries.items():
        connection.register("summary", pa.ipc.open_stream(rows).read_all())
        connection.execute(f"insert into {table} by name from summary")
        connection.unregister("summary")
    try:
        (generation,) = connection.execute("select label, is_sample from meta.generation").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise QueryError(f"published by another version: {first_line(error)}") from error
    return Opened(connection, *generation)


def _answer(opened: Opened, setup: QuerySetup, query: Query) -> bytes:
    try:
        one_select(opened.connection, query.text)
        with stopped_after(opened.connection, setup.seconds), os.fdopen(query.stream, "wb", closefd=False) as body:
            rows = _write(opened.connection, query, body)
    except RefusedError as error:
        raise QueryError(f"{error}; next: {READS}") from error
    except OSError as error:
        raise QueryError(f"its rows cannot be kept: {error}; next: free space in TMPDIR") from error
    return json.dumps([rows, opened.label, opened.is_sample]).encode()


def _write(connection: duckdb.DuckDBPyConnection, query: Query, body: BinaryIO) -> int:
    relation = connection.sql(query.text)
    twice = [name for name, times in Counter(map(str.lower, relation.columns)).items() if times > 1]
    if twice:
        raise QueryError(f"two columns are named {twice[0]!r}; next: give one another name, `... as other`")
    reader = relation.project(projection(relation.columns, relation.types, query.output)).to_arrow_reader(BATCH_ROWS)
    return write_rows(reader.schema, _batches(reader), query.output, body)


def _batches(reader: Any) -> Iterator[Any]:
    """The reader's batches. Errors of DuckDB arrive here as errors of Arrow or of the system, and are converted."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise QueryError(str(error).splitlines()[0]) from error
        yield batch
