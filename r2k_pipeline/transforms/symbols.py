"""A frame of many symbols as a batch: where each one's rows are. Belongs here: no arithmetic on prices."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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


def symbol_offsets(bars: pl.DataFrame) -> Integers:
    """Where each market's rows begin, and the number of rows: market i has rows offsets[i]..offsets[i + 1] - 1.

    Raises ValueError naming the market if a market's rows are apart or not strictly ascending by session_date.
    """
    runs = bars.get_column("market").rle().struct.unnest()
    offsets = np.concatenate([[0], runs.get_column("len").cast(pl.Int64).cum_sum().to_numpy()]).astype(np.int64)
    apart = runs.get_column("value").filter(runs.get_column("value").is_duplicated())
    days = bars.get_column("session_date").to_physical().to_numpy()
    late = days[1:] <= days[:-1]
    late[offsets[1:-1] - 1] = False
    if len(apart) or late.any():
        market = apart[0] if len(apart) else bars.get_column("market")[int(late.argmax()) + 1]
        raise ValueError(f"bars of market {market!r} must be together, sorted by session_date, each session once")
    return offsets
