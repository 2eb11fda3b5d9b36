"""One run: its lake, sources, markets and moment.

Belongs here: turning settings into the values that every step gets. Not here: steps, Dagster.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Self

import polars as pl

from r2k_pipeline.continued import continued_markets, with_same_positions
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import buckets_of
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.markets import Market, read_markets
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.protocol import Sources
from r2k_pipeline.transforms.epochs import Continued, KnownBars

Clock = Callable[[], datetime]


def now() -> datetime:
    """The wall clock, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Run:
    """The inputs of a run; `clock` is the only source of time.

    `moment`: the derived tables have the rows known by then. `fixed` sets it after the last fetch.
    """

    settings: Settings
    lake: Lake
    markets: tuple[Market, ...]
    clock: Clock = now
    moment: datetime | None = None

    @classmethod
    def of(cls, settings: Settings, clock: Clock = now) -> "Run":
        """The run that `settings` ask for. Raises MistakesError, R2kError."""
        lake = Lake.of(settings.lake, settings.source, settings.as_of)
        if settings.source == "files" and settings.files is None and settings.as_of is None:
            raise R2kError("source files needs a folder", next=lake.run)
        if settings.source == "files" and settings.files is not None and not settings.files.is_dir():
            raise R2kError(settings.files, "there is no such folder", lake.run)
        return cls(settings, lake, read_markets(settings.markets), clock)

    @property
    def is_replay(self) -> bool:
        """Whether this run rebuilds a past moment: it fetches nothing and does not write raw."""
        return self.settings.as_of is not None

    def fixed(self) -> Self:
        """This run with its moment fixed: as asked, else that of the latest fetch.

        Raises R2kError where nothing was fetched yet.
        """
        if self.moment is not None:
            return self
        fetched_at = self.last_fetch()
        if fetched_at is None:
            raise R2kError(self.lake.root, "nothing was fetched yet", Lake.at(self.lake.root).run)
        return replace(self, moment=self.settings.as_of or fetched_at)

    def last_fetch(self) -> datetime | None:
        """The moment of the lake's latest fetch."""
        latest: datetime | None = self.lake.read(FetchLog, ("fetched_at",))["fetched_at"].max()  # type: ignore[assignment]
        return latest

    @property
    def as_of(self) -> datetime:
        """Its moment. Raises RuntimeError before `fixed`."""
        if self.moment is None:
            raise RuntimeError("a run has no moment until everything is fetched; call `fixed()` first")
        return self.moment

    @cached_property
    def continued(self) -> Continued | None:
        """The markets that go on from the last generation; requires that staging.market_bars is built."""
        return continued_markets(self.lake, self.settings, self.markets, self.as_of)

    @cached_property
    def continued_in_marts(self) -> Continued | None:
        """Those of `continued` whose positions go on too; requires that marts.positioning_vintages is built."""
        return with_same_positions(self.lake, self.continued)

    @cached_property
    def known_bars(self) -> KnownBars:
        """The markets' bars as they became known; requires that staging.market_bars is built."""
        return KnownBars(self.lake.read(MarketBars), self.continued)

    @property
    def known_by_bucket(self) -> Iterator[KnownBars]:
        """`known_bars` for each bucket of markets.

        If there are several, each table reads its bars and cuts them into epochs again: kept for 69 markets they would
        take 300 MB.
        """
        buckets = buckets_of([market.market for market in self.markets])
        if len(buckets) == 1:
            yield self.known_bars
            return
        bars = self.lake.scan(MarketBars)
        for bucket in buckets:
            yield KnownBars(bars.filter(pl.col("market").is_in(bucket)).collect(), self.continued)

    def stamp(self) -> datetime:
        """Now, or just after the lake's last stamp if that is later: a clock set back must not write into the past."""
        fetched_at, moment = self.last_fetch(), self.clock()
        return moment if fetched_at is None else max(moment, fetched_at + timedelta(microseconds=1))

    @property
    def report_types(self) -> tuple[str, ...]:
        """The COT reports that `live` fetches: those of the setting, and each market's own."""
        return tuple(dict.fromkeys([*self.settings.report_types, *(m.primary_report for m in self.markets)]))

    @cached_property
    def sources(self) -> Sources:
        """The sources that the settings name; imports only what is used."""
        from r2k_pipeline.sources.files import FilePrices, FileReports  # noqa: PLC0415

        match self.settings.source:
            case "sample":
                from r2k_pipeline.sources.sample import write_sample  # noqa: PLC0415

                folder = self.lake.cache("vendor_files")
                write_sample(folder)
                return Sources(FilePrices(folder, "sample", is_download=False), FileReports(folder, "sample"))
            case "files":
                assert self.settings.files is not None
                return Sources(FilePrices(self.settings.files), FileReports(self.settings.files))
            case "live":
                from r2k_pipeline.sources.cftc import CftcArchives  # noqa: PLC0415
                from r2k_pipeline.sources.cot_fallback import ArchivesOrApi  # noqa: PLC0415
                from r2k_pipeline.sources.http import limits_of_run  # noqa: PLC0415
                from r2k_pipeline.sources.kept_bodies import KeptBodies  # noqa: PLC0415
                from r2k_pipeline.sources.socrata import SocrataReports  # noqa: PLC0415
                from r2k_pipeline.sources.yahoo import YahooPrices  # noqa: PLC0415

                of_prices, limits = limits_of_run(self.settings.live_seconds)
                folder, first_year = self.lake.cache("cftc"), self.settings.first_year
                archives = CftcArchives(folder, self.report_types, first_year, now=self.clock, limits=limits)
                api = SocrataReports(limits=limits, token=self.settings.cftc_token)
                reports = ArchivesOrApi(archives, api, KeptBodies(folder / "api"), self.clock)
                return Sources(YahooPrices(self.lake.cache("yahoo"), of_prices), reports)
