"""The tables that vocabulary claims read in this process, through the macros NAME_as_of and only by our own SQL.

Belongs here: the connection, rows of one market as they stood at a moment, the exchange's sessions. Not here: what
measures are (measures.py), a user's SQL (sandbox.py).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb
import polars as pl

from r2k_pipeline.claims.known_views import SOURCES
from r2k_pipeline.claims.worker import DUCKDB_MEMORY
from r2k_pipeline.contracts.clock import as_of_macros
from r2k_pipeline.holes import QUERY, End, ends_of
from r2k_pipeline.locked import NOTHING_ELSE
from r2k_pipeline.quoting import parquet
from r2k_pipeline.shipped import shipped

Kept = TypeVar("Kept")
NEW_YORK: Final = "XNYS"
"""The calendar of a claim's day, whichever its market: the day's close."""
TIMES: Final = ("calendar", "session_date", "open_at", "close_at")


@dataclass(frozen=True)
class Sessions:
    """One exchange's sessions in order, with their opens and closes."""

    days: Sequence[date]
    opens: Sequence[datetime]
    closes: Sequence[datetime]

    @classmethod
    def of_rows(cls, rows: pl.DataFrame, calendar: str = NEW_YORK) -> "Sessions":
        """The sessions of a calendar among rows with the columns TIMES."""
        ours = rows.filter(pl.col("calendar") == calendar).sort("session_date")
        return cls(*(ours[name].to_list() for name in TIMES[1:]))

    def of(self, day: date) -> tuple[datetime, datetime]:
        """The open and the close of a day. Raises ValueError for one without a session."""
        place = bisect_left(self.days, day)
        if place < len(self.days) and self.days[place] == day:
            return self.opens[place], self.closes[place]
        if not 0 < place < len(self.days):
            raise ValueError(f"{day} is outside of the calendar, which has {self._span()}")
        raise ValueError(f"the exchange is closed on {day}; next: give {self.days[place - 1]}, the session before it")

    def is_ahead(self, day: date) -> bool:
        """Whether a day is after the end of the calendar; in a rebuild of the past it ends two weeks ahead."""
        return bool(self.days) and day > self.days[-1]

    def close_after(self, moment: datetime, count: int) -> datetime:
        """The close of the session `count` places after the last one that had closed. Raises ValueError."""
        place = bisect_right(self.closes, moment) + count - 1
        if not 0 <= place < len(self.closes):
            raise ValueError(f"{count} sessions from {moment:%Y-%m-%d} are outside of the calendar: {self._span()}")
        return self.closes[place]

    def between(self, after: date, until: date) -> Sequence[date]:
        """The sessions after one day and up to another."""
        return self.days[bisect_right(self.days, after) : bisect_right(self.days, until)]

    def _span(self) -> str:
        return f"{self.days[0]} to {self.days[-1]}" if self.days else "no session"


class Lists:
    """The columns of a frame as lists, each made when it is asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame, self._made = frame, dict[str, list[Any]]()

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._made:
            self._made[name] = self._frame[name].to_list()
        return self._made[name]


class KnownTables:
    """A connection with the tables, their macros NAME_as_of and data_ends. Each query runs once; its rows are kept."""

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection], *, is_own: bool = False) -> None:
        """`is_own`: `connect` opens a connection for these tables alone, which `close` ends."""
        self._connect, self._is_own = connect, is_own
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._wanted: dict[str, set[str]] = {}

    @classmethod
    def over_files(cls, files: Mapping[str, Sequence[Path]]) -> "KnownTables":
        """The tables in the Parquet `files` of every table in SOURCES, opened when something is asked."""
        return cls(lambda: _over(files), is_own=True)

    def close(self) -> None:
        """Close the connection, if it is these tables' own."""
        if self._is_own and self._connection is not None:
            self._connection.close()

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.once(("rows", query, *parameters.items()), lambda: self.frame(query, **parameters).rows())

    def lists(self, query: str, **parameters: Any) -> Lists:
        """The columns of a query."""
        return self.once(("lists", query, *parameters.items()), lambda: Lists(self.frame(query, **parameters)))

    def once(self, key: tuple[Any, ...], make: Callable[[], Kept]) -> Kept:
        """What `make` gives, made when its key is first asked for: readings and claims of one note share it."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept

    def wants(self, columns: Iterable[tuple[str, str]]) -> None:
        """Announce the columns (table, name) that will be read: those of one table are then read together."""
        for table, name in columns:
            self._wanted.setdefault(table, set()).add(name)

    def wanted(self, table: str, *names: str) -> str:
        """The columns of a table to select: `names`, and all that `wants` announced."""
        self.wants((table, name) for name in names)
        return ", ".join(sorted(self._wanted[table]))

    def frame(self, query: str, **parameters: Any) -> pl.DataFrame:
        """The rows of a query as a frame; the query runs each time."""
        if self._connection is None:
            self._connection = self._connect()
        rows: pl.DataFrame = self._connection.sql(query, params=parameters or None).pl()
        return rows

    def ends(self, known: datetime) -> tuple[End, ...]:
        """The ends and holes of the data that was known at `known`."""
        return self.once(("ends", known), lambda: ends_of(self.frame(QUERY, moment=known).to_dicts()))

    @property
    def sessions(self) -> Sessions:
        """The sessions of New York's stock exchange, those ahead too."""
        return self._sessions(NEW_YORK)

    def sessions_of(self, market: str) -> Sessions:
        """The sessions of a market's own exchange; New York's for a market that is not there."""
        return self._sessions(dict(self.rows("select market, calendar from marts.markets")).get(market, NEW_YORK))

    def _sessions(self, calendar: str) -> Sessions:
        query = f"select {', '.join(TIMES)} from marts.sessions where calendar = $calendar"
        return self.once(
            ("sessions", calendar), lambda: Sessions.of_rows(self.frame(query, calendar=calendar), calendar)
        )

    @property
    def markets(self) -> Mapping[str, str]:
        """The symbol of each market's index."""
        return dict(self.rows("select market, index_symbol from marts.markets order by market"))

    @property
    def names_of_markets(self) -> Mapping[str, str]:
        """Each market by its id, name and symbols, in capitals."""
        rows = self.rows("select market, name, index_symbol, proxy_symbol, future_symbol from marts.markets")
        return {name.upper(): row[0] for row in rows for name in row if name}

    @property
    def primary_reports(self) -> Mapping[str, str]:
        """The primary report of each market."""
        return dict(self.rows("select market, primary_report_type from marts.markets order by market"))

    def releases(self, known: datetime) -> list[date]:
        """The days of the reports that were due by a moment."""
        query = "select report_date from staging.cot_releases where released_at <= $known order by report_date"
        return [day for (day,) in self.rows(query, known=known)]


def _over(files: Mapping[str, Sequence[Path]]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=NOTHING_ELSE | {"memory_limit": DUCKDB_MEMORY})
    connection.execute("set timezone = 'UTC'")
    for layer in sorted({name.split(".")[0] for name in SOURCES}):
        connection.execute(f"create schema {layer}")
    for name in SOURCES:
        connection.execute(f"create view {name} as from {parquet(files[name])}")
    for macro in as_of_macros(SOURCES):
        connection.execute(macro)
    connection.execute(shipped("sql/macros/data_ends.sql").read_text("utf-8"))
    return connection
