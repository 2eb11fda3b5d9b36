"""Any life of one market: contracts hold, published rows never change, truncation holds, and the life is its rebuild.

Belongs here: lives drawn by hypothesis, without files or Dagster. LIVES=100 in the environment tries as many.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables import TABLES
from tests.lived import events as of
from tests.lived.generation_rows import copy_of_raw, dated, published_tables, rows_known_by
from tests.lived.life import BEFORE_OPEN, Clock, Life, LivedRun, markets_of, new_york
from tests.lived.refresh import build
from tests.lived.vendor import NO_ANSWER, Desk, Truth, Vendor, session_moments

LIVES: Final = int(os.environ.get("LIVES", "0"))
FEW: Final = 1
SESSIONS: Final = 300
WINDOW: Final = 6 if LIVES else 3
"""Days on which something happens, at the end of the sessions."""
ONE: Final = markets_of("RUT")
UNSETTLED: Final = "16:10"
"""Closed, and the close is not settled yet: what a run in UTC meets in winter."""
INDEX, FUND, CODE = "^RUT", "IWM", "239742"


@dataclass(frozen=True)
class Drawn:
    """A life: history, events, runs, before which of them what is held is accepted, where the log is cut."""

    first: date
    last: date
    events: tuple[of.Event, ...]
    runs: tuple[datetime, ...]
    accepts: tuple[bool, ...]
    cut: datetime


@cache
def _all_days() -> list[str]:
    """The sample's sessions, as far as there are 300 before."""
    return [day for day in session_moments(date(2025, 12, 31)) if day >= "2020-01-02"]


@st.composite
def lives(draw: st.DrawFn) -> Drawn:
    """A stretch of the sample with one to five events in its last days."""
    start = draw(st.integers(0, len(_all_days()) - SESSIONS))
    days = _all_days()[start : start + SESSIONS]
    window = days[-WINDOW:]
    happened = draw(st.lists(_events(days, window), min_size=1, max_size=5))
    runs = [new_york(window[0])]
    for day in window[1:]:
        times = draw(st.sampled_from([(), ("16:40",), (UNSETTLED,), (BEFORE_OPEN, "16:40"), (BEFORE_OPEN,)]))
        runs += [new_york(day, time) for time in times]
    runs += [new_york(window[-1], "18:00")]
    accepts = draw(st.lists(st.booleans(), min_size=len(runs), max_size=len(runs)))
    first, last = (date.fromisoformat(day) for day in (days[0], days[-1]))
    return Drawn(first, last, tuple(happened), tuple(runs), tuple(accepts), draw(st.sampled_from(runs)))


@st.composite
def _events(draw: st.DrawFn, days: Sequence[str], window: Sequence[str]) -> of.Event:
    """One event that begins on a noon of the window, of a kind that was seen."""
    place = draw(st.integers(1, WINDOW - 1))
    first = new_york(window[place], "12:00")
    lasts = draw(st.integers(1, WINDOW))
    until = first + timedelta(days=lasts)
    symbol = draw(st.sampled_from([INDEX, FUND]))
    newest, old = window[place], draw(st.sampled_from(list(days)))
    week = date.fromisoformat(newest) - timedelta(days=(date.fromisoformat(newest).weekday() - 1) % 7)
    report = week - 7 * timedelta(days=draw(st.integers(0, 8)))
    return draw(
        st.sampled_from(
            [
                of.Missing(first, until, day=newest),
                of.Missing(first, until, day=newest, symbol=symbol),
                of.Missing(first, until, day=old, symbol=symbol),
                of.Doubled(first, until, day=newest, symbol=symbol),
                of.Broken(first, until, day=newest, symbol=symbol),
                of.Broken(first, until, day=old, symbol=symbol),
                of.Revised(first, day=old, symbol=symbol),
                of.Revised(first, until, day=old, symbol=symbol),
                of.Revised(first, day=newest, symbol=symbol),
                of.Stopped(first, until, symbol=symbol, day=newest),
                of.Split(first, symbol=FUND, day=newest),
                of.Dividend(first, symbol=FUND, day=newest),
                of.Dividend(first, until, symbol=FUND, day=old),
                of.MissingReport(first, until, day=week),
                of.MissingReport(first, until, day=report, code=CODE),
                of.RevisedReport(first, day=report, code=CODE),
                of.NoAnswer(first, until, start=symbol),
                of.NoAnswer(first, until, start=(INDEX, FUND)),
                of.NoAnswer(first, until, start="fut_fin"),
            ]
        )
    )


@settings(
    max_examples=LIVES or FEW,
    derandomize=not LIVES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: shrinking would take minutes
)
@given(drawn=lives())
def test_a_life_tells_what_it_told_and_is_its_rebuild(tmp_path_factory, drawn: Drawn) -> None:
    folder = tmp_path_factory.mktemp("life")
    try:
        life = _lived(folder, drawn)
        assert not life.rebuilt(folder / "rebuilt")
        assert not list(_known_too_early(life, drawn.cut + timedelta(minutes=1), folder / "cut"))
    finally:
        shutil.rmtree(folder)


def _lived(folder: Path, drawn: Drawn) -> Life:
    """The life, day by day; each run builds every table, and changes nothing that was published."""
    truth = Truth.of_sample(ONE, drawn.first, drawn.last)
    clock = Clock(drawn.runs[0])
    desk = Desk(Vendor(truth, drawn.events), clock)
    life = Life(Settings(source="live", lake=folder / "lake"), ONE, clock, desk=(desk, desk))
    for moment, accept in zip(drawn.runs, drawn.accepts, strict=True):
        for item in sorted({item for _, item in life.lake.held()}) if accept else ():
            note(life.accept(item, moment - timedelta(minutes=1)))
        day = life.day(moment)
        assert not [line for line in day.failed if "r2k accept" not in line and NO_ANSWER not in line], moment
        assert not day.changed, "\n".join(day.changed)
    return life


def _known_too_early(life: Life, moment: datetime, folder: Path) -> Iterable[str]:
    """Tables whose rows known by `moment` are others without the raw rows that were recorded later.

    None where a fetch had failed, or come before the close had settled: those bars come later and are known from their
    close all the same, which is late news.
    """
    whole = published_tables(life.lake)
    bars = whole["staging.price_vintages"].filter(pl.col("known_at") <= moment)
    if (bars["recorded_at"] > moment).any():
        return
    cut = copy_of_raw(life.lake, folder)
    _drop_later(cut, moment)
    build(LivedRun(life.settings.model_copy(update={"lake": folder}), cut, life.markets, Clock(moment)))
    then = published_tables(cut)
    for name in dated(whole):
        rows, rows_then = (rows_known_by(name, tables, moment).sort(pl.all()) for tables in (whole, then))
        if not rows.equals(rows_then):
            yield f"{name}: {rows.height} rows known by {moment}, {rows_then.height} without what came later"


def _drop_later(lake: Lake, moment: datetime) -> None:
    """Take the raw rows away that were recorded after `moment`."""
    for folder in sorted((lake.root / "raw").iterdir()):
        table = TABLES[f"raw.{folder.name}"]
        stamp = {"fetch_log": "fetched_at", "restatements": "restated_at", "note_log": "known_at"}.get(
            folder.name, "recorded_at"
        )
        rows = lake.read(table).filter(pl.col(stamp) <= moment)
        shutil.rmtree(folder)
        lake.append(table, rows, moment)
