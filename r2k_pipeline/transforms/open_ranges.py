"""Which consolidation ranges stood open at each session's close: bars and ranges -> features.open_ranges.

Belongs here: the state at a session out of the versions in `features.consolidations`. Not here: finding ranges
(consolidations.py), volume inside a range (consolidation_profiles.py).
"""

import polars as pl

from r2k_pipeline.contracts.levels import OpenRanges
from r2k_pipeline.transforms.replay import built_columns
from r2k_pipeline.transforms.symbols import column_array, symbol_offsets

RANGE = ["market", "start_date", "first_confirmed_date"]


def build_open_ranges(bars: pl.DataFrame, consolidations: pl.DataFrame) -> pl.DataFrame:
    """One row per market, session and range that is open at its close, sorted by its key; as `features.open_ranges`.

    `bars`: market, session_date, close, sorted by market and session_date; `consolidations` as built from them. A range
    is open from its confirmation to the session before its end is known, with the edges of its latest version. The
    core is of the closes between the edges from start_date to the session. The parent is, of the ranges open at the
    same session that started before it and hold both its edges, the one that started last.
    """
    from r2k_pipeline.transforms.consolidation_cores import core_edges  # noqa: PLC0415  (imports numba)

    symbol_offsets(bars)  # refuses rows out of order
    sessions = bars.select("market", "session_date").with_row_index("row")
    start = sessions.select("market", start_date="session_date", start="row")
    spans = _spans(sessions, consolidations).join(start, on=["market", "start_date"])
    ranges = (
        spans.with_columns(row=pl.int_ranges("first", "until", dtype=pl.UInt32))
        .explode("row", empty_as_null=False)
        .sort("row", "start")
    )
    ranges = ranges.join(_parents(ranges), on=["row", "start"], how="left", maintain_order="left")
    rows, starts = (ranges[name].cast(pl.Int64).to_numpy() for name in ("row", "start"))
    low, high = (column_array(ranges, name) for name in ("low", "high"))
    core = core_edges(column_array(bars, "close"), starts, rows, low, high)
    return ranges.with_columns(
        bars["session_date"].gather(ranges["row"]).alias("session_date"),
        *(pl.Series(name, edge) for name, edge in zip(("core_low", "core_high"), core, strict=True)),
    ).select(built_columns(OpenRanges))


def _parents(ranges: pl.DataFrame) -> pl.DataFrame:
    """row, start, parent_start_date of those of `ranges` (row, start, start_date, low, high) that lie within another
    one of their row.
    """
    inner = ranges.select("row", "start", "low", "high")
    outer = ranges.select("row", "start_date", outer_start="start", outer_low="low", outer_high="high")
    is_around = (
        (pl.col("outer_start") < pl.col("start"))
        & (pl.col("outer_low") <= pl.col("low"))
        & (pl.col("outer_high") >= pl.col("high"))
    )
    nested = inner.join(outer, on="row").filter(is_around)
    return nested.group_by("row", "start").agg(parent_start_date=pl.col("start_date").max())


def _spans(sessions: pl.DataFrame, consolidations: pl.DataFrame) -> pl.DataFrame:
    """The open versions and the rows of `sessions` at which each was the latest: from `first` to before `until`."""
    first = sessions.select("market", confirmed_date="session_date", first="row")
    until = sessions.select("market", until_date="session_date", until="row")
    ends = sessions.group_by("market").agg(end=pl.col("row").max() + 1)
    return (
        consolidations.sort(*RANGE, "confirmed_date")
        .with_columns(until_date=pl.col("confirmed_date").shift(-1).over(RANGE))
        .filter(pl.col("end_date").is_null())
        .drop("core_low", "core_high", "parent_start_date")
        .join(first, on=["market", "confirmed_date"])
        .join(until, on=["market", "until_date"], how="left")
        .join(ends, on="market")
        .with_columns(pl.coalesce("until", "end").alias("until"))
    )
