"""Epochs: spans of time in which no earlier bar changes. Each has one plain series of bars, which gives its rows.

Belongs here: where epochs begin, which sessions are first known in each, its series. Not here: what is made of a series
(replay.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from itertools import pairwise
from typing import Final

import polars as pl

from r2k_pipeline.transforms.bar_input import KEY

PRICES_READ: Final = ("high", "low", "close")
"""The prices that features read: a revision of the open alone begins no epoch."""
VOLUME_READ: Final = ("volume", "volume_symbol", "volume_known_at")
"""The columns of the volume, for features that read it."""
OF_VINTAGES: Final = ("first_at", "known_at", "superseded_at", "open")
"""Columns of vintages that no builder reads."""
NEVER, FOREVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""Before and after every moment."""


@dataclass(frozen=True)
class Continued:
    """The `markets` that continue from the last generation: their rows known by `until` are all published.

    `gone`: markets that had bars in that generation, and of which none are wanted now.
    """

    until: datetime
    markets: frozenset[str]
    gone: frozenset[str] = frozenset()

    def published_until(self, market: str) -> datetime:
        """The moment until which the rows of a market are published; NEVER for one that does not continue."""
        return self.until if market in self.markets else NEVER


@dataclass(frozen=True)
class Epoch:
    """One epoch of a market: its sessions without published rows, and the bars from which their rows are made.

    An epoch begins when an earlier session changes: a revision, a withdrawal, a late bar, a late volume. Until the next
    one sessions are only added at the end, and no row depends on a later bar; so one series gives the rows of all
    sessions first known in it. An example, with Monday's close revised on Wednesday evening:

        known at       bar                       epoch 1: from the first bar on
        Mon 21:00      Mon 100                       series   Mon 100, Tue 101, Wed 102
        Tue 21:00      Tue 101                       wanted   Mon, Tue, Wed
        Wed 21:00      Wed 102                   epoch 2: from Wed 23:00 on
        Wed 23:00      Mon  99, a revision           series   Mon 99, Tue 101, Wed 102, Thu 103
        Thu 21:00      Thu 103                       wanted   Thu

    `wanted`: market, session_date, known_at of the sessions first known in it that have no published row, sorted.
    `since`: the first of them; None if that is the market's first session.
    `starts_on`: the first of them that is later than all sessions known before the epoch; None if all are late bars.
    Facts that the change adds or withdraws are dated by it.
    `extends`: some session of the epoch is published already, and so is all that the change affected.
    `series`: makes the bars, because those of all epochs together would be many times the vintages.
    """

    market: str
    wanted: pl.DataFrame
    since: date | None
    starts_on: date | None
    extends: bool
    series: Callable[[], pl.DataFrame]


class KnownBars:
    """Bars as they became known, cut into epochs once for all tables that are replayed on them.

    `vintages` are MarketBars. Of the `continued` markets only sessions known later are built.
    """

    def __init__(self, vintages: pl.DataFrame, continued: Continued | None = None) -> None:
        self.vintages, self.continued = vintages, continued
        self._epochs: dict[bool, list[Epoch]] = {}

    @cached_property
    def first_known(self) -> pl.DataFrame:
        """market, session_date, known_at of each session's first vintage, sorted."""
        return _first_known(self.vintages)

    def epochs(self, reads_volume: bool) -> list[Epoch]:
        """The epochs with unpublished sessions, market by market, each market's in their order."""
        if reads_volume not in self._epochs:
            continued = self.continued or Continued(NEVER, frozenset())
            self._epochs[reads_volume] = [
                epoch
                for (market,), bars in _merged(self.vintages, reads_volume).group_by("market", maintain_order=True)
                for epoch in _epochs(str(market), bars, reads_volume, continued.published_until(str(market)))
            ]
        return self._epochs[reads_volume]


def without_late_sessions(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows (market, session_date, known_at, sorted) without sessions known later than one after them.

    Counts and comparisons of sessions leave out sessions that arrived late.
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


def _epochs(market: str, bars: pl.DataFrame, reads_volume: bool, published_until: datetime) -> Iterator[Epoch]:
    """The epochs of one market that have sessions without published rows, in their order; `bars` are its vintages."""
    sessions = _first_known(bars)
    vintages = bars.with_columns(first_at=pl.col("known_at").min().over("session_date"))
    spans = [*pairwise([NEVER, *_changes(vintages, sessions, reads_volume), FOREVER])]
    last_published = _last_session(sessions, pl.col("known_at") <= published_until)
    unpublished = sessions.filter(pl.col("known_at") > published_until)
    for number, wanted in _by_span(unpublished, spans):
        begin, end = spans[number]
        last_before = _last_session(sessions, pl.col("known_at") < begin)
        in_order = wanted.filter(pl.col("session_date") > last_before)
        first: date = wanted["session_date"][0]
        yield Epoch(
            market=market,
            wanted=wanted,
            since=first if first > sessions["session_date"][0] else None,
            starts_on=in_order["session_date"].min(),  # type: ignore[arg-type]
            extends=begin <= published_until and last_published > last_before,
            series=partial(_series, vintages, begin, end, reads_volume),
        )


def _by_span(sessions: pl.DataFrame, spans: list[tuple[datetime, datetime]]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The sessions (market, session_date, known_at) first known in each span that has any, with the span's number."""
    begins = pl.Series([begin for begin, _ in spans], dtype=sessions.schema["known_at"])
    numbers = begins.search_sorted(sessions["known_at"], side="right") - 1
    parts = sessions.with_columns(span=numbers).partition_by("span", as_dict=True, include_key=False)
    yield from sorted((number, part) for (number,), part in parts.items())


def _last_session(sessions: pl.DataFrame, which: pl.Expr) -> date:
    """The last of the sessions for which `which` is true; the earliest date if there is none."""
    last: date | None = sessions.filter(which)["session_date"].max()  # type: ignore[assignment]
    return last or date.min


def _merged(vintages: pl.DataFrame, reads_volume: bool) -> pl.DataFrame:
    """The vintages, sorted; successive ones of a session that are equal in the columns read are one."""
    ordered = vintages.sort(*KEY, "known_at")
    read = [*KEY, *PRICES_READ, *(VOLUME_READ if reads_volume else ())]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in read)
    follows_a_gap = (pl.col("known_at") != pl.col("superseded_at").shift()).fill_null(True)
    numbered = ordered.with_columns(vintage=(differs | follows_a_gap).cum_sum())
    if numbered["vintage"].last() == numbered.height:
        return ordered
    merged = numbered.group_by("vintage", maintain_order=True)
    return merged.agg(pl.exclude("superseded_at").first(), pl.col("superseded_at").last()).select(ordered.columns)


def _changes(vintages: pl.DataFrame, sessions: pl.DataFrame, reads_volume: bool) -> list[datetime]:
    """The moments at which a session changed that was not the newest, up to when the last session was known."""
    with_next = sessions.with_columns(next_at=pl.col("known_at").reverse().cum_min().reverse().shift(-1))
    revised = vintages.filter(pl.col("known_at") > pl.col("first_at"))["known_at"]
    withdrawn_or_revised = vintages["superseded_at"].drop_nulls()
    late = with_next.filter(pl.col("known_at") > pl.col("next_at"))["known_at"]
    moments = [revised, withdrawn_or_revised, late]
    if reads_volume:
        dated = vintages.join(with_next.select("session_date", "next_at"), on="session_date")
        moments.append(dated.filter(pl.col("volume_known_at") > pl.col("next_at"))["volume_known_at"])
    found = pl.concat(moments).unique().sort()
    return found.filter(found <= sessions["known_at"].max()).to_list()


def _series(vintages: pl.DataFrame, begin: datetime, end: datetime, reads_volume: bool) -> pl.DataFrame:
    """The bars of the epoch from `begin` to `end`, one a session.

    Of a session known before it, the vintage that stood at its beginning; of one first known in it, the first vintage.
    A volume that is read stands if it was known by the next session, or by the beginning of the epoch.
    """
    begun = pl.lit(begin, vintages.schema["known_at"])
    stood_at = pl.max_horizontal(begun, "first_at")
    series = vintages.filter(
        pl.col("first_at") < end,
        pl.col("known_at") <= stood_at,
        (pl.col("superseded_at") > stood_at).fill_null(True),
    )
    if not reads_volume:
        return series.drop(*OF_VINTAGES, *VOLUME_READ, strict=False)
    is_settled = pl.col("volume_known_at") <= pl.max_horizontal(begun, pl.col("first_at").shift(-1))
    settled = [pl.when(is_settled).then(name).alias(name) for name in VOLUME_READ]
    return series.with_columns(settled).drop(*OF_VINTAGES, strict=False)
