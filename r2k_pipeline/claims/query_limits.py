"""The bounds of SQL that somebody else wrote, in a note or on the command line: one SELECT, stopped in time.

Belongs here: what holds for any such query. Not here: what a claim may read (permitted.py), what is open and locked
(warehouse.py), how rows are printed (report/).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile, takewhile
from typing import Final

import duckdb

from r2k_pipeline.claims.printable import printable
from r2k_pipeline.errors import QueryError, RefusedError

SUGGESTIONS: Final = ("Did you mean ", "Candidate ")
"""Beginnings of the lines in which DuckDB suggests names; an empty line ends them."""
AGAIN_SECONDS: Final = 0.1
"""An interrupt between two steps of a query is lost, so it is repeated."""


def one_select(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """The query, if DuckDB parses it as one SELECT (also from, values, with, describe, show, summarize).

    Raises RefusedError with what it is, QueryError where it is not SQL. Nothing runs.
    """
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"not UTF-8 at character {error.start + 1}") from error
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(first_line(error)) from error
    kinds = [statement.type.name for statement in statements]
    if len(kinds) != 1:
        raise RefusedError(f"{len(kinds)} statements, one is run" if kinds else "there is no statement")
    if kinds != ["SELECT"]:
        kind = "a pivot without `in (values)`" if kinds == ["MULTI"] else kinds[0]
        raise RefusedError(f"{kind} is disabled here, the warehouse is read-only and locked")
    return statements[0]


@contextmanager
def stopped_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Whatever runs on `connection` inside is interrupted after `seconds`; DuckDB's errors become a QueryError.

    Some functions notice an interrupt only at their end, so the parent kills the process after GRACE_SECONDS more.
    """
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        late.set()
        while not done.is_set():
            connection.interrupt()
            done.wait(AGAIN_SECONDS)

    watcher = threading.Thread(target=watch, name="query-watch", daemon=True)
    watcher.start()
    try:
        yield
    except (duckdb.Error, QueryError) as error:
        raise QueryError(f"stopped after {seconds:g} seconds" if late.is_set() else first_line(error)) from error
    finally:
        done.set()
        watcher.join()


def first_line(error: Exception) -> str:
    """The first line of an error and the names that it suggests, without the query and DuckDB's advice."""
    first, *others = (line.strip() for line in str(error).splitlines() or [type(error).__name__])
    offered = dropwhile(lambda line: not line.startswith(SUGGESTIONS), others)
    return printable(" ".join([first, *takewhile(bool, offered)]))
