"""A lake that lives through a story: a vendor's desk whose answers change, a clock that is set by hand.

Belongs here: the fake source (real formats: text frames, zips of the CFTC's layout), fetching at a moment, the raw
log and what staging knew at any moment. Not here: assertions about one story.
"""

import io
import shutil
import zipfile
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.lake import Lake
from r2k_pipeline.log.ingest import Intake, ingest_prices, ingest_reports
from r2k_pipeline.markets import CotContract, Market
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.protocol import CotDocument, CotSource, PriceAnswer, PriceSource, SourceError, Sources
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.reference import Sessions
from tests.pipeline import knowledge

RUT = Market(
    market="RUT", name="Russell 2000", index="^RUT", multiplier=50, cot=(CotContract(code="239742", exchange="CME"),)
)
ACTIONS = ("Date", "Dividends", "Stock Splits")


@cache
def sessions() -> pl.DataFrame:
    """New York's sessions from 1987 to 2025."""
    return build_sessions(["XNYS"], date(2025, 12, 31)).filter(pl.col("session_date") >= date(1987, 1, 1))


def days_of(first: date, count: int) -> list[date]:
    """The first `count` sessions from a day on."""
    return sessions().filter(pl.col("session_date") >= first)["session_date"].head(count).to_list()


def at(text: str) -> datetime:
    """A moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Desk:
    """Both sources: what is on it is what the vendor says today, when asked or in files that were saved."""

    prices: dict[str, PriceAnswer] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    name: str = "desk"
    asks_vendor: bool = True

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        if symbol not in self.prices:
            raise SourceError(self.name, symbol, "no answer", "try again")
        return self.prices[symbol]

    def list_unread(self, symbols: Collection[str]) -> list[str]:
        """Nothing: a desk has no folder."""
        return []

    def list_reports(self) -> list[str]:
        return list(self.documents)

    def fetch_report(self, name: str) -> CotDocument:
        where = f"https://{self.name}" if self.asks_vendor else f"{self.name}:cot"
        return CotDocument(name, f"{where}/{name}", self.documents[name])

    def quote(self, bars: pl.DataFrame, actions: pl.DataFrame | None = None, symbol: str = "^RUT") -> None:
        """Put a price answer on the desk: `bars` as by `bars_of`; the vendor tells actions, by default that of none."""
        told = pl.DataFrame(schema=dict.fromkeys(ACTIONS, pl.String)) if actions is None else actions
        self.prices[symbol] = PriceAnswer(symbol, f"{self.name}:prices/{symbol}.csv", bars, told)


@dataclass
class Clock:
    """Shows what it is set to."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment


@dataclass(frozen=True)
class Story(Run):
    """A run over a desk, fetched as often as the story asks."""

    desk: Desk | tuple[PriceSource, CotSource] = field(default_factory=Desk)

    @property
    def sources(self) -> Sources:  # type: ignore[override]
        return Sources(*(self.desk if isinstance(self.desk, tuple) else (self.desk, self.desk)))

    @classmethod
    def begin(cls, folder: Path, **settings: object) -> "Story":
        """An empty lake with the sessions of one market."""
        lake = Lake.of(folder, "files")
        lake.write(Sessions, sessions())
        return cls(Settings(source="files", lake=folder, **settings), lake, (RUT,), Clock(at("2024-01-01")))

    def copied_to(self, folder: Path) -> "Story":
        """The same in another folder: its lake, what is on its desk, its clock."""
        shutil.copytree(self.settings.lake, folder, symlinks=True, dirs_exist_ok=True)
        settings = self.settings.model_copy(update={"lake": folder})
        clock = Clock(self.clock.moment)
        return replace(self, settings=settings, lake=Lake.of(folder, "files"), clock=clock, desk=deepcopy(self.desk))

    def fetch_prices(self, moment: str) -> tuple[Intake, Intake]:
        """Fetch prices with the clock set to `moment`; (bars, actions). The account must hold."""
        self.clock.moment = at(moment)
        return self._accounted(lambda: ingest_prices(self, self.lake.read(Sessions)))

    def fetch_reports(self, moment: str) -> Intake:
        """Fetch COT files with the clock set to `moment`. The account must hold."""
        self.clock.moment = at(moment)
        return self._accounted(lambda: (ingest_reports(self),))[0]

    def _accounted(self, fetch):
        before = {name: self.raw(name).height for name in ("price_bars", "price_actions", "cot_reports")}
        logged = self.raw("fetch_log").height
        intakes = fetch()
        log = FetchLog.validate(self.raw("fetch_log").sort("fetched_at")[logged:])
        for name, rows in before.items():
            account = log.filter(pl.col("table_name") == f"raw.{name}")
            assert self.raw(name).height - rows == account["rows_written"].sum() + account["rows_withdrawn"].sum()
        return intakes

    def raw(self, name: str) -> pl.DataFrame:
        """All rows of a raw log."""
        return self.lake.read(TABLES[f"raw.{name}"])

    def known(self, name: str, as_of: str) -> pl.DataFrame:
        """A staging table as known at a moment, built by its own SQL in a replay's own folder."""
        moment = at(as_of)
        replay = replace(
            self,
            settings=self.settings.model_copy(update={"as_of": moment}),
            lake=Lake.of(self.settings.lake, "files", moment),
        )
        replay.lake.write(Sessions, self.lake.read(Sessions))
        return built(replay, f"staging.{name}")


def built(run: Run, name: str) -> pl.DataFrame:
    """A table of the story's lake and what it reads, on the story's own sessions."""
    return knowledge.built(run, TABLES[name], given=[Sessions])


def bars_of(closes: dict[date, float], *, adjusted: float = 1.0) -> pl.DataFrame:
    """Bars in Yahoo's layout, all text: high and low one point around the close, adjusted by a factor."""
    rows = [
        (str(day), str(c), str(c + 1), str(c - 1), str(c), str(c * adjusted), "1000000") for day, c in closes.items()
    ]
    return pl.DataFrame(rows, schema=["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"], orient="row")


def actions_of(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Dividends and splits in Yahoo's layout, all text."""
    return pl.DataFrame(list(rows), schema=list(ACTIONS), orient="row")


def lines_of(archive: bytes) -> list[str]:
    """The lines of the one member of a CFTC zip, the header first."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(opened.namelist()[0]).decode().splitlines()


def zip_of(lines: list[str], member: str = "FinFutYY.txt") -> bytes:
    """A CFTC zip of some lines."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, "\n".join(lines) + "\n")
    return buffer.getvalue()
