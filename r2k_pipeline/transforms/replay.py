"""Replay: tables of bars as they were known at each session's close, through every late and revised bar.

Belongs here: the rows that are published from each epoch, facts that are withdrawn. Not here: cutting bars into epochs
(epochs.py), any feature; a `build` is a pure function of plain series, one a market.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.transforms.bar_input import KEY
from r2k_pipeline.transforms.epochs import Epoch, KnownBars

Build = Callable[..., pl.DataFrame]
"""build(series, since, *reads): the rows of plain series, one a market, from the session `since` on (None: all)."""
BuildFacts = Callable[[pl.DataFrame, pl.DataFrame, bool], pl.DataFrame]
"""build(series, stood, extends): all facts of the series. `stood`: the facts of these markets that stand so far, with
the market's `starts_on`. If `extends`, the series extend those of the facts that stand, and only later facts are used.
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
    # A session is wanted in one epoch, so of the epochs with one `since` no two are of the same market.
    for since, found in groupby(epochs, key=lambda epoch: epoch.since):
        batch = list(found)
        series = pl.concat(epoch.series() for epoch in batch)
        wanted = pl.concat(epoch.wanted for epoch in batch)
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

    An example: a high of Monday is confirmed at Thursday's close; on Friday night Monday's bar is corrected, and the
    high of those days is Tuesday's. Friday's close could not know that, so the next session, Monday the 9th, changes:

        pivot_date   confirmed_date (`dated`)   withdrawn_date
        Mon 2nd      Thu 5th                    Mon 9th, because the series of the new epoch lacks it
        Tue 3rd      Mon 9th, not Fri 6th       null
    """
    facts = empty if published is None else published
    epochs = [epoch for epoch in bars.epochs(reads_volume) if epoch.starts_on is not None]
    extending = [epoch for epoch in epochs if epoch.extends]
    if extending:
        facts = _extend(facts, *_together(extending), build, dated)
    for batch in _rounds(epoch for epoch in epochs if not epoch.extends):
        facts = _revise(facts, *_together(batch), build, dated, ["market", *identity])
    known = bars.first_known
    withdrawn = known.select("market", withdrawn_date="session_date", withdrawn_at="known_at")
    return (
        facts.drop("known_at", "withdrawn_at")
        .join(known.rename({"session_date": dated}), on=["market", dated], how="left", maintain_order="left")
        .join(withdrawn, on=["market", "withdrawn_date"], how="left", maintain_order="left")
        .select(empty.columns)
        .sort("market", dated, maintain_order=True)
    )


def _rounds(epochs: Iterable[Epoch]) -> Iterable[list[Epoch]]:
    """Epochs in rounds, so that each has a market once: the first epoch of every market, then the second, ..."""
    rounds: defaultdict[int, list[Epoch]] = defaultdict(list)
    turns: Counter[str] = Counter()
    for epoch in epochs:
        rounds[turns[epoch.market]].append(epoch)
        turns[epoch.market] += 1
    return rounds.values()


def _together(batch: list[Epoch]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The series of a batch, and `starts_on` of each market."""
    starts = [(epoch.market, epoch.starts_on) for epoch in batch]
    return pl.concat(epoch.series() for epoch in batch), pl.DataFrame(starts, ["market", "starts_on"], orient="row")


def _extend(
    facts: pl.DataFrame, series: pl.DataFrame, starts: pl.DataFrame, build: BuildFacts, dated: str
) -> pl.DataFrame:
    """The `facts`, and those dated from `starts_on` on that `series`, which extend theirs, add."""
    stood = facts.join(starts, on="market", maintain_order="left").filter(pl.col("withdrawn_date").is_null())
    found = build(series, stood, True).join(starts, on="market", maintain_order="left")
    new = found.filter(pl.col(dated) >= pl.col("starts_on")).drop("starts_on")
    return pl.concat([facts, new], how="diagonal")


def _revise(
    facts: pl.DataFrame,
    series: pl.DataFrame,
    starts: pl.DataFrame,
    build: BuildFacts,
    dated: str,
    identity: list[str],
) -> pl.DataFrame:
    """The `facts` after the next epoch of some markets, whose `series` differ from those of the facts.

    Facts that the series lack are withdrawn at `starts_on`; facts that only they have are added, dated by `starts_on`
    if they are of earlier sessions. Of several equal facts the first published is the first found (`nth`).
    """
    numbered = facts.with_row_index("row").join(starts, on="market", how="left", maintain_order="left")
    stood = numbered.filter(pl.col("starts_on").is_not_null(), pl.col("withdrawn_date").is_null())
    found = build(series, stood.drop("row"), False).join(starts, on="market", maintain_order="left")

    same = [*identity, "nth"]
    nth = pl.int_range(pl.len()).over(identity).alias("nth")
    is_early = pl.col(dated) <= pl.col("starts_on")
    before = stood.sort(dated, maintain_order=True).with_columns(nth)
    early = found.filter(is_early).sort(dated, maintain_order=True).with_columns(nth)
    gone = before.join(early, on=same, how="anti", nulls_equal=True)
    new = early.join(before, on=same, how="anti", nulls_equal=True, maintain_order="left")

    is_gone = pl.col("row").is_in(gone["row"].implode())
    kept = numbered.with_columns(withdrawn_date=pl.when(is_gone).then("starts_on").otherwise("withdrawn_date"))
    added = pl.concat([new.with_columns(pl.col("starts_on").alias(dated)).drop("nth"), found.filter(~is_early)])
    return pl.concat([kept.select(facts.columns), added.drop("starts_on")], how="diagonal")


def regrown(build: Build) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function as `build` for successive series of the same markets, which makes rows again only where they differ.

    Of each market it keeps the last series and its rows: those before the first different bar are the same. So no row
    of `build` may depend on a later bar.
    """
    last: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {}

    def rows_of(market: str, bars: pl.DataFrame) -> pl.DataFrame:
        bars_before, rows_before = last.get(market, (bars.clear(), pl.DataFrame()))
        place, days = _first_different(bars, bars_before), bars["session_date"]
        parts = []
        if place > 0:
            parts.append(rows_before.filter(pl.col("session_date") <= days[place - 1]))
        if place < bars.height:
            parts.append(build(bars, days[place] if place else None))
        rows = pl.concat(parts)
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
