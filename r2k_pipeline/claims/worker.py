"""The process that a claim's SQL runs in: a locked DuckDB, under a memory limit of the operating system.

Belongs here: the limits, and one request after the other. Not here: which SQL may run (permitted.py), starting and
stopping this process (process.py). It imports little, as it starts for every note.
"""

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

import duckdb
import pyarrow as pa

from r2k_pipeline.claims.bounds import QueryError, first_line, stopped_after
from r2k_pipeline.claims.permitted import check_permitted
from r2k_pipeline.claims.shown import printable

PROCESS_BYTES: Final = 1_536 << 20
"""Of all data of the process: functions take memory that DuckDB's own limit does not count."""
DUCKDB_MEMORY: Final = "512MB"
THREADS: Final = 1
"""As many everywhere: a thread's stack counts as memory."""
MOST_ROWS: Final = 100
"""Rows of evidence: what a reader can check by eye; a query that needs more should aggregate."""
MOST_BYTES: Final = 32 << 20
"""Of an answer on its way: a century of one market's bars is 3 MB."""

ROWS: Final = b"+"
REFUSED: Final = b"-"
SHORT: Final = b"!"
"""How an answer begins: with an Arrow stream, with the reason why there is none, with how memory fell short."""

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
"""Types of columns that evidence can show: as they are, as text, and as what they become."""


@dataclass(frozen=True)
class Setup:
    """What the process starts with: statements that open what can be read, and the limit of one query."""

    statements: tuple[str, ...]
    seconds: float


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
    """Answer what comes through the pipe whose number is the first argument, until its other end is closed.

    The first message is a Setup, the others are Requests. An answer is ROWS and an Arrow stream, or REFUSED or SHORT
    and the reason.
    """
    for limit, most in ((resource.RLIMIT_DATA, PROCESS_BYTES), (resource.RLIMIT_CORE, 0)):
        _, highest = resource.getrlimit(limit)
        resource.setrlimit(limit, (most, most) if highest == resource.RLIM_INFINITY else (min(most, highest),) * 2)
    pipe = Connection(int(sys.argv[1]))
    messages = _messages(pipe)
    setup = next(messages)
    try:
        connection = _open(setup)
    except duckdb.Error as error:
        pipe.send_bytes(REFUSED + first_line(error).encode())
        return
    pipe.send_bytes(ROWS)
    for request in messages:
        try:
            answer = ROWS + _answer(connection, request, setup.seconds)
        except (QueryError, duckdb.Error, MemoryError) as error:
            shortages = duckdb.OutOfMemoryException, MemoryError
            is_short = isinstance(error, shortages) or isinstance(error.__cause__, shortages)
            answer = (SHORT if is_short else REFUSED) + printable(str(error) or "Out of Memory").encode()
        pipe.send_bytes(answer)


def _messages(pipe: "Connection[Any, Any]") -> Iterator[Any]:
    """What comes through the pipe. When its other end closes, also in the midst of a query, the process ends."""
    waiting: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                waiting.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)

    Thread(target=listen, name="listen", daemon=True).start()
    while True:
        yield waiting.get()


def _open(setup: Setup) -> duckdb.DuckDBPyConnection:
    """No file but those set up, no network, no extension, no setting, no spill to disk; instants in UTC."""
    config = {"memory_limit": DUCKDB_MEMORY, "threads": str(THREADS), "temp_directory": ""}
    no_extensions = dict.fromkeys(("autoinstall_known_extensions", "autoload_known_extensions"), "false")
    connection = duckdb.connect(config={**config, **no_extensions})
    for statement in (*setup.statements, "set timezone = 'UTC'", "set python_enable_replacements = false"):
        connection.execute(statement)
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _answer(connection: duckdb.DuckDBPyConnection, request: Request, seconds: float) -> bytes:
    """The rows as an Arrow stream. Raises QueryError, duckdb.Error."""
    connection.execute("set variable known = $known::timestamptz", {"known": request.known})
    try:
        if request.evidence is not None:
            connection.register("evidence", pa.ipc.open_stream(request.evidence).read_all())
        with stopped_after(connection, seconds):
            if request.readable is None:
                table = connection.sql(request.query, params=dict(request.parameters)).to_arrow_table()
            else:
                check_permitted(connection, request.query, request.readable, request.parameters.keys())
                table = _evidence(connection, request)
    finally:
        # Left there, the next claim could read it.
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
    if columns != [_quoted(name, '"') for name in relation.columns]:
        relation = relation.project(", ".join(columns))
    table = relation.to_arrow_table()
    if table.num_rows > MOST_ROWS:
        raise QueryError(f"gives more than {MOST_ROWS} rows: aggregate, or add a limit")
    return table


def _shown(name: str, kind: str) -> str:
    """A column as SQL that gives it in a plain type, or stops where a value is none that a calendar has."""
    column, base = _quoted(name, '"'), kind.lower().split("(")[0]
    if base in TEMPORAL:
        instant = f"{column}::{TEMPORAL[base]}"
        within = f"isfinite({instant}) and year({instant}) between 1 and 9999"
        why = f"{_quoted(printable(name), chr(39))} || ' is ' || {column}::varchar || ': no day or instant to show'"
        return f"case when {column} is null or ({within}) then {instant} else error({why}) end as {column}"
    if base in TEXT:
        return f"{column}::varchar as {column}"
    if base in PLAIN:
        return column
    raise QueryError(f"{name} is {kind}: give text, a number, a day, an instant, or true or false")


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote
