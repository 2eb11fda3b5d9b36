"""Replay: features of each session as they were known at that session's close, through every later revision.

Belongs here: cutting a history of vintages into the series that was known in each epoch, and putting the rows
of all epochs together. Not here: any feature; every `build` sees one plain series a market and is as pure.
"""

from collections.abc import Callable, Iterator
from typing import Final

import polars as pl

Build = Callable[[pl.DataFrame], pl.DataFrame]
BATCH_ROWS: Final = 2_000_000
"""Bars that are replayed at once: bounds the memory of a log with thousands of revisions."""
EPOCH: Final = "\x1f"
"""Stands between market and epoch in the name of a replayed series; no market id has it."""


def replay(
    vintages: pl.DataFrame, build: Build, dated: str = "session_date", built: Build | None = None
) -> pl.DataFrame:
    """Rows of `build` for each session from the bars as they stood when that session was first known.

    `vintages` are MarketBars: bars with `known_at` and `superseded_at`. A revision begins an epoch of its market;
    each epoch's series is built anew and gives the rows whose day in column `dated` was first known in it. So a
    later correction changes no earlier row. `built` stands in for `build` where nothing was ever revised, for
    features whose inputs are at hand already.
    """
    first = vintages.group_by("market", "session_date").agg(first_known_at=pl.col("known_at").min())
    marked = vintages.join(first, on=["market", "session_date"])
    epochs = _epochs(marked, first)
    if epochs.height == epochs["market"].n_unique():
        return (built or build)(_one_series(marked, epochs))
    rows = [_build_epochs(marked, batch, build, dated, first) for batch in _batches(epochs, first)]
    return pl.concat(rows).sort("market", dated, maintain_order=True)


def as_first_known(vintages: pl.DataFrame) -> pl.DataFrame:
    """One plain series a market: each session's bar as it was first known, which replayed features go with."""
    earliest = pl.col("known_at") == pl.col("known_at").min().over("market", "session_date")
    return vintages.filter(earliest).sort("market", "session_date")


def _epochs(marked: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """market, epoch, starts_at, ends_at (exclusive): one epoch a market, and one more from each revision on after
    which there is a session; the first begins with the market's first session.
    """
    moments = pl.concat(
        [
            first.group_by("market").agg(starts_at=pl.col("first_known_at").min()),
            marked.filter(pl.col("known_at") > pl.col("first_known_at")).select("market", starts_at="known_at"),
            marked.filter(pl.col("superseded_at").is_not_null()).select("market", starts_at="superseded_at"),
        ]
    ).unique()
    last = first.group_by("market").agg(last_known_at=pl.col("first_known_at").max())
    return (
        moments.join(last, on="market")
        .filter(pl.col("starts_at") <= pl.col("last_known_at"))
        .sort("market", "starts_at")
        .with_columns(ends_at=pl.col("starts_at").shift(-1).over("market"), epoch=pl.int_range(pl.len()).over("market"))
        .select("market", "epoch", "starts_at", "ends_at")
    )


def _batches(epochs: pl.DataFrame, first: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Epochs in groups of about BATCH_ROWS bars."""
    (longest,) = first.group_by("market").len().select(pl.col("len").max()).row(0)
    yield from epochs.iter_slices(max(1, BATCH_ROWS // (longest or 1)))


def _series(marked: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """The bars known in each epoch, one series an epoch: each session's vintage that stood when both had begun."""
    stood_at = pl.max_horizontal("starts_at", "first_known_at")
    return (
        marked.join(epochs, on="market")
        .filter(
            (pl.col("first_known_at") < pl.col("ends_at")).fill_null(True),
            pl.col("known_at") <= stood_at,
            (pl.col("superseded_at") > stood_at).fill_null(True),
        )
        .sort("market", "epoch", "session_date")
    )


def _one_series(marked: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    return _series(marked, epochs).drop("epoch", "starts_at", "ends_at", "first_known_at")


def _build_epochs(
    marked: pl.DataFrame, epochs: pl.DataFrame, build: Build, dated: str, first: pl.DataFrame
) -> pl.DataFrame:
    """What `build` makes of each epoch's series, cut to the rows first known in that epoch."""
    series = _series(marked, epochs)
    number = pl.col("epoch").cast(pl.String).str.zfill(6)
    named = series.with_columns(market=pl.concat_str("market", number, separator=EPOCH)).sort("market", "session_date")
    rows = build(named.drop("epoch", "starts_at", "ends_at", "first_known_at"))
    parts = pl.col("market").str.split_exact(EPOCH, 1).struct
    return (
        rows.with_columns(market=parts.field("field_0"), epoch=parts.field("field_1").cast(pl.Int64))
        .join(epochs, on=["market", "epoch"], maintain_order="left")
        .join(first.rename({"session_date": dated}), on=["market", dated], maintain_order="left")
        .filter(
            pl.col("first_known_at") >= pl.col("starts_at"),
            (pl.col("first_known_at") < pl.col("ends_at")).fill_null(True),
        )
        .select(rows.columns)
    )
