"""What the vendors would have at a moment of a life: the true series as far as they were out, changed by events.

Belongs here: price rows in Yahoo's layout, reports in the CFTC's, as files, as a source, as answers. Not here: the
events (events.py), what a run makes of them (life.py).
"""

import csv
import io
import os
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from r2k_pipeline.markets import Market
from r2k_pipeline.sources.protocol import CotDocument, NotThereError, PriceAnswer, SourceError
from r2k_pipeline.sources.release_calendar import build_cot_releases
from r2k_pipeline.sources.sample_cot_files import FILE_TIME, build_sample_cot
from r2k_pipeline.sources.sample_prices import build_sample_prices
from r2k_pipeline.sources.sessions import build_sessions
from tests.lived.events import ACTIONS, BAR, Event, Line

SETTLES_AFTER: Final = timedelta(hours=6)
"""After the close: until then a fund's volume is short and an index has none (seen of Yahoo: whole by the next run)."""
SHORT: Final = 0.62
"""Share of a fund's volume that is there on its day."""
NO_ANSWER: Final = "no answer"
OUT_AFTER: Final = timedelta(minutes=1)
"""A bar is listed this long after its session closed, a report after its release: no run is in between."""


@dataclass(frozen=True)
class Truth:
    """All bars by symbol (text, Yahoo's columns) and all report lines by file, as they are when all has been said."""

    bars: Mapping[str, pl.DataFrame]
    headers: Mapping[str, str]
    lines: tuple[Line, ...]

    @classmethod
    def of_sample(cls, markets: Iterable[Market], first: date, last: date) -> "Truth":
        """The generated series that the sample is made of, cut to the days `first` to `last`."""
        prices = {symbol: text.encode() for symbol, text in _sample_prices().items()}
        return cls._of(prices, _sample_reports(), markets, first, last)

    @classmethod
    def of_folder(cls, folder: Path, markets: Iterable[Market], first: date, last: date) -> "Truth":
        """The vendors' files in `folder`, cut to the days `first` to `last`."""
        prices = {file.stem: file.read_bytes() for file in (folder / "prices").glob("*.csv")}
        reports = {file.name: file.read_bytes() for file in (folder / "cot").glob("fut_fin_txt_*.zip")}
        return cls._of(prices, reports, markets, first, last)

    @classmethod
    def _of(
        cls,
        prices: Mapping[str, bytes],
        reports: Mapping[str, bytes],
        markets: Iterable[Market],
        first: date,
        last: date,
    ) -> "Truth":
        symbols = {s for m in markets for s, role in m.symbols().items() if role in ("index", "proxy")}
        codes = {contract.code for market in markets for contract in market.cot}
        day = pl.col("Date").str.to_date()
        bars = {
            symbol: pl.read_csv(io.BytesIO(prices[symbol]), infer_schema=False)
            .select(BAR)
            .filter(day.is_between(first, last))
            for symbol in sorted(symbols)
        }
        years = {name: body for name, body in reports.items() if str(first.year) <= name[-8:-4] <= str(last.year)}
        read = {name: _lines_of(name, body) for name, body in sorted(years.items())}
        lines = [
            line for _, found in read.values() for line in found if line.code in codes and first <= line.day <= last
        ]
        return cls(bars, {name: header for name, (header, _) in read.items()}, tuple(lines))


@cache
def _sample_prices() -> dict[str, str]:
    return build_sample_prices()


@cache
def _sample_reports() -> dict[str, bytes]:
    return {name: body for name, body in build_sample_cot().items() if name.startswith("fut_fin")}


def _lines_of(name: str, body: bytes) -> tuple[str, list[Line]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        header, *lines = archive.read(archive.namelist()[0]).decode("latin-1").splitlines()
    cells = list(csv.reader(lines))
    return header, [
        Line(name, date.fromisoformat(cell[2].strip()[:10]), cell[3].strip(), line)
        for cell, line in zip(cells, lines, strict=True)
    ]


@cache
def session_moments(last: date) -> dict[str, datetime]:
    """When each of New York's sessions up to `last` closed, by its day as text."""
    sessions = build_sessions(["XNYS"], last).select(pl.col("session_date").cast(pl.String), "close_at")
    return dict(sessions.iter_rows())


@cache
def _released_at(days: frozenset[date]) -> dict[date, datetime]:
    ledger = build_cot_releases(days, max(days))
    return dict(ledger.select("report_date", "released_at").iter_rows())


@dataclass(frozen=True)
class Vendor:
    """Both vendors: what they list at a moment."""

    truth: Truth
    events: tuple[Event, ...] = ()

    def bars(self, symbol: str, moment: datetime) -> pl.DataFrame:
        """The rows of `symbol`: sessions that had closed, the newest one's volume not whole yet, then the events."""
        rows = self.truth.bars[symbol]
        closes = session_moments(date(moment.year + 1, 12, 31))
        newest = [day for day in rows["Date"].tail(400) if closes[day] + OUT_AFTER <= moment]
        rows = rows.filter(pl.col("Date") <= (newest[-1] if newest else moment.date().isoformat()))
        unsettled = pl.col("Date").is_in([day for day in newest[-3:] if closes[day] + SETTLES_AFTER > moment])
        share = 0.0 if symbol.startswith("^") else SHORT
        short = (pl.col("Volume").cast(pl.Float64) * share).cast(pl.Int64).cast(pl.String)
        rows = rows.with_columns(Volume=pl.when(unsettled).then(short).otherwise("Volume"))
        for event in self.events:
            rows = event.bars(symbol, rows, moment)
        return rows

    def actions(self, symbol: str, moment: datetime) -> pl.DataFrame:
        """Its dividends and splits; only events make them."""
        rows = pl.DataFrame(schema=dict.fromkeys(ACTIONS, pl.String))
        for event in self.events:
            rows = pl.concat([rows, event.actions(symbol, moment)])
        return rows

    def refuses(self, item: str, moment: datetime) -> bool:
        """Whether there is no answer about a symbol or a report's file."""
        return any(event.refuses(item, moment) for event in self.events)

    def lines(self, moment: datetime) -> list[Line]:
        """The report lines that are out, then the events."""
        released = _released_at(frozenset(line.day for line in self.truth.lines))
        lines = [line for line in self.truth.lines if released[line.day] + OUT_AFTER <= moment]
        for event in self.events:
            lines = event.lines(lines, moment)
        return lines

    def documents(self, moment: datetime) -> dict[str, bytes]:
        """The CFTC's yearly zips."""
        by_file: dict[str, list[str]] = defaultdict(list)
        for line in self.lines(moment):
            by_file[line.file].append(line.text)
        return {name: zip_of(self.truth.headers[name], tuple(texts)) for name, texts in sorted(by_file.items())}

    def newest_report(self, moment: datetime) -> list[Line]:
        """The lines of the CFTC's current-week file."""
        lines = self.lines(moment)
        return [line for line in lines if line.day == max(line.day for line in lines)]

    def save(self, folder: Path, moment: datetime) -> None:
        """Write all of it as files that were downloaded at `moment`; a symbol with actions has columns for them."""
        (folder / "prices").mkdir(parents=True, exist_ok=True)
        (folder / "cot").mkdir(exist_ok=True)
        for symbol in self.truth.bars:
            rows, actions = self.bars(symbol, moment), self.actions(symbol, moment)
            if any(event.acts_on(symbol) for event in self.events):
                rows = rows.join(actions, on="Date", how="left", maintain_order="left")
                rows = rows.with_columns(pl.col(ACTIONS[1:]).fill_null("0"))
            _saved(folder / "prices" / f"{symbol}.csv", rows.write_csv().encode(), moment)
        for name, body in self.documents(moment).items():
            _saved(folder / "cot" / name, body, moment)


def _saved(file: Path, body: bytes, moment: datetime) -> None:
    file.write_bytes(body)
    os.utime(file, (moment.timestamp(), moment.timestamp()))


@lru_cache(maxsize=64)
def zip_of(header: str, lines: tuple[str, ...]) -> bytes:
    """A CFTC zip; the same lines are the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        text = "\n".join([header, *lines, ""])
        archive.writestr(zipfile.ZipInfo("FinFutYY.txt", FILE_TIME), text.encode("latin-1"))
    return buffer.getvalue()


@dataclass(frozen=True)
class Desk:
    """Both sources over a vendor and a clock, without files."""

    vendor: Vendor
    clock: Callable[[], datetime]
    name: str = "desk"
    asks_vendor: bool = True

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """What the vendor lists now. Raises SourceError where it does not answer."""
        self._answer(symbol)
        if symbol not in self.vendor.truth.bars:
            raise NotThereError(self.name, symbol, "no such symbol", "ask for another")
        now = self.clock()
        bars, actions = self.vendor.bars(symbol, now), self.vendor.actions(symbol, now)
        return PriceAnswer(symbol, f"{self.name}:prices/{symbol}.csv", bars, actions)

    def list_unread(self, symbols: Collection[str]) -> list[str]:
        """Nothing: a desk has no folder."""
        return []

    def list_reports(self) -> list[str]:
        """The yearly zips that there are by now."""
        return list(self.vendor.documents(self.clock()))

    def fetch_report(self, name: str) -> CotDocument:
        """One of them. Raises SourceError where the vendor does not answer."""
        self._answer(name)
        return CotDocument(name, f"{self.name}:cot/{name}", self.vendor.documents(self.clock())[name])

    def _answer(self, item: str) -> None:
        if self.vendor.refuses(item, self.clock()):
            raise SourceError(self.name, item, NO_ANSWER, "run again")
