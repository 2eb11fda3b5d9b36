"""A process that runs a user's SQL, from inside: limits, and one request after the other.

Belongs here: the part common to all such processes. Not here: tables and answers (worker.py, report/query_worker.py),
the parent's side (process.py). It imports little, because a user waits for it to start.
"""

import os
import resource
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import duckdb

from r2k_pipeline.claims.printable import printable
from r2k_pipeline.claims.process import REFUSED, ROWS, SHORT, Setup
from r2k_pipeline.claims.query_limits import first_line
from r2k_pipeline.errors import QueryError

Started = TypeVar("Started", bound=Setup)
Opened = TypeVar("Opened")


def answer_requests(start: Callable[[Started], Opened], answer: Callable[[Opened, Started, Any], bytes]) -> None:
    """Answer the messages of a pipe (its number is the first argument) until its other end is closed.

    The first message is the setup, the others are requests; each is answered with ROWS, REFUSED or SHORT and more.
    """
    pipe = Connection(int(sys.argv[1]))
    messages = _messages(pipe)
    setup = next(messages)
    # Functions take memory that DuckDB's own limit does not count.
    for limit, most in ((resource.RLIMIT_DATA, setup.process_bytes), (resource.RLIMIT_CORE, 0)):
        _, highest = resource.getrlimit(limit)
        resource.setrlimit(limit, (most, most) if highest == resource.RLIM_INFINITY else (min(most, highest),) * 2)
    try:
        opened = start(setup)
    except (QueryError, duckdb.Error) as error:
        pipe.send_bytes(REFUSED + first_line(error).encode())
        return
    pipe.send_bytes(ROWS)
    for request in messages:
        try:
            said = ROWS + answer(opened, setup, request)
        except (QueryError, duckdb.Error, MemoryError) as error:
            shortages = duckdb.OutOfMemoryException, MemoryError
            is_short = isinstance(error, shortages) or isinstance(error.__cause__, shortages)
            said = (SHORT if is_short else REFUSED) + printable(str(error) or "Out of Memory").encode()
        pipe.send_bytes(said)


def _messages(pipe: "Connection[Any, Any]") -> Iterator[Any]:
    """Messages from the pipe. When its other end closes, also during a query, the process ends."""
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
