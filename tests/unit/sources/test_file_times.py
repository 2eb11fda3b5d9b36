"""When a price file was saved, and what follows: which bars are final, which days its absences are about.

Files are written with their times set, the run's clock is moved by hand. The small files that go wrong are in
`../shared/faulty`.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.log.ingest import Intake
from r2k_pipeline.sources.files import FilePrices, FileReports
from tests.raw_story import Story, at, bars_of, days_of

DAYS = days_of(date(2025, 10, 1), 21)
"""To 2025-10-29; New York closes at 20:00 UTC."""
MISSING = date(2025, 10, 27)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vendor" / "prices").mkdir(parents=True)
    return tmp_path / "vendor"


@pytest.fixture
def story(tmp_path: Path, folder: Path) -> Story:
    return replace(Story.begin(tmp_path), desk=(FilePrices(folder), FileReports(folder)))


def _save(folder: Path, days: Iterable[date], moment: str, **more: float) -> None:
    """A file of these sessions, saved at a moment; its last close as given."""
    closes = {day: 2400.0 + day.day for day in days}
    if "close" in more:
        closes[max(closes)] = more["close"]
    file = folder / "prices" / "^RUT.csv"
    bars_of(closes).write_csv(file)
    os.utime(file, (at(moment).timestamp(),) * 2)


def _flags(story: Story, day: date) -> list[tuple[object, ...]]:
    rows = story.raw("price_bars").filter(session_date=day).sort("recorded_at")
    return rows.select("close", "is_final", "is_settled").rows()


def _shown(intake: Intake) -> tuple[object, ...]:
    return intake.log.filter(item="^RUT").select("shows_from", "shows_until").row(0)


def test_a_file_saved_before_the_close_and_read_after_it_holds_a_live_bar(story: Story, folder: Path) -> None:
    last = DAYS[13]
    assert last == date(2025, 10, 20)
    _save(folder, DAYS[:14], f"{last}T18:00", close=2473.62)
    story.fetch_prices(f"{last}T20:40")
    assert _flags(story, last) == [(2473.62, False, False)]
    assert story.known("daily_prices", f"{last}T23:59")["session_date"].max() == DAYS[12]
    _save(folder, DAYS[:14], f"{DAYS[14]}T13:00", close=2499.91)
    bars, _ = story.fetch_prices(f"{DAYS[14]}T20:40")
    assert bars.log["message"].to_list() == [None]
    assert _flags(story, last) == [(2473.62, False, False), (2499.91, True, True)]


def test_a_file_saved_in_the_evening_has_closes_and_no_settled_volume(story: Story, folder: Path) -> None:
    _save(folder, DAYS[:14], f"{DAYS[13]}T20:35")
    story.fetch_prices(f"{DAYS[20]}T20:40")
    assert _flags(story, DAYS[13])[0][1:] == (True, False)
    assert _flags(story, DAYS[12])[0][1:] == (True, True)


def test_a_bar_later_than_the_file_disproves_its_time(story: Story, folder: Path) -> None:
    """Unpacked, copied, synchronised: any tool may set any time."""
    _save(folder, DAYS[:14], "2020-01-01T00:00")
    bars, _ = story.fetch_prices(f"{DAYS[20]}T20:40")
    assert bars.log["message"].item() == (
        "the file's time is 2020-01-01 00:00 UTC and it holds the bar of 2025-10-20: judged by the clock of this run "
        "instead, 2025-10-29 20:40 UTC"
    )
    assert story.raw("price_bars")["is_settled"].all()


def test_a_file_saved_on_the_morning_of_its_last_bar_is_disproved_too(story: Story, folder: Path) -> None:
    _save(folder, DAYS[:14], f"{DAYS[13]}T12:00")
    bars, _ = story.fetch_prices(f"{DAYS[13]}T20:40")
    assert "judged by the clock of this run" in bars.log["message"].item()


def test_a_file_of_the_future_is_judged_by_the_clock(story: Story, folder: Path) -> None:
    _save(folder, DAYS[:14], "2031-01-01T00:00")
    bars, _ = story.fetch_prices(f"{DAYS[13]}T18:00")
    assert (bars.log["message"].item(), _flags(story, DAYS[13])[0][1:]) == (None, (False, False))


def test_the_sample_is_no_download(folder: Path) -> None:
    _save(folder, DAYS[:2], "2020-01-01T00:00")
    assert FilePrices(folder, "sample", is_download=False).fetch_prices("^RUT").saved_at is None


def test_a_file_shows_nothing_at_first_and_a_later_version_the_sessions_before_its_last(
    story: Story, folder: Path
) -> None:
    _save(folder, DAYS[:18], f"{DAYS[17]}T20:35")
    first, actions = story.fetch_prices(f"{DAYS[17]}T20:40")
    assert (_shown(first), _shown(actions)) == ((None, None), (None, None))
    again, _ = story.fetch_prices(f"{DAYS[18]}T13:00")
    assert _shown(again) == (None, None), "the same file read again"
    assert DAYS[18] == MISSING
    _save(folder, [*DAYS[3:18], DAYS[19]], f"{DAYS[19]}T20:35")
    later, actions = story.fetch_prices(f"{DAYS[19]}T20:40")
    assert _shown(later) == (DAYS[3], MISSING), "the session that it lacks among them"
    assert _shown(actions) == (None, None), "a file without those columns says nothing of dividends and splits"


def test_a_file_that_fails_shows_nothing(story: Story, folder: Path) -> None:
    _save(folder, DAYS[:18], f"{DAYS[17]}T20:35")
    story.fetch_prices(f"{DAYS[17]}T20:40")
    (folder / "prices" / "^RUT.csv").write_text("<html>")
    failed, _ = story.fetch_prices(f"{DAYS[18]}T20:40")
    assert (failed.failures.height, _shown(failed)) == (1, (None, None))


@pytest.mark.parametrize(
    ("moment", "until"),
    [("20:10", DAYS[16]), ("20:35", DAYS[17]), ("18:00", DAYS[16])],
    ids=["quotes come late", "after the close", "live"],
)
def test_a_live_answer_could_have_shown_all_history_to_the_last_close(tmp_path: Path, moment: str, until: date) -> None:
    story = Story.begin(tmp_path)
    story.desk.quote(bars_of(dict.fromkeys(DAYS[:10], 2400.0)))
    for intake in story.fetch_prices(f"{DAYS[17]}T{moment}"):
        assert _shown(intake) == (date(1900, 1, 1), until)


def test_a_live_answer_that_failed_shows_nothing(tmp_path: Path) -> None:
    bars, _ = Story.begin(tmp_path).fetch_prices(f"{DAYS[17]}T20:35")
    assert _shown(bars) == (None, None)


# Files that went wrong


@pytest.fixture
def faults(real: Path) -> Path:
    folder = real.parent / "faulty" / "prices" / "faults"
    if not folder.is_dir():
        pytest.skip("the faulty price files are not here")
    return folder


def _read(story: Story, folder: Path, file: Path) -> pl.DataFrame:
    (folder / "prices" / "^RUT.csv").write_bytes(file.read_bytes())
    bars, _ = story.fetch_prices("2026-01-05T12:00")
    assert bars.failures.is_empty()
    return bars.log


@pytest.mark.parametrize("name", ["date_leading_space", "date_trailing_space", "date_quoted", "date_unpadded_month"])
def test_all_rows_are_final_however_days_are_written(story: Story, folder: Path, faults: Path, name: str) -> None:
    log = _read(story, folder, faults / f"{name}.csv")
    assert log.select("rows_read", "rows_written", "rows_quarantined").row(0) == (752, 752, 0)
    bars = story.raw("price_bars")
    assert (bars["is_final"].sum(), bars["is_settled"].sum()) == (752, 752)
    assert story.known("daily_prices", "2026-01-05T12:00").height == 752


def test_two_hundred_sessions_without_an_open_are_not_lost(story: Story, folder: Path, faults: Path) -> None:
    log = _read(story, folder, faults / "open_zero.csv")
    assert log.select("rows_written", "rows_quarantined").row(0) == (752, 0)
    assert "no open inside the bar, 200 sessions" in log["message"].item()
    known = story.known("daily_prices", "2026-01-05T12:00")
    assert (known.height, known["open"].null_count()) == (752, 200)
    assert story.known("market_bars", "2026-01-05T12:00")["open"].null_count() == 200


def test_a_doubled_last_row_costs_its_volume(story: Story, folder: Path, faults: Path) -> None:
    log = _read(story, folder, faults / "dup_last_volume.csv")
    assert log.select("rows_read", "rows_written", "rows_identical").row(0) == (753, 752, 1)
    assert "differ in their volumes alone, on 2025-12-31" in log["message"].item()
    last = story.known("daily_prices", "2026-01-05T12:00").tail(1)
    assert (round(last["close"].item(), 2), last["volume"].item()) == (2481.91, None)
