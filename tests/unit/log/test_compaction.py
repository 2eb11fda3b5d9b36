"""Merging the files of a raw log: no vintage is lost, none is doubled, whenever the process dies."""

import os
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions
from r2k_pipeline.lake import Lake
from tests.processes import forked
from tests.raw_story import Story, bars_of, days_of

FILES = 12
START = datetime(2024, 1, 1, tzinfo=UTC)


def dies_compacting(folder: Path, event: str, nth: int) -> None:
    """The log of `folder` becomes one file, but the process is killed at its n-th `event`."""
    left = [nth]

    def die(name: str, _: object) -> None:
        left[0] -= name == event
        if left[0] == 0 and name == event:
            os.kill(os.getpid(), signal.SIGKILL)

    lake = Lake.of(folder, "files")
    with lake.lock():
        sys.addaudithook(die)
        lake.compact(PriceActions, 4)


def _dividends(count: int, draw: Random) -> pl.DataFrame:
    days = draw.sample(range(1000), count)
    rows = [
        {"symbol": "IWM", "action_date": date(2020, 1, 1) + timedelta(day), "kind": "dividend", "amount": draw.random()}
        for day in days
    ]
    return pl.DataFrame(rows).with_columns(source=pl.lit("desk"), is_withdrawn=pl.lit(False))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A log of several files, with vintages of the same key in different ones."""
    lake, draw = Lake.of(tmp_path, "files"), Random(7)
    for n in range(FILES):
        stamp = START + timedelta(days=n)
        rows = _dividends(40, draw).with_columns(pl.lit(stamp).cast(pl.Datetime("us", "UTC")).alias("recorded_at"))
        lake.append(PriceActions, PriceActions.validate(rows.select(PriceActions.column_names())), stamp)
    return lake


def _sorted(lake: Lake) -> pl.DataFrame:
    return lake.read(PriceActions).sort(PriceActions.primary_key())


def test_files_become_one_with_every_vintage(lake: Lake) -> None:
    before = _sorted(lake)
    last = lake.files("raw.price_actions")[-1]
    lake.compact(PriceActions, FILES)
    assert len(lake.files("raw.price_actions")) == FILES, "not more than that many"
    lake.compact(PriceActions, FILES - 1)
    (merged,) = lake.files("raw.price_actions")
    assert lake.read(PriceActions).equals(before), "sorted by key"
    assert merged.name.partition("-")[0] == last.name.partition("-")[0]
    assert lake.damaged() == []
    assert sorted(entry.name for entry in merged.parent.iterdir()) == [merged.name]
    lake.compact(PriceActions, 1)
    assert lake.files("raw.price_actions") == [merged]


@pytest.mark.parametrize(
    ("event", "nth", "files"),
    [
        pytest.param("os.rename", 1, FILES, id="before the journal is there"),
        pytest.param("os.rename", 2, FILES, id="before the merged file is there"),
        pytest.param("os.remove", 9, 1, id="when half of them are dropped"),
        pytest.param("os.remove", FILES + 3, 1, id="before the journal is dropped"),
    ],
)
def test_a_process_killed_in_the_middle_loses_and_doubles_nothing(lake: Lake, event: str, nth: int, files: int) -> None:
    """The first two removals are the attempts to clear temporary names, of journal and merged file."""
    before, folder = _sorted(lake), lake.root / "raw" / "price_actions"
    with forked(dies_compacting, lake.root.parent, event, nth) as process:
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == -signal.SIGKILL, "the hook did not strike"
    assert _sorted(lake).equals(before), "as the next reader finds it"
    with lake.lock():
        assert sorted(folder.iterdir()) == lake.files("raw.price_actions"), "nothing is left behind"
        assert len(lake.files("raw.price_actions")) == files
        assert _sorted(lake).equals(before)
        lake.compact(PriceActions, 4)
    assert _sorted(lake).equals(before)
    assert len(lake.files("raw.price_actions")) == 1


def test_fetches_compact_as_they_go(tmp_path: Path) -> None:
    days = days_of(date(2024, 1, 2), 60)
    alike = []
    for most_files in (3, 1000):
        story = Story.begin(tmp_path / str(most_files), raw_files_before_compaction=most_files)
        for n in range(10):
            closes = {day: 2000.0 + (day == days[n]) for day in days[: 40 + n]}
            story.desk.quote(bars_of(closes))
            story.fetch_prices(f"2024-05-{n + 1:02}T22:00")
        alike.append(story.known("price_vintages", "2024-06-01"))
        files = {name: len(story.lake.files(f"raw.{name}")) for name in ("price_bars", "fetch_log")}
        assert max(files.values()) <= 3 if most_files == 3 else files == {"price_bars": 10, "fetch_log": 20}
        assert story.lake.read(FetchLog).height == 20
    assert alike[0].equals(alike[1])
    assert alike[0]["revision"].max() == 2
