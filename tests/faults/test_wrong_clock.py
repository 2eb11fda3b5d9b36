"""A clock that cannot be right stops the run before anything is appended; small steps of a time server do not."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from r2k_pipeline.definitions import defs
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.log.wrong_clock import ClockError, refuse_answers
from r2k_pipeline.markets import read_markets
from r2k_pipeline.orchestration.execute import execute_refresh
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.protocol import PriceAnswer
from r2k_pipeline.sources.release_calendar import newest_documented
from tests.lakes import Published
from tests.raw_story import Story, at, bars_of, days_of

DAYS = days_of(at("2024-01-02").date(), 40)
CLOSES = dict.fromkeys(DAYS, 2000.0)


def _run_at(moment: datetime, folder: Path, **settings: object) -> None:
    execute_refresh(defs, Settings(lake=folder, **settings), lambda said: Run.of(said, lambda: moment))


@pytest.mark.parametrize("year", [1990, 2099])
def test_the_two_clocks_of_the_review(
    year: int, sample: Published, copy_of: Callable[[Path, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = copy_of(sample.folder, "lake")
    raw = {file: file.read_bytes() for file in (folder / "sample" / "raw").rglob("*.parquet")}
    published = (folder / "sample" / "published").readlink()
    with pytest.raises(ClockError, match=rf"^the clock says {year}-06-01 12:00:00 UTC, .*; next: set the clock"):
        _run_at(datetime(year, 6, 1, 12, tzinfo=UTC), folder, source="sample")
    assert {file: file.read_bytes() for file in (folder / "sample" / "raw").rglob("*.parquet")} == raw
    assert (folder / "sample" / "published").readlink() == published


@dataclass(frozen=True)
class Files:
    """A folder of price files."""

    folder: Path

    def save(self, closes: Mapping[str, dict]) -> None:
        (self.folder / "prices").mkdir(parents=True, exist_ok=True)
        for symbol, of_it in closes.items():
            bars_of(of_it).write_csv(self.folder / "prices" / f"{symbol}.csv")


def _new(tmp_path: Path, moment: datetime) -> Run:
    settings = Settings(source="files", files=tmp_path / "files", lake=tmp_path / "lake")
    return replace(Run.of(settings, lambda: moment), markets=read_markets())


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("1990-01-01T12:00", r"3 of 3 symbols have later bars, \S+ of 2024-02-28; next: set the clock, or fix"),
        ("2024-02-01T12:00", "3 of 3 symbols have later bars"),
        ("2024-02-27T12:00", None),
        ("2026-03-01T12:00", None),
        ("2029-03-01T12:00", None),
        ("2036-02-07T06:28", "years ahead: the newest data, the lake's last moment and the release ledger end on 20"),
    ],
)
def test_a_new_lake_has_the_files_as_evidence(tmp_path: Path, moment: str, said: str | None) -> None:
    (tmp_path / "files").mkdir()
    Files(tmp_path / "files").save(dict.fromkeys(("^RUT", "IWM", "^GSPC"), CLOSES))
    run = _new(tmp_path, at(moment))
    if said is None:
        begin(run)
        return
    with pytest.raises(ClockError, match=said):
        begin(run)
    assert not (run.lake.root / "raw").exists()


def test_one_file_with_a_day_to_come_is_wrong_itself(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    later = CLOSES | {at("2042-01-02").date(): 2000.0}
    Files(tmp_path / "files").save({"^RUT": later, "IWM": CLOSES, "^GSPC": CLOSES})
    begin(_new(tmp_path, at("2026-03-01T12:00")))


@pytest.mark.parametrize(
    ("step", "is_refused"),
    [
        (timedelta(seconds=-3), False),
        (timedelta(minutes=-59), False),
        (timedelta(minutes=-61), True),
        (timedelta(days=800), False),
        (timedelta(days=3650), True),
    ],
)
def test_a_lake_that_lives_knows_its_last_moment(tmp_path: Path, step: timedelta, is_refused: bool) -> None:
    story = Story.begin(tmp_path)
    story.desk.quote(bars_of(CLOSES))
    story.fetch_prices("2024-05-01T22:00")
    story.clock.moment = at("2024-05-01T22:00") + step
    if not is_refused:
        begin(story)
        return
    with pytest.raises(ClockError, match="next: set the clock"):
        begin(story)


def test_the_published_moment_counts_where_the_fetch_log_was_lost(
    sample: Published, copy_of: Callable[[Path, str], Path]
) -> None:
    folder = copy_of(sample.folder, "lake")
    shutil.rmtree(folder / "sample" / "raw")
    (folder / "sample" / "account.json").write_bytes((folder / "sample" / "account.json").read_bytes())
    run = Run.of(Settings(lake=folder, source="sample"), lambda: datetime(2025, 6, 1, tzinfo=UTC))
    run.lake.keep_account(run.lake.present_account())
    with pytest.raises(ClockError, match="the last moment of"):
        begin(run)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2024-02-28T21:35", None),
        ("2024-03-08T12:00", None),
        ("2024-05-01T12:00", "ahead of the vendor: the newest bar of 1 symbols is of 2024-02-28"),
        ("2024-02-25T12:00", "1 of 1 symbols have later bars"),
    ],
)
def test_a_vendor_that_was_just_asked_is_evidence(moment: str, said: str | None) -> None:
    bars = bars_of(CLOSES)
    answers = [PriceAnswer("^RUT", "https://vendor/^RUT", bars, bars.clear())]
    if said is None:
        refuse_answers(at(moment), answers, [])
        return
    with pytest.raises(ClockError, match=said):
        refuse_answers(at(moment), answers, [])


def test_a_vendor_whose_answers_are_all_cut_off_is_no_evidence() -> None:
    bars = bars_of(CLOSES)
    refuse_answers(
        at("2024-05-01T12:00"), [PriceAnswer("^RUT", "https://vendor/^RUT", bars, bars.clear())], [date(2024, 4, 30)]
    )


def test_this_version_knows_when_it_was_made() -> None:
    assert newest_documented().year >= 2025
