"""What the numbers of a note should be, made from the lake's Parquet by code that shares nothing with the note.

Belongs here: one market at one close, from bars and positions on, in plain Python and NumPy. Not here: the note's words
(test_note_truth.py). Levels, profiles, setups and releases are read from the files of their tables.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from r2k_pipeline.lake import Lake

TABLES: Final = (
    *("staging.market_bars", "staging.market_positions", "staging.cot_releases"),
    *("features.levels", "features.volume_profiles", "marts.positioning_vs_technicals"),
)
ROLL_MONTHS: Final = (3, 6, 9, 12)
MANAGERS, FUNDS = "asset_manager", "leveraged_funds"


@dataclass(frozen=True)
class Files:
    """Tables of a lake as their Parquet files hold them."""

    frames: dict[str, pl.DataFrame]

    @classmethod
    @cache
    def of(cls, lake: Lake) -> "Files":
        """All that a note is judged by; read once in a process."""
        return cls({name: pl.read_parquet([str(file) for file in lake.files(name)]) for name in TABLES})

    def standing(self, name: str, at: datetime, **key: Any) -> pl.DataFrame:
        """The rows of a table of vintages that stood at a moment."""
        known = self.frames[name].filter(**key).filter(pl.col("known_at") <= at)
        return known.filter(pl.col("superseded_at").is_null() | (pl.col("superseded_at") > at))


def is_roll(report: date) -> bool:
    """Whether the third Friday of a quarter's last month is in the seven days to a report."""
    days = [report - timedelta(days=back) for back in range(7)]
    return any(day.weekday() == 4 and 15 <= day.day <= 21 and day.month in ROLL_MONTHS for day in days)


@dataclass(frozen=True)
class Group:
    """One trader group's weeks, oldest first, as arrays; changes are null where a week or a contract is missing."""

    days: list[date]
    net: np.ndarray
    long: np.ndarray
    short: np.ndarray
    interest: np.ndarray
    codes: list[str]

    @property
    def whole(self) -> bool:
        """Whether the newest week's change is one of a week."""
        return len(self.days) > 1 and (self.days[-1] - self.days[-2]).days < 11 and self.codes[-1] == self.codes[-2]

    @property
    def share(self) -> float:
        """Net over open interest."""
        return float(self.net[-1] / self.interest[-1])

    @property
    def flow(self) -> float:
        """The week's change of net over open interest."""
        return float((self.net[-1] - self.net[-2]) / self.interest[-1])

    @property
    def percentile(self) -> float:
        """Percent of the weeks known in three years with a net at or below this one."""
        return self.ranked(len(self.days) - 1)

    def ranked(self, week: int) -> float:
        """The same of an earlier week."""
        pairs = zip(self.days[: week + 1], self.net[: week + 1], strict=True)
        known = np.array([net for day, net in pairs if day > self.days[week] - timedelta(weeks=156)])
        return float(100 * np.mean(known <= self.net[week]))

    def state(self, week: int) -> str:
        """What the rank of a week is called."""
        percentile = self.ranked(week)
        tops = ((percentile <= 10, "extreme short"), (percentile <= 30, "short"), (percentile < 70, "neutral"))
        return next((name for holds, name in tops if holds), "long" if percentile < 90 else "extreme long")

    @property
    def streak(self) -> int:
        """For how many weeks net has moved the same way."""
        signs = np.sign(np.diff(self.net))[::-1]
        return int(np.argmax(np.append(signs != signs[0], True)))


class World:
    """One market at one close."""

    def __init__(self, files: Files, market: str, at: datetime) -> None:
        self.files, self.market, self.at = files, market, at
        self.bars = files.standing("staging.market_bars", at, market=market).sort("session_date")
        self.days: list[date] = self.bars["session_date"].to_list()
        self.closes = self.bars["close"].to_numpy()
        self.lows, self.highs = self.bars["low"].to_numpy(), self.bars["high"].to_numpy()

    @property
    def day(self) -> date:
        """The session."""
        return self.days[-1]

    def released(self) -> date:
        """When the newest report came out, by the ledger."""
        report = self.group(MANAGERS).days[-1]
        ledger = self.files.frames["staging.cot_releases"].filter(report_date=report)
        return ledger["released_at"].item().date()  # type: ignore[no-any-return]

    @property
    def change(self) -> float:
        """Close to close."""
        return float(self.closes[-1] / self.closes[-2] - 1)

    def mean(self, sessions: int, back: int = 0) -> float:
        """A simple average of closes."""
        end = len(self.closes) - back
        return float(self.closes[end - sessions : end].mean())

    def rsi(self, closes: np.ndarray | None = None) -> float:
        """Wilder's RSI over 14 sessions of all history."""
        moves = np.diff(self.closes if closes is None else closes)
        gain, loss = np.maximum(moves, 0), np.maximum(-moves, 0)
        up, down = gain[:14].mean(), loss[:14].mean()
        for more, less in zip(gain[14:].tolist(), loss[14:].tolist(), strict=True):
            up, down = (13 * up + more) / 14, (13 * down + less) / 14
        return float(100 * up / (up + down))

    @cached_property
    def atr(self) -> float:
        """Wilder's average true range over 14 sessions."""
        before = self.closes[:-1]
        true = np.maximum(self.highs[1:], before) - np.minimum(self.lows[1:], before)
        # The first bar has no close before it: its range is what it has.
        ranges = np.append(self.highs[0] - self.lows[0], true)[1:]
        mean = ranges[:14].mean()
        for one in ranges[14:].tolist():
            mean = (13 * mean + one) / 14
        return float(mean)

    def sessions_to_cross(self) -> int | None:
        """In how many sessions at this close the 50-day will be on the other side of the 200-day."""
        closes = self.closes[-200:].tolist()
        side = np.sign(np.mean(closes[-50:]) - np.mean(closes))
        for ahead in range(1, 201):
            closes = [*closes[1:], closes[-1]]
            if np.sign(np.mean(closes[-50:]) - np.mean(closes)) == -side:
                return ahead
        return None

    @cached_property
    def reports(self) -> pl.DataFrame:
        """Positions as they stood at the close, TFF futures only."""
        held = self.files.standing("staging.market_positions", self.at, report_type="tff_futures")
        return held.filter(pl.col("open_interest_contracts").is_not_null()).sort("report_date")

    def group(self, name: str, market: str | None = None) -> Group:
        """One trader group's weeks, of this market or another."""
        rows = self.reports.filter(market=market or self.market, trader_group=name)
        net = (rows["long_contracts"] - rows["short_contracts"]).to_numpy()
        sides = (rows[f"{side}_contracts"].to_numpy() for side in ("long", "short"))
        interest = rows["open_interest_contracts"].to_numpy()
        return Group(rows["report_date"].to_list(), net, *sides, interest, rows["contract_codes"].to_list())

    @property
    def markets(self) -> list[str]:
        """Those with positions."""
        return sorted(self.reports["market"].unique())

    def level_groups(self, role: str) -> list[tuple[float, float]]:
        """Zones of a side from the close outwards, merged where prices are closer than half an ATR: low and high."""
        of_day = {"market": self.market, "session_date": self.day, "role": role}
        zones = self.files.frames["features.levels"].filter(**of_day).sort("nearness").to_dicts()
        groups: list[list[dict[str, Any]]] = []
        for zone in zones:
            if groups and abs(zone["price"] - groups[-1][-1]["price"]) < 0.5 * self.atr:
                groups[-1].append(zone)
            else:
                groups.append([zone])
        return [(min(zone["low"] for zone in group), max(zone["high"] for zone in group)) for group in groups]

    def structural(self, role: str) -> float:
        """The price of the first zone beyond the nearest ones that an extreme of price founded."""
        near = self.level_groups(role)[0]
        of_day = {"market": self.market, "session_date": self.day, "role": role}
        zones = self.files.frames["features.levels"].filter(**of_day).sort("nearness").to_dicts()
        founded = [z for z in zones if z["kind"].split("_")[0] in {"swing", "range", "year"} or "252d" in z["kind"]]
        return float(next(z["price"] for z in founded if not near[0] <= z["price"] <= near[1]))

    def profile_price(self) -> float:
        """The point of control of 250 sessions."""
        profiles = self.files.frames["features.volume_profiles"]
        row = profiles.filter(market=self.market, session_date=self.day, profile_window="rolling_250")
        return float(row["poc"].item())

    def followed(self, setup: str, horizon: int = 5) -> list[float]:
        """Returns after the setup's independent events that were over by this close."""
        mart = self.files.frames["marts.positioning_vs_technicals"].filter(market=self.market)
        rows = mart.filter(pl.col("known_at") <= self.at).sort("session_date").to_dicts()
        returns, free, was = [], 0, None
        for place, row in enumerate(rows):
            if row["setups_held"] is None:
                continue
            now = setup in row["setups_held"].split(", ")
            if now and was is False and place >= free and place + horizon < len(rows):
                returns.append(rows[place + horizon]["close"] / row["close"] - 1)
                free = place + horizon
            was = now
        return returns
