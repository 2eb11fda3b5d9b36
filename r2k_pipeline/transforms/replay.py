"""Replay: tables of bars as they were known at each session's close, through every late and revised bar.

Belongs here: the rows that are published from each epoch, facts that are withdrawn. Not here: cutting bars into epochs
(epochs.py), any feature; a `build` is a pure function of plain series, one a market.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.transforms.bar_input import KEY
from r2k_pipeline.transforms.epochs import Epoch, KnownBars

Build = Callable[..., pl.DataFrame]
"""From plain series, the first session wanted (None: all) and, for some tables, rows published earlier, to rows."""
BuildFacts = Callable[[pl.DataFrame, pl.DataFrame, bool], pl.DataFrame]
"""From plain series and the facts standing so far, with `starts_on`, to all facts of the series. If the flag is set,
the series continue those of these facts, and only facts dated from starts_on on are wanted.
"""


def built_columns(table: type[Table]) -> list[str]:
    """The columns of a table that its `build` returns: without those that date a row's publication."""
    return [name for name in table.column_names() if name not in ("known_at", "withdrawn_date", "withdrawn_at")]


def replay(
    bars: KnownBars,
    build: Build,
    empty: pl.DataFrame,
    *,
    reads_volume: bool = False,
    reads: Sequence[pl.DataFrame] = (),
) -> pl.DataFrame:
    """Rows of `build` for each session, from the bars as they stood when that session was first known.

    Returns the rows with `known_at`, sorted by market and session_date; for markets with published rows only those of
    sessions known later, `empty` if there are none. `reads` are other tables replayed on these bars: `build` gets their
    rows of the wanted sessions.
    """
    epochs = sorted(bars.epochs(reads_volume), key=lambda epoch: epoch.since or date.min)
    parts = []
    for since, of_day in groupby(epochs, key=lambda epoch: epoch.since):
        for batch in _one_a_market(of_day):
            series, wanted = (
                pl.concat(frames) for frames in zip(*((e.series(), e.wanted) for e in batch), strict=True)
            )
            read = (rows.join(wanted, on=KEY, how="semi", maintain_order="left") for rows in reads)
            parts.append(build(series, since, *read).join(wanted, on=KEY, maintain_order="left"))
    return pl.concat(parts).sort(KEY, maintain_order=True) if parts else empty


def replay_facts(
    bars: KnownBars,
    build: BuildFacts,
    empty: pl.DataFrame,
    dated: str,
    identity: tuple[str, ...],
    *,
    reads_volume: bool = False,
    published: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Facts as they were first known, with `withdrawn_date`, the session from which on a fact no longer stood.

    As `replay`, for rows that stay valid. Returns all of them, those `published` before included; `empty` has all
    columns. `dated` is the column with the session at whose close a fact is known, `identity` the columns that identify
    a fact. A fact that stays is not added again, whatever its other columns are now.

    At an epoch's first session in order, facts that the revised series no longer yields are withdrawn, and earlier
    facts that it newly yields are added with that session as `dated`.
    """
    rows = empty if published is None else published
    lasting = [epoch for epoch in bars.epochs(reads_volume) if epoch.starts_on is not None]
    following = [epoch for epoch in lasting if epoch.goes_on]
    if following:
        rows = _extend(rows, *_together(following), build, dated)
    for batch in _one_a_market(epoch for epoch in lasting if not epoch.goes_on):
        rows = _revise(rows, *_together(batch), build, dated, ["market", *identity])
    known = bars.first_known
    withdrawn = known.select("market", withdrawn_date="session_date", withdrawn_at="known_at")
    return (
        rows.drop("known_at", "withdrawn_at")
        .join(known.rename({"session_date": dated}), on=["market", dated], how="left", maintain_order="left")
        .join(withdrawn, on=["market", "withdrawn_date"], how="left", maintain_order="left")
        .select(empty.columns)
        .sort("market", dated, maintain_order=True)
    )


def _together(batch: list[Epoch]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The series of a batch, and `starts_on` of each market."""
    starts = [(epoch.market, epoch.starts_on) for epoch in batch]
    return pl.concat(epoch.series() for epoch in batch), pl.DataFrame(starts, ["market", "starts_on"], orient="row")


def _extend(
    rows: pl.DataFrame, series: pl.DataFrame, starts: pl.DataFrame, build: BuildFacts, dated: str
) -> pl.DataFrame:
    """Adds the facts of further sessions, from `starts` on, of series that continue those of the `rows`."""
    stood = rows.join(starts, on="market", maintain_order="left").filter(pl.col("withdrawn_date").is_null())
    found = build(series, stood, True).join(starts, on="market", maintain_order="left")
    new = found.filter(pl.col(dated) >= pl.col("starts_on")).drop("starts_on")
    return pl.concat([rows, new], how="diagonal")


def _revise(
    rows: pl.DataFrame,
    series: pl.DataFrame,
    starts: pl.DataFrame,
    build: BuildFacts,
    dated: str,
    identity: list[str],
) -> pl.DataFrame:
    """Compares the `rows` with the facts of the next `series` of some markets.

    From `starts` on, new facts are added, and facts that the series no longer yields are withdrawn.
    """
    numbered = rows.with_row_index("row").join(starts, on="market", how="left", maintain_order="left")
    stood = numbered.filter(pl.col("starts_on").is_not_null(), pl.col("withdrawn_date").is_null())
    found = build(series, stood.drop("row"), False).join(starts, on="market", maintain_order="left")
    nth = pl.int_range(pl.len()).over(identity).alias("nth")  # of equal facts the first published is the first found
    before = stood.sort(dated, maintain_order=True).with_columns(nth)
    is_early = pl.col(dated) <= pl.col("starts_on")
    early = found.filter(is_early).sort(dated, maintain_order=True).with_columns(nth)
    gone = before.join(early, on=[*identity, "nth"], how="anti", nulls_equal=True)
    new = early.join(before, on=[*identity, "nth"], how="anti", nulls_equal=True, maintain_order="left")
    added = pl.concat([new.with_columns(pl.col("starts_on").alias(dated)).drop("nth"), found.filter(~is_early)])
    is_gone = pl.col("row").is_in(gone["row"].implode())
    kept = numbered.with_columns(withdrawn_date=pl.when(is_gone).then("starts_on").otherwise("withdrawn_date"))
    return pl.concat([kept.select(rows.columns), added.drop("starts_on")], how="diagonal")


def regrown(build: Build) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """`build` for successive series of the same markets with a common beginning.

    Rows before the first bar that differs from the previous series are kept from that one. No row of `build` may
    depend on a later bar.
    """
    last: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {}

    def rows_of(market: str, bars: pl.DataFrame) -> pl.DataFrame:
        before, kept = last.get(market, (bars.clear(), pl.DataFrame()))
        place = _first_different(bars, before)
        days = bars["session_date"]
        known = [kept.filter(pl.col("session_date") <= days[place - 1])] if place else []
        new = [build(bars, days[place] if place else None)] if place < bars.height else []
        rows = pl.concat([*known, *new])
        last[market] = bars, rows
        return rows

    def build_again(series: pl.DataFrame) -> pl.DataFrame:
        of_markets = series.group_by("market", maintain_order=True)
        return pl.concat(rows_of(str(market), bars) for (market,), bars in of_markets)

    return build_again


def _first_different(bars: pl.DataFrame, before: pl.DataFrame) -> int:
    """The index of the first bar that differs from the bar at the same index of `before`."""
    common = min(bars.height, before.height)
    ours, theirs = bars.head(common), before.head(common)
    differs = ours.select(pl.any_horizontal(pl.col(name).ne_missing(theirs[name]) for name in ours.columns))
    places = differs.to_series().arg_true()
    return int(places[0]) if len(places) else common


def standing(facts: pl.DataFrame, bars: pl.DataFrame, dated: str) -> pl.DataFrame:
    """The rows of replay_facts that stood at the last session of each series of `bars`."""
    last = bars.group_by("market").agg(last=pl.col("session_date").max())
    stood = (pl.col(dated) <= pl.col("last")) & (pl.col("withdrawn_date") > pl.col("last")).fill_null(True)
    return facts.join(last, on="market", maintain_order="left").filter(stood).drop("last")


def _one_a_market(epochs: Iterable[Epoch]) -> Iterator[list[Epoch]]:
    """Epochs in batches that hold each market once, in their order: the first of every market, the second, ..."""
    turns: dict[str, int] = {}
    batches: list[list[Epoch]] = []
    for epoch in epochs:
        turn = turns.get(epoch.market, 0)
        turns[epoch.market] = turn + 1
        batches += [[]] if turn == len(batches) else []
        batches[turn].append(epoch)
    yield from batches
