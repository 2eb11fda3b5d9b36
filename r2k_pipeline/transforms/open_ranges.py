"""Which consolidation ranges stood open at each session's close: bars and ranges -> features.open_ranges.

Belongs here: the state at a session out of the versions in `features.consolidations`. Not here: finding ranges
(consolidations.py), volume inside a range (volume_profiles.py).
"""

from datetime import date

import numpy as np
import polars as pl

from r2k_pipeline.transforms.row_ranges import column_array, rows_on, rows_since, symbol_offsets

RANGE = ["market", "start_date", "first_confirmed_date"]
COLUMNS = (
    *("market", "session_date", "start_date", "first_confirmed_date"),
    *("low", "high", "core_low", "core_high", "parent_start_date"),
)


def build_open_ranges(bars: pl.DataFrame, consolidations: pl.DataFrame, *, since: date | None = None) -> pl.DataFrame:
    """One row per market, session and range that is open at its close, sorted by its key; as `features.open_ranges`.

    `bars`: market, session_date, close, sorted by market and session_date; `consolidations` as built from them. A range
    is open from its confirmation to the session before its end is known, with the edges of its latest version. The
    core is of the closes between the edges from start_date to the session. The parent is, of the ranges open at the
    same session that started before it and hold both its edges, the one that started last. Rows come out from
    the session `since` on.
    """
    from r2k_pipeline.transforms.consolidation_cores import core_edges  # noqa: PLC0415  (imports numba)

    spans = _spans(bars, consolidations, since)
    ranges = (
        spans.with_columns(row=pl.int_ranges("first", "until", dtype=pl.Int64))
        .explode("row", empty_as_null=False)
        .sort("row", "start")
    )
    ranges = ranges.join(_parents(ranges), on=["row", "start"], how="left", maintain_order="left")
    rows, starts = (ranges[name].to_numpy() for name in ("row", "start"))
    low, high = (column_array(ranges, name) for name in ("low", "high"))
    core = core_edges(column_array(bars, "close"), starts, rows, low, high)
    return ranges.with_columns(
        bars["session_date"].gather(ranges["row"]).alias("session_date"),
        *(pl.Series(name, edge) for name, edge in zip(("core_low", "core_high"), core, strict=True)),
    ).select(COLUMNS)


def _parents(ranges: pl.DataFrame) -> pl.DataFrame:
    """row, start, parent_start_date of those of `ranges` (row, start, start_date, low, high) that lie within another
    one of their row.
    """
    inner = ranges.lazy().select("row", "start", "low", "high")
    outer = ranges.lazy().select("row", "start_date", outer_start="start", outer_low="low", outer_high="high")
    is_around = (
        (pl.col("outer_start") < pl.col("start"))
        & (pl.col("outer_low") <= pl.col("low"))
        & (pl.col("outer_high") >= pl.col("high"))
    )
    nested = inner.join(outer, on="row").filter(is_around)
    return nested.group_by("row", "start").agg(parent_start_date=pl.col("start_date").max()).collect()


def _spans(bars: pl.DataFrame, consolidations: pl.DataFrame, since: date | None) -> pl.DataFrame:
    """The open versions, the row of `bars` at which each one's range starts (`start`), and those at which it was the
    latest: from `first` to before `until`.
    """
    offsets, wanted = symbol_offsets(bars), rows_since(bars, since)
    markets = pl.DataFrame(
        {
            "market": bars["market"].gather(offsets[:-1]),
            "begin": offsets[1:] - np.diff(np.searchsorted(wanted, offsets)),
        }
    )
    versions = (
        consolidations.lazy()
        .select(*RANGE, "confirmed_date", "end_date", "low", "high")
        .sort(*RANGE, "confirmed_date")
        .with_columns(until_date=pl.col("confirmed_date").shift(-1).over(RANGE))
        .filter(pl.col("end_date").is_null(), (pl.col("until_date") > (since or date.min)).fill_null(True))
        .join(markets.lazy(), on="market", maintain_order="left")
        .collect()
    )
    days = {"start": "start_date", "first": "confirmed_date", "until": "until_date"}
    rows = {name: pl.Series(rows_on(bars, offsets, versions["market"], versions[day])) for name, day in days.items()}
    return versions.with_columns(
        rows["start"].alias("start"), first=pl.max_horizontal(rows["first"], "begin"), until=rows["until"]
    ).filter(pl.col("first") < pl.col("until"))
