"""In which forms a builder wants its inputs, as annotations of its parameters, and how a table is replayed.

Belongs here: what can be said of an input and of a replay. Not here: what follows from it (builders.py), who reads the
lake (inputs.py), the replay itself (transforms/replay.py).
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
    """In which form a builder wants a table. The last four are those of tables that are replayed."""

    TOLD = "as it is"
    SCANNED = "as it is, lazily: only the rows and columns that are asked for are read"
    FIRST_KNOWN = "one plain series a market, each bar as it was first known, without late ones"
    SERIES = "one plain series a market, as it was known at some session"
    REBUILT = "as its own builder makes it of the same series, all of it"
    STANDING = "facts that stood at the last session of the series; of the table's own, those told before and standing"
    ALONGSIDE = "the rows of the sessions that are wanted: it was replayed on the same bars"


T = TypeVar("T", bound=Table)
Told: TypeAlias = Annotated[dy.DataFrame[T], Form.TOLD]
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
    """What is known ahead: the sessions of calendars, by name, and the release ledger; each up to a day.

    The ledger has the reports that were seen too, whatever it says of their days.
    """

    sessions: Callable[[Iterable[str], date], pl.DataFrame]
    releases: Callable[[Iterable[date], date], pl.DataFrame]


OF_REPLAY: Final = ("since", "goes_on")
"""What a replay gives by these names: the first session that is wanted (None: all), and whether the series go on from
those of the facts that stand, so that only facts dated from then on are wanted."""


class Columns(tuple[str, ...]):
    """The columns that are wanted of a table; all of them unless said."""

    def __new__(cls, *names: str) -> "Columns":
        """By their names."""
        return super().__new__(cls, names)


@dataclass(frozen=True)
class Regrown:
    """`make(series, since)` as a function of one series after another: rows that two of them share are made once."""

    make: Callable[[pl.DataFrame, date | None], pl.DataFrame]


class Over(tuple[type[Table], ...]):
    """The tables that questions may be asked about."""


@dataclass(frozen=True)
class BySession:
    """Replayed as rows: each session's are those of the bars as they stood when it was first known."""

    reads_volume: bool = False


@dataclass(frozen=True)
class Facts:
    """Replayed as facts: told at the close of the session `dated`, and withdrawn where a later series has them no more.

    `identity`: the columns beside market that say which fact a row is.
    """

    dated: str
    identity: tuple[str, ...]
    reads_volume: bool = False
