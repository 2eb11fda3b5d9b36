"""Stops a run with a wrong clock before it appends anything, because its moment would stay in the lake for ever.

Belongs here: evidence about the clock, bounds and their reasons. Not here: a single bar that is later than its
file (sources/prices.py), small steps back (Run.stamp).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from r2k_pipeline.errors import R2kError
from r2k_pipeline.generations import last_generation
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.protocol import ADDRESS, PriceAnswer, SourceError
from r2k_pipeline.sources.release_calendar import newest_documented
from r2k_pipeline.sources.screening import day_of

STEP_BACK: Final = timedelta(hours=1)
"""Largest step back that is allowed: a time server's corrections are smaller, and Run.stamp covers them."""
ZONES: Final = timedelta(days=1)
"""A day begins in Asia, and a future's session the evening before, while UTC still has the day before."""
LIVE_AHEAD: Final = timedelta(days=30)
"""A live vendor has bars at most this old: no market was closed for longer since 1914."""
AHEAD: Final = timedelta(days=5 * 366)
"""Wide, because files and lakes may be opened years later, which looks like a clock that is ahead. Clocks without a
battery, or that overflowed, are off by more."""


class ClockError(R2kError):
    """The clock contradicts all evidence about it; the message is one line."""


def refuse_wrong_clock(run: Run) -> None:
    """Compare the clock with the lake's last moment and, for files, with the newest bars. Raises ClockError.

    For live vendors `refuse_answers` compares it with their answers.
    """
    moment, last = run.clock(), _last_moment(run)
    if last is not None and moment < last - STEP_BACK:
        evidence = f"before {_said(last)}, the last moment of {run.lake.root}"
        raise ClockError(
            f"{_clock(moment)}, {evidence}", next=f"{_NEXT}, or restore the lake from backup if that moment is wrong"
        )
    if run.is_replay:
        return
    prices = run.sources.prices
    newest = {} if prices.asks_vendor else newest_days(_answers(run))
    _refuse_behind(moment, newest)
    days = [newest_documented(), *newest.values(), *([last.date()] if last else [])]
    if moment.date() - max(days) > AHEAD:
        evidence = f"the newest data, the lake's last moment and the release ledger end on {max(days)}"
        raise ClockError(f"{_clock(moment)}, years ahead", evidence, f"{_NEXT}, or take a newer version of r2k")


def refuse_answers(moment: datetime, answers: Iterable[PriceAnswer], recorded: Iterable[date]) -> None:
    """Compare the clock with the answers just fetched from vendors. Raises ClockError.

    `recorded`: the newest recorded day of each symbol; where it is later, it is the answers that are out of date.
    """
    newest = newest_days(answer for answer in answers if ADDRESS in answer.origin)
    _refuse_behind(moment, newest)
    if newest and moment.date() - max([*newest.values(), *recorded]) > LIVE_AHEAD:
        evidence = f"the newest bar of {len(newest)} symbols is of {max(newest.values())}"
        raise ClockError(
            f"{_clock(moment)}, ahead of the vendor", evidence, f"{_NEXT}; a vendor may be out of date as well"
        )


def newest_days(answers: Iterable[PriceAnswer]) -> dict[str, date]:
    """The newest day of each answer that has one."""
    days = {answer.symbol: _newest(answer.bars) for answer in answers}
    return {symbol: day for symbol, day in days.items() if day is not None}


def _refuse_behind(moment: datetime, newest: Mapping[str, date]) -> None:
    """Bars of a future day: in one file the file is wrong, in most files the clock is."""
    later = {symbol: day for symbol, day in newest.items() if day > (moment + ZONES).date()}
    if len(later) * 2 > len(newest):
        symbol = max(later, key=later.__getitem__)
        evidence = f"{len(later)} of {len(newest)} symbols have later bars, {symbol} of {later[symbol]}"
        raise ClockError(_clock(moment), evidence, f"{_NEXT}, or fix these files")


def _newest(bars: pl.DataFrame) -> date | None:
    if "Date" not in bars.columns:
        return None
    newest = bars.select(day_of("Date"))["Date"].max()
    return newest if isinstance(newest, date) else None


def _answers(run: Run) -> Iterator[PriceAnswer]:
    """The bars of the price files; files that cannot be read fail by name when they are fetched."""
    for symbol in {symbol for market in run.markets for symbol in market.symbols()}:
        try:
            yield run.sources.prices.fetch_prices(symbol)
        except SourceError:
            continue


def _last_moment(run: Run) -> datetime | None:
    """The latest moment in this lake's fetch log and published generation."""
    last = last_generation(run.lake)
    return max(filter(None, (run.last_fetch(), last.row["published_at"] if last else None)), default=None)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _clock(moment: datetime) -> str:
    return f"the clock says {_said(moment)}"


_NEXT: Final = "set the clock"
