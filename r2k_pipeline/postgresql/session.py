"""One transaction on PostgreSQL through ADBC; a failure is one line with what to do next.

Belongs here: connecting, running SQL, reading errors. Not here: what is published.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import adbc_driver_manager
import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import pyarrow as pa
from adbc_driver_manager.dbapi import Cursor

from r2k_pipeline.postgresql.address import Address, PublishError
from r2k_pipeline.quoting import literal

NEXT: Final = {
    "28": "check user and password (PGPASSWORD, ~/.pgpass) and the server's pg_hba.conf",
    "3D": "create the database (createdb), or name another one",
    "TLS": "check sslmode and certificates (sslrootcert) of the address, and that the server has TLS",
    "42501": "ask the owner of what is named for the right, or publish as its owner",
    "2BP01": "drop what depends on it, publish, and create it again",
    "42939": "name another role with --reader",
    "53": "free what the server lacks (disk, memory, connections), then publish again",
    "55P03": "publish again when the readers it waited for are done",
}
"""What to do by SQLSTATE, or by its class; otherwise: publish again."""
TOLD: Final = {
    **dict.fromkeys(("authentication failed", "no password supplied", "pg_hba.conf"), "28"),
    "FATAL:  database": "3D",
    **dict.fromkeys(("SSL", "sslmode", "certificate"), "TLS"),
}
"""Failures to connect have no SQLSTATE: they are recognised by libpq's words."""


@contextmanager
def transaction(address: Address) -> Iterator["Transaction"]:
    """Commits at the end of the block; any failure rolls everything back. Raises PublishError."""
    with _explained(
        address, "cannot connect", "check the address (host, port, database, parameters) and that the server runs"
    ):
        connection = adbc_driver_postgresql.dbapi.connect(address.with_timeout())
    try:
        with _explained(address, "not published, what was there stays", "publish again"), connection.cursor() as cursor:
            yield Transaction(cursor)
        with _explained(address, "lost at the commit, so published or not", "publish again: it says what is there"):
            connection.commit()
    finally:
        # Without a commit, closing rolls back; closing a dead connection fails, which does not matter.
        with suppress(adbc_driver_manager.Error):
            connection.close()


class Transaction:
    """Statements of one open transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._cursor.execute(query).fetchall()

    def count(self, statement: str) -> int:
        """Run one statement; how many rows it touched."""
        return self._cursor.execute(statement).rowcount

    def run_all(self, statements: Sequence[str]) -> None:
        """Run statements that give no rows in one round trip: on a far server that is most of the time."""
        if statements:
            block = "begin\n" + ";\n".join(statements) + ";\nend"
            self._cursor.execute(f"do {literal(block)}")

    def ingest(self, temporary_table: str, rows: pa.RecordBatchReader) -> int:
        """Append Arrow batches to a temporary table by binary COPY, columns by name; how many rows."""
        return self._cursor.adbc_ingest(temporary_table, rows, mode="append", temporary=True)


@contextmanager
def _explained(address: Address, what: str, otherwise: str) -> Iterator[None]:
    try:
        yield
    except adbc_driver_manager.Error as error:
        state = error.sqlstate or next((state for words, state in TOLD.items() if words in str(error)), "")
        advice = NEXT.get(state) or NEXT.get(state[:2]) or otherwise
        raise PublishError(address.shown, f"{what}: {address.without_secrets(_reason(error))}", advice) from None
    except PublishError as error:
        reason = ": ".join(filter(None, (what, error.what, error.why)))
        raise PublishError(address.shown, reason, error.next) from None


def _reason(error: adbc_driver_manager.Error) -> str:
    """The server's message on one line, without the query and ADBC's prefix."""
    # Names come as bytes, whatever the driver's stubs say.
    told = {str(name): text.decode("utf-8", "replace") for name, text in error.details}
    parts = [str(f"PG_DIAG_MESSAGE_{part}".encode()) for part in ("PRIMARY", "DETAIL")]
    named = [told[part] for part in parts if part in told]
    if not named:
        without_query = str(error).split("\nQuery was:")[0]
        named = [without_query.rpartition("[libpq] ")[2].removeprefix("Failed to connect: ")]
    return on_one_line(": ".join(named))


def on_one_line(message: str) -> str:
    """A message of a database without line breaks and final full stop, so that a sentence can follow."""
    return " ".join(message.split()).rstrip(".?")
