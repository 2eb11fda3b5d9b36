"""Epochs: bars as they became known, cut into plain series, each of which gives the rows of some sessions.

Belongs here: which vintages a series has, which sessions are first known in it, which come late. Not here: what is made
of a series (replay.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Final

import polars as pl

from r2k_pipeline.transforms.bar_input import KEY

PRICES_READ: Final = ("high", "low", "close")
"""The prices that features read: a revision of the open alone does not concern them."""
VOLUME_READ: Final = ("volume", "volume_symbol", "volume_known_at")
"""What features read of the volume, if they do."""
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


@dataclass(frozen=True)
class Epoch:
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
        self._epochs: dict[bool, list[Epoch]] = {}

    @cached_property
    def first_known(self) -> pl.DataFrame:
        """market, session_date, known_at of each session's first vintage, sorted."""
        return _first_known(self.vintages)

    def epochs(self, reads_volume: bool) -> list[Epoch]:
        """The epochs with unpublished sessions, market by market, each market's in their order."""
        if reads_volume not in self._epochs:
            self._epochs[reads_volume] = list(_epochs(self.vintages, reads_volume, self.continued))
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


def _epochs(vintages: pl.DataFrame, reads_volume: bool, continued: Continued | None) -> Iterator[Epoch]:
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
            yield Epoch(
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
    """The last of the sessions in `known` for which `which` is true; the earliest date if there is none."""
    last: date | None = known.filter(which)["session_date"].max()  # type: ignore[assignment]
    return last or date.min


def _read_as(vintages: pl.DataFrame, reads_volume: bool) -> pl.DataFrame:
    """The vintages, sorted; successive ones that are equal in the columns read are one."""
    ordered = vintages.sort(*KEY, "known_at")
    read = [*KEY, *PRICES_READ, *(VOLUME_READ if reads_volume else ())]
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
    settled = [pl.when(is_settled).then(name).alias(name) for name in VOLUME_READ if reads_volume]
    return series.with_columns(settled).drop(*OF_VINTAGES, *(() if reads_volume else VOLUME_READ), strict=False)
