"""Replay: tables of bars as they were known at each session's close, through every late and revised bar.

Belongs here: cutting vintages into plain series in the order in which these were known, and the rows published from
each. Not here: any feature; a `build` is a pure function of plain series, one a market.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from itertools import groupby
from typing import Final

import polars as pl

from r2k_pipeline.contracts.table import Table

Build = Callable[..., pl.DataFrame]
"""From plain series, the first session wanted (None: all) and, for some tables, rows published earlier, to rows."""
BuildFacts = Callable[[pl.DataFrame, pl.DataFrame, bool], pl.DataFrame]
"""From plain series and the facts standing so far, with `starts_on`, to all facts of the series. If the flag is set,
the series continue those of these facts, and only facts dated from starts_on on are wanted.
"""
PRICES: Final = ("high", "low", "close")
"""The prices that features read: a revision of the open alone does not concern them."""
VOLUME: Final = ("volume", "volume_symbol", "volume_known_at")
OF_VINTAGES: Final = ("first_at", "known_at", "superseded_at", "open")
"""Columns of vintages that no builder reads."""
KEY: Final = ["market", "session_date"]
NEVER, FOREVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""Before and after every moment."""


def built_columns(table: type[Table]) -> list[str]:
    """The columns of a table that its `build` returns: without those that date a row's publication."""
    return [name for name in table.column_names() if name not in ("known_at", "withdrawn_date", "withdrawn_at")]


@dataclass(frozen=True)
class Continued:
    """The `markets` that continue from the last generation: their rows known by `until` are all published."""

    until: datetime
    markets: frozenset[str]


@dataclass(frozen=True)
class _Epoch:
    """One epoch of a market: the sessions without published rows, the dates of its facts, and its series of bars.

    It begins with a change of an earlier session: a revision, a withdrawal, a late bar, a late volume. Within it
    sessions are only added at the end. As no row depends on a later bar, its series gives the rows of all sessions
    first known in it; rows published before do not change.

    `wanted`: market, session_date, known_at. `since`: the first of them, None if that is the market's first.
    `starts_on`: the first of them after all sessions known before the epoch. `goes_on`: the facts of its first session
    in order, and so all that the change affected, are published. `series` is cut on demand: the series of all epochs
    together would be many times the bars.
    """

    market: str
    wanted: pl.DataFrame
    since: date | None
    starts_on: date | None
    goes_on: bool
    series: Callable[[], pl.DataFrame]


class KnownBars:
    """Bars as they became known, cut into epochs once for all tables that are replayed on them.

    `vintages` are MarketBars. Of the `continued` markets only sessions known later are built.
    """

    def __init__(self, vintages: pl.DataFrame, continued: Continued | None = None) -> None:
        self.vintages, self.continued = vintages, continued
        self._epochs: dict[bool, list[_Epoch]] = {}

    @cached_property
    def first_known(self) -> pl.DataFrame:
        """market, session_date, known_at of each session's first vintage, sorted."""
        return _first_known(self.vintages)

    def epochs(self, reads_volume: bool) -> list[_Epoch]:
        """The epochs with unpublished sessions, market by market, each market's in their order."""
        if reads_volume not in self._epochs:
            self._epochs[reads_volume] = list(_epochs(self.vintages, reads_volume, self.continued))
        return self._epochs[reads_volume]


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

    As `replay`, for rows that stay valid. All of them are returned, also `published`, those published before. `dated`
    is the column with the session at whose close a fact is known. At an epoch's first session in order, facts that the
    revised series no longer yields are withdrawn, and earlier facts that it newly yields are added with that session as
    `dated`. `identity` names the columns that identify a fact. A fact that stays is not added again, whatever its other
    columns are now. `empty` has all columns.
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


def _together(batch: list[_Epoch]) -> tuple[pl.DataFrame, pl.DataFrame]:
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


def without_late_sessions(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows (market, session_date, known_at, sorted) without sessions known later than one after them.

    A session that arrives late is no event: counts and comparisons of sessions leave it out.
    """
    later = pl.col("known_at").reverse().cum_min().reverse().over("market")
    return rows.filter(pl.col("known_at") <= later)


def as_first_known(vintages: pl.DataFrame) -> pl.DataFrame:
    """One plain series a market: the sessions in order, each with its bar as it was first known."""
    earliest = pl.col("known_at") == pl.col("known_at").min().over(KEY)
    return without_late_sessions(vintages.filter(earliest).sort(KEY))


def _first_known(vintages: pl.DataFrame) -> pl.DataFrame:
    """market, session_date, known_at of each session's first vintage, sorted."""
    return vintages.group_by(KEY).agg(pl.col("known_at").min()).sort(KEY)


def _one_a_market(epochs: Iterable[_Epoch]) -> Iterator[list[_Epoch]]:
    """Epochs in batches that hold each market once, in their order: the first of every market, the second, ..."""
    turns: dict[str, int] = {}
    batches: list[list[_Epoch]] = []
    for epoch in epochs:
        turn = turns.get(epoch.market, 0)
        turns[epoch.market] = turn + 1
        batches += [[]] if turn == len(batches) else []
        batches[turn].append(epoch)
    yield from batches


def _epochs(vintages: pl.DataFrame, reads_volume: bool, continued: Continued | None) -> Iterator[_Epoch]:
    """The epochs with unpublished sessions, market by market, each market's in their order."""
    for (market,), bars in _read_as(vintages, reads_volume).group_by("market", maintain_order=True):
        marked = bars.with_columns(first_at=pl.col("known_at").min().over("session_date"))
        known = _first_known(bars)
        begins = [NEVER, *_news(marked, known, reads_volume), FOREVER]
        until = continued.until if continued is not None and market in continued.markets else NEVER
        unpublished = known.filter(pl.col("known_at") > until)
        last_published = _last_session(known, pl.col("known_at") <= until)
        for place, wanted in _by_epoch(unpublished, begins):
            starts_at, ends_at = begins[place : place + 2]
            last_before = _last_session(known, pl.col("known_at") < starts_at)
            after = wanted.filter(pl.col("session_date") > last_before)
            first: date = wanted["session_date"][0]
            yield _Epoch(
                market=str(market),
                wanted=wanted,
                since=first if first > known["session_date"][0] else None,
                starts_on=after["session_date"].min(),  # type: ignore[arg-type]
                goes_on=starts_at <= until and last_published > last_before,
                series=partial(_series, marked, starts_at, ends_at, reads_volume),
            )


def _by_epoch(known: pl.DataFrame, begins: list[datetime]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Places in `begins` and the sessions (market, session_date, known_at; sorted) first known from there on."""
    places = pl.Series(begins, dtype=known.schema["known_at"]).search_sorted(known["known_at"], side="right") - 1
    parts = known.with_columns(place=places).partition_by("place", as_dict=True, include_key=False)
    yield from sorted((place, wanted) for (place,), wanted in parts.items())


def _last_session(known: pl.DataFrame, which: pl.Expr) -> date:
    """The last of some of the sessions in `known`; the first of all days if there is none."""
    last: date | None = known.filter(which)["session_date"].max()  # type: ignore[assignment]
    return last or date.min


def _read_as(vintages: pl.DataFrame, reads_volume: bool) -> pl.DataFrame:
    """The vintages, sorted; successive ones that are equal in the columns read are one."""
    ordered = vintages.sort(*KEY, "known_at")
    read = [*KEY, *PRICES, *(VOLUME if reads_volume else ())]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in read)
    is_news = differs | (pl.col("known_at") != pl.col("superseded_at").shift()).fill_null(True)
    numbered = ordered.with_columns(vintage=is_news.cum_sum())
    if numbered["vintage"].last() == numbered.height:
        return ordered
    merged = numbered.group_by("vintage", maintain_order=True)
    return merged.agg(pl.exclude("superseded_at").first(), pl.col("superseded_at").last()).select(ordered.columns)


def _news(marked: pl.DataFrame, known: pl.DataFrame, reads_volume: bool) -> list[datetime]:
    """The moments of changes of earlier sessions, up to the moment when the last session was known."""
    later = known.with_columns(next_at=pl.col("known_at").reverse().cum_min().reverse().shift(-1))
    moments = [
        marked.filter(pl.col("known_at") > pl.col("first_at"))["known_at"],
        marked["superseded_at"].drop_nulls(),
        later.filter(pl.col("known_at") > pl.col("next_at"))["known_at"],
    ]
    if reads_volume:
        followed = marked.join(later.select("session_date", "next_at"), on="session_date")
        moments.append(followed.filter(pl.col("volume_known_at") > pl.col("next_at"))["volume_known_at"])
    found = pl.concat(moments).unique().sort()
    return found.filter(found <= known["known_at"].max()).to_list()


def _series(marked: pl.DataFrame, starts_at: datetime, ends_at: datetime, reads_volume: bool) -> pl.DataFrame:
    """The bars known in an epoch: of each session the vintage that stood when both had begun.

    A volume that is read stands in it if it was known by the next session, or by the beginning of the epoch.
    """
    begun = pl.lit(starts_at, marked.schema["known_at"])
    stood_at = pl.max_horizontal(begun, "first_at")
    series = marked.filter(
        pl.col("first_at") < ends_at,
        pl.col("known_at") <= stood_at,
        (pl.col("superseded_at") > stood_at).fill_null(True),
    )
    is_settled = pl.col("volume_known_at") <= pl.max_horizontal(begun, pl.col("first_at").shift(-1))
    settled = [pl.when(is_settled).then(name).alias(name) for name in VOLUME if reads_volume]
    return series.with_columns(settled).drop(*OF_VINTAGES, *(() if reads_volume else VOLUME), strict=False)
