"""The process of a sandbox: runs a claim's SQL in a locked DuckDB and returns its rows as an Arrow stream.

Belongs here: what is open, and the bounds of an answer. Not here: which SQL is permitted (permitted.py), requests and
the limit of memory (serving.py). It imports little, because it starts for every note.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb
import pyarrow as pa

from r2k_pipeline.claims.permitted import check_permitted
from r2k_pipeline.claims.printable import printable
from r2k_pipeline.claims.query_limits import first_line, stopped_after
from r2k_pipeline.claims.serving import answer_requests
from r2k_pipeline.errors import QueryError
from r2k_pipeline.locked import NOTHING_ELSE
from r2k_pipeline.quoting import identifier, literal

PROCESS_BYTES: Final = 1_536 << 20
"""Limit of all data of the process: functions take memory that DuckDB's own limit does not count."""
DUCKDB_MEMORY: Final = "512MB"
THREADS: Final = 1
"""One on every machine: a thread's stack counts as memory."""
MOST_ROWS: Final = 100
"""Rows of evidence that a reader can check by eye; a query that needs more should aggregate."""
MOST_BYTES: Final = 32 << 20
"""Limit of an answer: a century of one market's bars is 3 MB."""

OWN_SECONDS: Final = 60.0
"""Limit of a query of our own: a busy machine must not make it fail."""

PLAIN: Final = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "float", "double", "decimal", "varchar"),
    *("utinyint", "usmallint", "uinteger", "ubigint", '"null"', "null"),
}
TEXT: Final = {"enum", "uuid", "json"}
TEMPORAL: Final = {
    "date": "date",
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), "timestamp"),
    "timestamp with time zone": "timestamptz",
}
"""Column types allowed in evidence: unchanged (PLAIN), as text (TEXT), cast (TEMPORAL)."""


@dataclass(frozen=True)
class Setup:
    """What the process starts with: statements that open the readable tables, and the limit of one query."""

    statements: tuple[str, ...]
    seconds: float
    process_bytes: int = PROCESS_BYTES


@dataclass(frozen=True)
class Request:
    """One query at the moment `known`; `readable` are the tables it may name, None for a query of our own.

    `evidence`: rows as an Arrow stream, there as the table `evidence` while it runs.
    """

    query: str
    parameters: Mapping[str, Any]
    known: datetime | None
    readable: tuple[str, ...] | None = None
    evidence: bytes | None = None


def serve() -> None:
    """Answer the requests of a sandbox."""
    answer_requests(_open, _answer)


class InProcess:
    """The same answers in this process, for SQL that is shipped: no process has to start, none has to be killed."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._connection = setup, _open(setup)

    def ask(self, request: Request) -> bytes:
        """The rows as an Arrow stream. Raises QueryError."""
        try:
            return _answer(self._connection, self._setup, request)
        except duckdb.Error as error:
            raise QueryError(first_line(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _open(setup: Setup) -> duckdb.DuckDBPyConnection:
    """No file but those set up, no network, no extension, no setting, no spill to disk; instants in UTC."""
    connection = duckdb.connect(config=NOTHING_ELSE | {"memory_limit": DUCKDB_MEMORY, "threads": str(THREADS)})
    for statement in (*setup.statements, "set timezone = 'UTC'", "set python_enable_replacements = false"):
        connection.execute(statement)
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _answer(connection: duckdb.DuckDBPyConnection, setup: Setup, request: Request) -> bytes:
    """The rows as an Arrow stream. Raises QueryError, duckdb.Error."""
    connection.execute("set variable known = $known::timestamptz", {"known": request.known})
    try:
        if request.evidence is not None:
            connection.register("evidence", pa.ipc.open_stream(request.evidence).read_all())
        is_ours = request.readable is None
        with stopped_after(connection, max(setup.seconds, OWN_SECONDS) if is_ours else setup.seconds):
            if request.readable is None:
                table = connection.sql(request.query, params=dict(request.parameters)).to_arrow_table()
            else:
                check_permitted(connection, request.query, request.readable, request.parameters.keys())
                table = _evidence(connection, request)
    finally:
        # otherwise the next claim could read it
        connection.unregister("evidence")
    if table.nbytes > MOST_BYTES:
        raise QueryError(f"gives more than {MOST_BYTES >> 20} MB: aggregate, or select less")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _evidence(connection: duckdb.DuckDBPyConnection, request: Request) -> pa.Table:
    """MOST_ROWS rows at most, of types that can be shown; days and instants within the years 1 to 9999."""
    bounded = f"select * from (\n{request.query.rstrip().rstrip(';')}\n) limit {MOST_ROWS + 1}"
    relation = connection.sql(bounded, params=dict(request.parameters))
    columns = [_shown(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    if columns != [identifier(name) for name in relation.columns]:
        relation = relation.project(", ".join(columns))
    table = relation.to_arrow_table()
    if table.num_rows > MOST_ROWS:
        raise QueryError(f"gives more than {MOST_ROWS} rows: aggregate, or add a limit")
    return table


def _shown(name: str, kind: str) -> str:
    """A column as SQL of a plain type; the query fails on a day or instant outside of the calendar."""
    column, base = identifier(name), kind.lower().split("(")[0]
    if base in TEMPORAL:
        instant = f"{column}::{TEMPORAL[base]}"
        within = f"isfinite({instant}) and year({instant}) between 1 and 9999"
        why = f"{literal(printable(name))} || ' is ' || {column}::varchar || ': no day or instant to show'"
        return f"case when {column} is null or ({within}) then {instant} else error({why}) end as {column}"
    if base in TEXT:
        return f"{column}::varchar as {column}"
    if base in PLAIN:
        return column
    raise QueryError(f"{name} is {kind}: give text, a number, a day, an instant, or true or false")
