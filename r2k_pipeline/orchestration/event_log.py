"""Dagster's event log in SQLite, for the one process that writes a run: connections stay open between events.

Belongs here: how long a connection lives. Not here: what is in the log and where it lies (Dagster's own class).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event
from sqlalchemy.exc import OperationalError


class KeptEventLog(SqliteEventLogStorage):
    """Dagster's event log with connections kept open: Dagster's own opens and flushes a file for each statement.

    A run has thousands of them. Files, statements and commits are the same, and a killed run loses none; they are
    flushed to the disk together, so a power cut may take the last ones. Not for the UI: it reads any number of runs,
    each in a file of its own, and would keep all of them open.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Any] = {}  # SQLAlchemy's, by file
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """The constructor that Dagster calls with its configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Any]:
        if shard not in self._engines:
            with super()._connect(shard):  # makes the file and its tables where they are missing
                pass
            patience = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            engine = create_engine(self.conn_string_for_shard(shard), connect_args=patience)
            event.listen(engine, "connect", _flush_together)
            self._engines[shard] = engine
        try:
            with self._db_lock, self._engines[shard].begin() as connection:
                yield connection
        except OperationalError as error:  # Dagster prints it: SQLite's words in one line, not the statement
            raise (error.orig or error) from error

    def has_table(self, table_name: str) -> bool:
        """SQLite's answer. A yes is remembered: Dagster asks at each event, on a connection of its own."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close the files."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _flush_together(connection: Any, _: object) -> None:
    """Let SQLite flush its write-ahead log when it empties it, not at each of a run's 900 commits, 3 ms each."""
    connection.execute("pragma synchronous = normal")
