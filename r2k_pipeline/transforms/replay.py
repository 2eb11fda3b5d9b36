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
IN_ITS_EPOCH: Final = (pl.col("first_known_at") >= pl.col("starts_at")) & (
    (pl.col("first_known_at") < pl.col("ends_at")).fill_null(True)
)
"""Whether a session was first known in the epoch that it is joined with."""


def replay(
    vintages: pl.DataFrame, build: Build, dated: str = "session_date", built: Build | None = None
) -> pl.DataFrame:
    """Rows of `build` for each session from the bars as they stood when that session was first known.

    `vintages` are MarketBars: bars with `known_at` and `superseded_at`. A revision begins an epoch of its market;
    each epoch's series is built anew and gives the rows whose day in column `dated` was first known in it. So a
    later correction changes no earlier row. `built` stands in for `build` where nothing was ever revised, for
    features whose inputs are at hand already.
    """
    first = _first_known(vintages)
    marked = vintages.join(first, on=["market", "session_date"])
    epochs = _epochs(marked, first)
    if epochs.height == epochs["market"].n_unique():
        return (built or build)(_one_series(marked, epochs))
    rows = [_build_epochs(marked, batch, build, dated, first) for batch in _batches(epochs, first, BATCH_ROWS)]
    return pl.concat(rows).sort("market", dated, maintain_order=True)


def replay_facts(
    vintages: pl.DataFrame, build: Build, dated: str, built: Build | None = None, batch_rows: int = BATCH_ROWS
) -> pl.DataFrame:
    """Facts as they were told: rows of `build`, and in `withdrawn_date` the session from which on one stood no more.

    As `replay`, for rows that go on standing. By the first session of an epoch, what its series does not say any more
    is withdrawn, and what it says of sessions before and was not told yet is told: column `dated` is that session. A
    row that comes back is told again. Other columns than `dated` say which fact a row is.
    """
    first = _first_known(vintages)
    marked = vintages.join(first, on=["market", "session_date"])
    epochs = _epochs(marked, first)
    if epochs.height == epochs["market"].n_unique():
        rows = (built or build)(_one_series(marked, epochs))
        return rows.with_columns(withdrawn_date=pl.lit(None, rows.schema[dated]))
    starts = _first_sessions(epochs, first)
    lasting = epochs.join(starts, on=["market", "epoch"], how="semi", maintain_order="left")
    spans = []
    for batch in _batches(lasting, first, batch_rows):
        rows = _build_named(_series(marked, batch), build).join(starts, on=["market", "epoch"])
        told, is_news = pl.max_horizontal(dated, "starts_on"), pl.col(dated) > pl.col("starts_on")
        held = rows.with_columns(told.alias(dated), is_news=is_news, first="place", last="place")
        spans.append(_joined(held.drop("epoch", "place", "starts_on"), dated))
    ends = starts.select("market", last=pl.col("place") - 1, withdrawn_date="starts_on")
    found = _joined(pl.concat(spans), dated).join(ends, on=["market", "last"], how="left")
    return found.drop("is_news", "first", "last").sort("market", dated)


def standing(bars: pl.DataFrame, facts: pl.DataFrame, dated: str) -> pl.DataFrame:
    """The rows of replay_facts that stood at the last session of each series of `bars`, as that series told them.

    For a `build` that replay calls: `bars` are a batch of series, `facts` all of the table; gives no withdrawn_date.
    """
    series = bars.group_by("market").agg(last=pl.col("session_date").max())
    named = series.with_columns(of=pl.col("market").str.split(EPOCH).list.first())
    stood = named.join(facts.rename({"market": "of"}), on="of").filter(
        pl.col(dated) <= pl.col("last"), (pl.col("withdrawn_date") > pl.col("last")).fill_null(True)
    )
    return stood.drop("of", "last", "withdrawn_date")


def _first_sessions(epochs: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """market, epoch, starts_on, place (0, 1, ...) of every epoch in which a session was first known."""
    sessions = epochs.join(first, on="market").filter(IN_ITS_EPOCH)
    starts = sessions.group_by("market", "epoch").agg(starts_on=pl.col("session_date").min())
    return starts.sort("market", "epoch").with_columns(place=pl.int_range(pl.len()).over("market"))


def _joined(spans: pl.DataFrame, dated: str) -> pl.DataFrame:
    """Spans of epochs `first`..`last` in which a fact stood: those that follow on without news are one."""
    fact = [name for name in spans.columns if name not in (dated, "is_news", "first", "last")]
    apart = pl.col("is_news") | (pl.col("first") != pl.col("last").shift() + 1).fill_null(True)
    numbered = spans.sort(*fact, "first").with_columns(span=apart.cum_sum().over(fact))
    merged = numbered.group_by(*fact, "span", maintain_order=True).agg(
        pl.col(dated, "is_news", "first").first(), pl.col("last").last()
    )
    return merged.select(spans.columns)


def as_first_known(vintages: pl.DataFrame) -> pl.DataFrame:
    """One plain series a market: each session's bar as it was first known, which replayed features go with."""
    earliest = pl.col("known_at") == pl.col("known_at").min().over("market", "session_date")
    return vintages.filter(earliest).sort("market", "session_date")


def _first_known(vintages: pl.DataFrame) -> pl.DataFrame:
    """market, session_date, first_known_at."""
    return vintages.group_by("market", "session_date").agg(first_known_at=pl.col("known_at").min())


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


def _batches(epochs: pl.DataFrame, first: pl.DataFrame, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Epochs in groups of about `batch_rows` bars."""
    (longest,) = first.group_by("market").len().select(pl.col("len").max()).row(0)
    yield from epochs.iter_slices(max(1, batch_rows // (longest or 1)))


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


def _build_named(series: pl.DataFrame, build: Build) -> pl.DataFrame:
    """What `build` makes of each epoch's series, with the column `epoch`."""
    number = pl.col("epoch").cast(pl.String).str.zfill(6)
    named = series.with_columns(market=pl.concat_str("market", number, separator=EPOCH)).sort("market", "session_date")
    rows = build(named.drop("epoch", "starts_at", "ends_at", "first_known_at"))
    parts = pl.col("market").str.split_exact(EPOCH, 1).struct
    return rows.with_columns(market=parts.field("field_0"), epoch=parts.field("field_1").cast(pl.Int64))


def _build_epochs(
    marked: pl.DataFrame, epochs: pl.DataFrame, build: Build, dated: str, first: pl.DataFrame
) -> pl.DataFrame:
    """What `build` makes of each epoch's series, cut to the rows first known in that epoch."""
    return (
        _build_named(_series(marked, epochs), build)
        .join(epochs, on=["market", "epoch"], maintain_order="left")
        .join(first.rename({"session_date": dated}), on=["market", dated], maintain_order="left")
        .filter(IN_ITS_EPOCH)
        .drop("epoch", "starts_at", "ends_at", "first_known_at")
    )
