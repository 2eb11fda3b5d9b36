"""Holes: sessions and reports that by the calendars should be known at a moment, and are missing.

Belongs here: the rows of the macro data_ends as values, and the sentences about them. Not here: how they are found
(sql/macros/data_ends.sql), what a reader does about them (claims/, report/, orchestration/).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

import duckdb

from r2k_pipeline.errors import first_names
from r2k_pipeline.folders import Folders
from r2k_pipeline.sources.settlement import GRACE, SETTLEMENTS

QUERY: Final = "from data_ends($moment)"
NAMED: Final = 12
"""Symbols or markets that one line names; of more the number is given."""
_DAY: Final = {"prices": "session", "reports": "report"}


@dataclass(frozen=True)
class End:
    """The last day of one symbol's prices, or of one type of a market's reports: a row of data_ends."""

    kind: str
    market: str
    symbol: str | None
    role: str | None
    report_type: str | None
    last_date: date
    due_date: date | None
    due_at: datetime | None
    due_days: int
    window_weeks: int
    window_days: int
    window_date: date | None

    @property
    def what(self) -> str:
        """The symbol, or the market."""
        return self.symbol or self.market

    def window(self) -> str | None:
        """The sentence about days missing within the weeks before the end; None if there are none."""
        if not self.window_days:
            return None
        lacking = f"{self.window_days} {_DAY[self.kind]}{'s' * (self.window_days > 1)} of {_series(self)}"
        return f"the {self.window_weeks} weeks to {self.last_date} lack {lacking}{_newest(self)}"


def _newest(end: End) -> str:
    return f", the last of {end.window_date}" if end.window_days > 1 else f", of {end.window_date}"


def _series(end: End) -> str:
    return end.what if end.report_type is None else f"{end.what} ({end.report_type})"


def read_ends(connection: duckdb.DuckDBPyConnection, moment: datetime) -> tuple[End, ...]:
    """Every end of the data that was known at `moment`."""
    return ends_of(connection.sql(QUERY, params={"moment": moment}).pl().to_dicts())


def ends_of(rows: Iterable[dict[str, object]]) -> tuple[End, ...]:
    """Rows of data_ends as values."""
    return tuple(End(**row) for row in rows)  # type: ignore[arg-type]


def say_holes(ends: Iterable[End]) -> Iterator[str]:
    """One line for all ends of one kind with the same last day and the same first missing day, due at the same time."""

    def alike(end: End) -> tuple[str, str, date, datetime]:
        assert end.due_at is not None
        return end.kind, end.report_type or "", end.last_date, end.due_at

    for (kind, report_type, last, _), group in groupby(sorted((e for e in ends if e.due_date), key=alike), key=alike):
        same = list(group)
        names = list(dict.fromkeys(end.what for end in same))
        named = first_names(names, NAMED)
        of_type = f" ({report_type})" if report_type else ""
        yield f"the {kind} of {named}{of_type} end at {last}: {_say_due(same[0])}"


def _say_due(end: End) -> str:
    due = f"{_DAY[end.kind]} {end.due_date} was due {end.due_at:%Y-%m-%d %H:%M} UTC"
    return f"{due} and is missing" if end.due_days == 1 else f"{due}, {end.due_days:,} are missing since"


def say_doubts(doubts: Mapping[str, int], lake: Folders) -> str:
    """The number of rows that each check of severity `warn` doubts, in one line."""
    return ", ".join(f"{name} {count:,}" for name, count in doubts.items()) + f"; next: {lake.command('doctor')}"


def newest_that_should_be(connection: duckdb.DuckDBPyConnection, moment: datetime) -> datetime:
    """`moment`, or the sample's own last close where that is earlier: synthetic data has no later news."""
    ((is_sample, last),) = connection.execute(
        "select is_sample, (select max(known_at) from marts.positioning_vs_technicals) from meta.generation"
    ).fetchall()
    return min(moment, last) if is_sample and last else moment


def is_due(end: End, moment: datetime) -> bool:
    """Whether something is missing at `moment` whose value, a price's as soon as it has settled, could be here."""
    settles = SETTLEMENTS[end.role].price if end.role else timedelta()
    return end.due_at is not None and end.due_at + settles <= moment


def is_awaited(end: End, moment: datetime) -> bool:
    """Whether it is due, and it is no fault yet that it is missing: the next run may bring it."""
    return is_due(end, moment) and not is_missed(end, moment)


def read_holes(
    connection: duckdb.DuckDBPyConnection, moment: datetime, counts: Callable[[End, datetime], bool] = is_due
) -> tuple[str, ...]:
    """One line for each hole at `moment`, of those that `counts`."""
    ends = read_ends(connection, newest_that_should_be(connection, moment))
    return tuple(say_holes(end for end in ends if counts(end, moment)))


def is_missed(end: End, moment: datetime) -> bool:
    """Whether something is missing at `moment` that has been due long enough."""
    return end.due_at is not None and end.due_at + GRACE <= moment
