"""Consolidation ranges: spans of closes that went nowhere for their volatility, and when each fact of them was known.

Belongs here: `features.consolidations` out of bars. Not here: the search (consolidation_kernels.py), volume inside a
range (volume_profiles.py), range edges as levels (level_evidence.py).
"""

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.market_tasks import map_markets
from r2k_pipeline.transforms.symbols import column_array, symbol_offsets

ROWS = ("start", "first_row", "row", "parent", "end")
"""Fields of a version that are rows of its market, -1 for none."""


def build_consolidations(bars: pl.DataFrame) -> pl.DataFrame:
    """Every range of every market, one row for each state it was known in; columns as in `features.consolidations`.

    `bars`: market, session_date, close (positive), sorted by market and session_date; any bar size. A row never changes:
    a range has one when it is confirmed, one whenever its edges move, and a last one, with end_date, when its end is known.
    As of a session, a range is its latest row confirmed by then, and is open while that row has no end_date.

    Rules (the figures are constants of consolidation_kernels.py). Tightness of a span of n closes is
    log(high / low) / (sigma sqrt(n)) of its closes, sigma the population deviation of the log returns inside it; a random
    walk has about 1.6. At each session the candidates are the spans of 40 to 1,000 closes that end there, are no less
    tight than the span one close shorter, and tighter than the one a close longer, that close lying outside their range.
    A candidate is confirmed at tightness 0.8 or less, the tightest first, unless an open range is within a quarter of its
    length (that is the same range). Its edges are the highest and lowest close, and widen to all closes since its start
    while that span as a whole is tight. After ten closes in a row outside the edges it has ended at the last close inside.
    Nesting: open ranges all reach to the present, so one lies within another if it started later; the parent is the open
    range that started last before it. The core is the 1st to 99th percentile of its closes between the edges.

    Raises ValueError if bars are not sorted.
    """
    from r2k_pipeline.transforms.consolidation_kernels import VERSION, find_ranges  # noqa: PLC0415  (imports numba)

    close = column_array(bars, "close")

    def search(span: tuple[int, int]) -> NDArray[np.void]:
        found: NDArray[np.void] = find_ranges(close[slice(*span)])
        for name in ROWS:
            found[name] += np.where(found[name] < 0, 0, span[0]).astype(np.int32)
        return found

    spans = list(pairwise(symbol_offsets(bars).tolist()))
    versions = np.concatenate([np.empty(0, VERSION), *map_markets(search, spans, bars.height)])
    column = {name: pl.Series(np.ascontiguousarray(versions[name])) for name in VERSION.names or ()}
    date = {name: bars["session_date"].gather(column[name].replace(-1, None)) for name in ROWS}
    return pl.DataFrame(
        {
            "market": bars["market"].gather(column["row"]),
            "start_date": date["start"],
            "confirmed_date": date["row"],
            "first_confirmed_date": date["first_row"],
            "end_date": date["end"],
            "end_confirmed_date": date["row"].set(date["end"].is_null(), None),
            **{name: column[name] for name in ("low", "high")},
            "midpoint": (column["low"] + column["high"]) / 2,
            **{name: column[name] for name in ("core_low", "core_high", "tightness")},
            "sessions": (column["end"].replace(-1, None).fill_null(column["row"]) - column["start"] + 1).cast(pl.Int64),
            "parent_start_date": date["parent"],
        }
    ).sort("market", "start_date", "confirmed_date")
