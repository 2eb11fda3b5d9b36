"""What happens to a vendor's answers in a life: each event changes what is listed from one moment to another.

Belongs here: the kinds of event that were seen of real vendors. Not here: which of them a test has, and when.
"""

import csv
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

import polars as pl

BAR: Final = ("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume")
ACTIONS: Final = ("Date", "Dividends", "Stock Splits")
PRICES: Final = BAR[1:6]
NO_ACTIONS: Final = pl.DataFrame(schema=dict.fromkeys(ACTIONS, pl.String))
LONG: Final = (14, 17)
"""Columns of the leveraged funds' and the other reportables' longs in a TFF line."""


@dataclass(frozen=True)
class Line:
    """One line of a report file: which report, whose contract."""

    file: str
    day: date
    code: str
    text: str


@dataclass(frozen=True)
class Event:
    """Something that a vendor does from `first` until `until` (a moment; never: for good)."""

    first: datetime
    until: datetime | None = None

    def is_on(self, moment: datetime) -> bool:
        """Whether it shows at `moment`."""
        return self.first <= moment and (self.until is None or moment < self.until)

    def bars(self, symbol: str, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
        """The price rows with this event in them."""
        return rows

    def actions(self, symbol: str, moment: datetime) -> pl.DataFrame:
        """The dividends and splits that this event adds."""
        return NO_ACTIONS

    def acts_on(self, symbol: str) -> bool:
        """Whether it ever adds an action to `symbol`."""
        return False

    def lines(self, lines: list[Line], moment: datetime) -> list[Line]:
        """The report lines with this event in them."""
        return lines

    def refuses(self, item: str, moment: datetime) -> bool:
        """Whether the vendor gives no answer about `item`, a symbol or the name of a report's file."""
        return False


@dataclass(frozen=True)
class NoAnswer(Event):
    """The vendor does not answer about items whose names begin with `start` (seen of both: 403, 429, no connection)."""

    start: str | tuple[str, ...] = ""

    def refuses(self, item: str, moment: datetime) -> bool:
        return self.is_on(moment) and item.startswith(self.start)


@dataclass(frozen=True)
class _OfBar(Event):
    """Something about the bar of one session, of one symbol or of all."""

    day: str = ""
    symbol: str | None = None

    def bars(self, symbol: str, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
        if not self.is_on(moment) or self.symbol not in (None, symbol):
            return rows
        return self.changed(rows, pl.col("Date") == self.day)

    def changed(self, rows: pl.DataFrame, at_day: pl.Expr) -> pl.DataFrame:
        """The rows with that day's bar changed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Missing(_OfBar):
    """The session is not listed."""

    def changed(self, rows: pl.DataFrame, at_day: pl.Expr) -> pl.DataFrame:
        return rows.filter(~at_day)


@dataclass(frozen=True)
class Doubled(_OfBar):
    """The row is there twice, the second time with another volume (seen of yfinance)."""

    def changed(self, rows: pl.DataFrame, at_day: pl.Expr) -> pl.DataFrame:
        again = rows.filter(at_day).with_columns(Volume=pl.lit("1200"))
        return pl.concat([rows, again]).sort("Date", maintain_order=True)


@dataclass(frozen=True)
class Revised(_OfBar):
    """Close and low are lower by a share; the bar is as possible as before."""

    share: float = 0.004

    def changed(self, rows: pl.DataFrame, at_day: pl.Expr) -> pl.DataFrame:
        low = pl.col("Low").cast(pl.Float64) * (1 - self.share)
        return rows.with_columns(
            pl.when(at_day).then(_text(low)).otherwise(name).alias(name) for name in ("Low", "Close")
        )


@dataclass(frozen=True)
class Broken(_OfBar):
    """High is below low: no bar."""

    def changed(self, rows: pl.DataFrame, at_day: pl.Expr) -> pl.DataFrame:
        below = _text(pl.col("Low").cast(pl.Float64) * 0.9)
        return rows.with_columns(High=pl.when(at_day).then(below).otherwise("High"))


@dataclass(frozen=True)
class Stopped(Event):
    """The answer of one symbol ends with the session before `day`."""

    symbol: str = ""
    day: str = ""

    def bars(self, symbol: str, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
        stops = self.is_on(moment) and symbol == self.symbol
        return rows.filter(pl.col("Date") < self.day) if stops else rows


@dataclass(frozen=True)
class _Action(Event):
    """An action of one symbol on one day."""

    symbol: str = ""
    day: str = ""

    def acts_on(self, symbol: str) -> bool:
        return symbol == self.symbol

    def _listed(self, symbol: str, moment: datetime, dividend: str, split: str) -> pl.DataFrame:
        listed = self.is_on(moment) and symbol == self.symbol
        return (
            pl.DataFrame([(self.day, dividend, split)], schema=NO_ACTIONS.schema, orient="row")
            if listed
            else NO_ACTIONS
        )


@dataclass(frozen=True)
class Split(_Action):
    """`ratio` new shares for an old one: all prices before the day are divided by it, volumes multiplied."""

    ratio: int = 2

    def bars(self, symbol: str, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
        if symbol != self.symbol:
            return rows
        # The true series has no split: from its day on all prices are those of new shares.
        is_new = pl.lit(self.is_on(moment)) | (pl.col("Date") >= self.day)
        prices = {name: _text(pl.col(name).cast(pl.Float64) / self.ratio) for name in PRICES}
        volume = (pl.col("Volume").cast(pl.Float64) * self.ratio).cast(pl.Int64).cast(pl.String)
        new = {**prices, "Volume": volume}
        return rows.with_columns(pl.when(is_new).then(value).otherwise(name).alias(name) for name, value in new.items())

    def actions(self, symbol: str, moment: datetime) -> pl.DataFrame:
        return self._listed(symbol, moment, "0", f"{self.ratio}.0")


@dataclass(frozen=True)
class Dividend(_Action):
    """A dividend; the history is as traded, so that no bar changes."""

    amount: float = 0.5

    def actions(self, symbol: str, moment: datetime) -> pl.DataFrame:
        return self._listed(symbol, moment, str(self.amount), "0")


@dataclass(frozen=True)
class MissingReport(Event):
    """The lines of one report, or of one contract in it, are not listed."""

    day: date = date.min
    code: str | None = None

    def lines(self, lines: list[Line], moment: datetime) -> list[Line]:
        if not self.is_on(moment):
            return lines
        return [line for line in lines if line.day != self.day or self.code not in (None, line.code)]


@dataclass(frozen=True)
class RevisedReport(Event):
    """Contracts of one line move from the leveraged funds' longs to the other reportables'."""

    day: date = date.min
    code: str = ""
    contracts: int = 7

    def lines(self, lines: list[Line], moment: datetime) -> list[Line]:
        return [self._moved(line) if self.is_on(moment) else line for line in lines]

    def _moved(self, line: Line) -> Line:
        if (line.day, line.code) != (self.day, self.code):
            return line
        (cells,) = csv.reader([line.text])
        for column, moved in zip(LONG, (-self.contracts, self.contracts), strict=True):
            cells[column] = str(int(cells[column]) + moved)
        return replace(line, text=",".join(f'"{cell}"' for cell in cells))


def _text(number: pl.Expr) -> pl.Expr:
    return number.round(6).cast(pl.String)
