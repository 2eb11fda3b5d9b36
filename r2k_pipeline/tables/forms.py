"""Forms of a builder's inputs, as annotations of its parameters, and ways to replay a table.

Belongs here: the declarations. Not here: their use (builders.py), reading the lake (inputs.py), the replay itself
(transforms/replay.py).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Final, TypeAlias, TypeVar

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.table import Table


class Form(Enum):
    """The form in which a builder gets a table. The last four are for tables that are replayed."""

    STORED = "all rows, as the lake has them"
    SCANNED = "as the lake has them, lazily: only the rows and columns that are asked for are read"
    FIRST_KNOWN = "one plain series a market, each bar as it was first known, without late ones"
    SERIES = "one plain series a market, as it was known at some session"
    REBUILT = "as its own builder makes it of the same series, all of it"
    STANDING = "facts that stood at the last session of the series; its own facts: those published that stand"
    ALONGSIDE = "the rows of the sessions that are wanted: it was replayed on the same bars"


T = TypeVar("T", bound=Table)
Stored: TypeAlias = Annotated[dy.DataFrame[T], Form.STORED]
Scanned: TypeAlias = Annotated[dy.LazyFrame[T], Form.SCANNED]
FirstKnown: TypeAlias = Annotated[dy.DataFrame[T], Form.FIRST_KNOWN]
Series: TypeAlias = Annotated[dy.DataFrame[T], Form.SERIES]
Rebuilt: TypeAlias = Annotated[dy.DataFrame[T], Form.REBUILT]
Standing: TypeAlias = Annotated[dy.DataFrame[T], Form.STANDING]
Alongside: TypeAlias = Annotated[dy.DataFrame[T], Form.ALONGSIDE]
OfSeries = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows of each series that it is given; see Regrown."""


@dataclass(frozen=True)
class Calendar:
    """Facts known in advance: the sessions of calendars, by name, and the release ledger; each up to a day.

    The ledger also has all reports received so far, even on days that its rules do not expect.
    """

    sessions: Callable[[Iterable[str], date], pl.DataFrame]
    releases: Callable[[Iterable[date], date], pl.DataFrame]


OF_REPLAY: Final = ("since", "extends")
"""Parameters that a replay fills by name. `since`: the first session wanted (None: all). `extends`: whether the series
extend those of the facts that stand, so that only later facts are wanted."""


class Columns(tuple[str, ...]):
    """The columns to read of a table; without it, all columns."""

    def __new__(cls, *names: str) -> "Columns":
        """By their names."""
        return super().__new__(cls, names)


@dataclass(frozen=True)
class Regrown:
    """`make(series, since)` for successive series: rows that are the same for two series are computed once."""

    make: Callable[[pl.DataFrame, date | None], pl.DataFrame]


class Over(tuple[type[Table], ...]):
    """The tables that queries may read."""


@dataclass(frozen=True)
class BySession:
    """Replayed as rows: each session's are those of the bars as they stood when it was first known."""

    reads_volume: bool = False


@dataclass(frozen=True)
class Facts:
    """Replayed as facts: known at the close of the session `dated`, and withdrawn if a later series lacks them.

    `identity`: the columns beside market that identify a fact.
    """

    dated: str
    identity: tuple[str, ...]
    reads_volume: bool = False
