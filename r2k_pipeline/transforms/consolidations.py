"""Consolidation ranges: spans of closes that went nowhere for their volatility, and when each fact of them was known.

Belongs here: `features.consolidations` out of bars. Not here: the search (consolidation_kernels.py), which ranges are
open at a session (open_ranges.py), volume inside a range (volume_profiles.py), range edges as levels
(level_evidence.py).
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.bar_input import sound_bars
from r2k_pipeline.transforms.market_batches import map_batches
from r2k_pipeline.transforms.row_ranges import Floats, Integers, column_array, symbol_offsets

ROWS = ("start", "first_row", "row", "parent", "end")
"""Fields of a version that are rows, -1 for none."""


def build_consolidations(bars: pl.DataFrame) -> pl.DataFrame:
    """Every range of every market, one row for each of its states; `features.consolidations` without
    corrections.

    `bars`: market, session_date, close (positive), sorted by market and session_date; any bar size. A row never
    changes: a range has one when it is confirmed, one whenever its edges move, and a last one, with end_date, when its
    end is known. As of a session a range is its latest row confirmed by then, and open while that has no end_date.

    Rules (their figures: consolidation_kernels.py, consolidation_cores.py). The tightness of a span of n closes is
    log(high / low) / (sigma sqrt(n)) of its closes, sigma the population deviation of the log returns inside it; a
    random walk has about 1.6 for one span. It still has as many ranges as an index, because each range is the tightest
    of many spans. At each session the candidates are the spans of 40 to 1,000 closes that end there and are no less
    tight than the span one close shorter and tighter than the one a close longer, which close lies outside their range.
    A candidate is confirmed at tightness 0.8 or less, the tightest first, unless the length of an open range is within
    a quarter of its own: then it is that range, seen again. Edges are the highest and lowest close; they widen to all
    closes since the start whenever that span as a whole is tight. After ten closes in a row outside its edges, or 1,000
    closes in all, a range has ended, at the last close inside. The core is the 1st to 99th percentile of the closes
    between the edges. The parent is, of the ranges open at that close that started before and hold both its edges,
    the one that started last; all have met the close by then. The parent in the row of its end is of those that
    were open until then.

    Raises ValueError if bars are not sorted, and as sound_bars does.
    """
    bars = sound_bars(bars, "close")
    close, offsets = column_array(bars, "close"), symbol_offsets(bars)

    def search(first: int, end: int) -> NDArray[np.void]:
        rows = slice(offsets[first], offsets[end])
        versions = _find_versions(close[rows], offsets[first : end + 1] - rows.start)
        for name in ROWS:
            versions[name] += np.where(versions[name] < 0, 0, np.int32(rows.start))
        return versions[np.lexsort((versions["row"], versions["start"]))]

    versions = np.concatenate(map_batches(search, offsets))
    column = {name: pl.Series(np.ascontiguousarray(versions[name])) for name in versions.dtype.names or ()}
    date = {name: bars["session_date"].gather(column[name].replace(-1, None)) for name in ROWS}
    return pl.DataFrame(
        {
            "market": bars["market"].gather(column["row"]),
            "start_date": date["start"],
            "confirmed_date": date["row"],
            "known_date": date["row"],
            "first_confirmed_date": date["first_row"],
            "end_date": date["end"],
            "end_confirmed_date": date["row"].set(date["end"].is_null(), None),
            **{name: column[name] for name in ("low", "high")},
            "midpoint": (column["low"] + column["high"]) / 2,
            **{name: column[name] for name in ("core_low", "core_high", "tightness")},
            "sessions": (column["end"].replace(-1, None).fill_null(column["row"]) - column["start"] + 1).cast(pl.Int64),
            "parent_start_date": date["parent"],
        }
    )


def _find_versions(close: Floats, offsets: Integers) -> NDArray[np.void]:
    """VERSION records of the markets whose closes begin at `offsets`; rows are places in `close`."""
    from r2k_pipeline.transforms.consolidation_chances import find_chances  # noqa: PLC0415  (imports numba)
    from r2k_pipeline.transforms.consolidation_cores import fill_cores  # noqa: PLC0415
    from r2k_pipeline.transforms.consolidation_kernels import BLOCKS, TIGHT, UNIT, find_ranges  # noqa: PLC0415

    log_close, squares = np.empty(close.size), np.empty(close.size, np.int64)
    chances = np.empty(close.size, np.uint32)
    find_chances(close, offsets, BLOCKS, TIGHT, UNIT, log_close, squares, chances)
    versions: NDArray[np.void] = find_ranges(close, offsets, log_close, squares, chances)
    fill_cores(versions, close)
    return versions
