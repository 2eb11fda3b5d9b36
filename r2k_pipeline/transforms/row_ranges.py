"""A frame of many symbols as kernels take it: its columns as arrays, and where each symbol's rows are.

Not here: arithmetic on prices.
"""

from datetime import date
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.bar_input import need_date

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LATEST = np.iinfo(np.int64).max


def column_array(bars: pl.DataFrame, name: str) -> Floats:
    """A column as kernels take it: contiguous and read-only (of one type, so that a kernel is compiled once).

    Raises ValueError if it holds nulls.
    """
    column = bars.get_column(name)
    if column.null_count():
        raise ValueError(f"{column.null_count()} bars have no {name}: a missing session is a gap to list, not a row")
    array = column.to_numpy()
    array.flags.writeable = False
    return array


def physical_array(column: pl.Series) -> Integers:
    """Days, instants or the codes of an Enum as kernels take them: 64-bit integers, contiguous and read-only."""
    array = column.to_physical().cast(pl.Int64).to_numpy()
    array.flags.writeable = False
    return array


def symbol_offsets(bars: pl.DataFrame) -> Integers:
    """Where each market's rows begin, and the number of rows: market i has rows offsets[i]..offsets[i + 1] - 1.

    Raises ValueError naming the market if a market's rows are apart or not strictly ascending by session_date.
    """
    market, days = bars.get_column("market"), bars.get_column("session_date").to_physical().to_numpy()
    begins = market.ne_missing(market.shift()).arg_true()
    offsets = np.append(begins.to_numpy(), bars.height).astype(np.int64)
    names = market.gather(begins)
    apart, late = names.filter(names.is_duplicated()), days[1:] <= days[:-1]
    late[offsets[1:-1] - 1] = False
    if len(apart) or late.any():
        name = apart[0] if len(apart) else market[int(late.argmax()) + 1]
        raise ValueError(f"bars of market {name!r} must be together, sorted by session_date, each session once")
    return offsets


def rows_since(bars: pl.DataFrame, since: date | None) -> Integers:
    """The rows of the sessions from `since` on; None: of all. Raises TypeError if `since` is not a date."""
    if since is None:
        return np.arange(bars.height)
    need_date("since", since)
    sessions = bars.get_column("session_date")
    first = pl.Series([since]).cast(sessions.dtype).to_physical()[0]
    return np.flatnonzero(sessions.to_physical().to_numpy() >= first)


def rows_on(
    bars: pl.DataFrame, offsets: Integers, market: pl.Series, day: pl.Series, side: Literal["left", "right"] = "left"
) -> Integers:
    """For each market and day the row of `bars` (sorted, `offsets` as symbol_offsets has them) of its first session on
    or after the day (`side` right: after it); of none, or for a null day, one past its last row.

    Raises KeyError for a market without bars.
    """
    bounds = dict(zip(bars.get_column("market").gather(offsets[:-1]), pairwise(offsets), strict=True))
    sessions = bars.get_column("session_date")
    days, rows = sessions.to_physical().to_numpy(), np.empty(len(day), np.int64)
    wanted = day.cast(sessions.dtype).to_physical().cast(pl.Int64).fill_null(LATEST).to_numpy()
    runs, first = market.rle().struct.unnest(), 0
    for length, name in runs.iter_rows():
        (begin, end), own = bounds[name], slice(first, first + length)
        rows[own] = begin + np.searchsorted(days[begin:end], wanted[own], side)
        first += length
    return rows
