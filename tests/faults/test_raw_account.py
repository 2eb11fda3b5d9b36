"""Raw is held against its account: what is gone, foreign or damaged stops a run, and only `r2k accept raw` goes on.

Belongs here: lakes of a few rows and what is done to their raw files behind r2k's back, or by a kill at each step of an
append. Not here: that merging loses nothing (tests/unit/log/test_compaction.py).
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.log.acceptance import accept_held, accept_raw
from r2k_pipeline.log.beginning import begin
from r2k_pipeline.log.recording import MADE_UP
from r2k_pipeline.raw_check import RawError
from tests.pipeline.command_line import r2k
from tests.processes import forked
from tests.raw_story import Story, at, bars_of, days_of

DAYS = days_of(date(2024, 1, 2), 60)
CLOSES = dict.fromkeys(DAYS[:40], 2000.0)


def story_of(folder: Path) -> Story:
    (folder / "desk").mkdir(parents=True, exist_ok=True)
    story = Story.begin(folder)
    return replace(story, settings=story.settings.model_copy(update={"files": folder / "desk"}))


def told_twice(folder: Path) -> Story:
    """Two fetches, the second with new days."""
    story = story_of(folder)
    for n, moment in ((40, "2024-05-01T22:00"), (42, "2024-05-02T22:00")):
        story.desk.quote(bars_of(dict.fromkeys(DAYS[:n], 2000.0)))
        story.fetch_prices(moment)
    return story


def dies_telling(folder: Path, renames: int) -> None:
    """`told_twice`, killed at its n-th renaming of a file."""
    left = [renames]

    def die(name: str, arguments: tuple[object, ...]) -> None:
        if name == "os.rename" and "/files/" in str(arguments[1]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    told_twice(folder)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return told_twice(tmp_path_factory.mktemp("told"))


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Story:
    story = told.copied_to(tmp_path)
    return replace(story, settings=story.settings.model_copy(update={"files": tmp_path / "desk"}))


def _run(story: Story) -> Result:
    return r2k(story.settings.lake, "run", "--files", story.settings.files, "--lake", story.settings.lake)


def _bars(lake: Lake) -> list[Path]:
    return sorted((lake.root / "raw" / "price_bars").glob("*.parquet"))


def _lose_a_table(lake: Lake) -> str:
    gone = _bars(lake)
    for file in gone:
        file.unlink()
    return f"price_bars/{gone[0].name} (it is gone)"


def _lose_one(lake: Lake) -> str:
    _bars(lake)[1].unlink()
    return "it is gone"


def _lose_all(lake: Lake) -> str:
    shutil.rmtree(lake.root / "raw")
    return "it is gone"


def _lose_fetches(lake: Lake) -> str:
    shutil.rmtree(lake.root / "raw" / "fetch_log")
    return "it is gone"


def _copy(lake: Lake) -> str:
    file = _bars(lake)[0]
    shutil.copy(file, file.with_name(f"copy-{file.name}"))
    return f"copy-{file.name}: a copy of {file.name}, which no run wrote"


def _bring_another_lakes(lake: Lake) -> str:
    other = told_twice(lake.root.parent / "other").lake
    file = other.append(PriceBars, other.read(PriceBars)[:5], story_of(lake.root.parent / "other").clock())
    assert file is not None
    shutil.copy(file, lake.root / "raw" / "price_bars")
    return f"{file.name}: no run wrote this file"


def _flip_a_bit(lake: Lake) -> str:
    body = bytearray(_bars(lake)[0].read_bytes())
    body[50] ^= 1
    _bars(lake)[0].write_bytes(body)
    return "content does not match the digest in its name"


BREAKS = (_lose_a_table, _lose_one, _lose_all, _lose_fetches, _copy, _bring_another_lakes, _flip_a_bit)


@pytest.mark.parametrize("break_raw", [_lose_a_table, _lose_all, _copy])
def test_a_run_ends_with_one_line_and_learns_nothing_anew(story: Story, break_raw: Callable[[Lake], str]) -> None:
    said = break_raw(story.lake)
    before = sorted(story.lake.root.rglob("raw/**"))
    ended = _run(story)
    (line,) = ended.stderr.splitlines()
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert said in line
    assert "r2k accept raw --source files" in line
    assert sorted(story.lake.root.rglob("raw/**")) == before


@pytest.mark.parametrize("break_raw", BREAKS)
def test_whoever_goes_on_and_doctor_name_it(story: Story, break_raw: Callable[[Lake], str]) -> None:
    said = break_raw(story.lake)
    for _ in range(2):
        with pytest.raises(RawError) as refused:
            begin(story)
        assert said in str(refused.value)
        assert "r2k accept raw --source files" in str(refused.value)
    examined = r2k(story.settings.lake, "doctor", "--source", "files", "--lake", story.settings.lake)
    assert examined.exit_code == 1
    assert said.replace("price_bars/", "").split(" (")[0] in examined.stdout


@pytest.mark.parametrize("break_raw", BREAKS)
def test_only_accepting_it_goes_on_and_that_stays_known(story: Story, break_raw: Callable[[Lake], str]) -> None:
    break_raw(story.lake)
    with pytest.raises(R2kError, match="accept raw"):
        accept_held(story, "^RUT")
    accepted = r2k(story.settings.lake, "accept", "raw", "--source", "files", "--lake", story.settings.lake)
    assert accepted.exit_code == 0, accepted.output
    assert begin(story) is None
    kept = story.lake.account()
    assert kept is not None
    assert kept.accepted
    with pytest.raises(R2kError, match="as the account says"):
        accept_raw(story)
    told = r2k(story.settings.lake, "doctor", "--source", "files", "--lake", story.settings.lake).stdout
    assert kept.accepted[0].file in told
    is_aside = [file.name for file in story.lake.root.glob("set_aside/*/*")]
    assert bool(is_aside) is (break_raw in (_copy, _bring_another_lakes, _flip_a_bit))


def test_fetches_that_are_gone_and_accepted_are_counted_anew(story: Story) -> None:
    before = story.raw("fetch_log").filter(table_name="raw.price_bars")["rows_written"].sum()
    _lose_fetches(story.lake)
    accept_raw(story)
    begin(story)
    log = story.raw("fetch_log")
    assert log["rows_written"].sum() == before
    assert log["message"].to_list() == [MADE_UP] * 2


@pytest.mark.parametrize("renames", range(2, 9))
def test_a_kill_at_any_step_leaves_nothing_uncounted(tmp_path: Path, renames: int) -> None:
    """Account, bars, account, then the same of the fetch log, and of that of actions."""
    with forked(dies_telling, tmp_path, renames) as process:
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == -signal.SIGKILL, "the hook did not strike"
    story = story_of(tmp_path)
    story.clock.moment = at("2024-05-01T22:01")
    with story.lake.lock():
        begin(story)
    assert story.lake.raw_faults() == []
    assert story.lake.account() == story.lake.present_account()
    story = told_twice(tmp_path)
    rows = story.lake.read(PriceBars)
    assert rows.height == 42
    log = story.lake.read(FetchLog).filter(table_name="raw.price_bars")
    assert log["rows_written"].sum() == 42
    assert set(rows["recorded_at"]) <= set(log["fetched_at"])


def test_an_acceptance_that_was_killed_before_it_was_counted_is_one(story: Story) -> None:
    story.desk.quote(bars_of(dict.fromkeys(DAYS[:42], 2100.0)))
    story.fetch_prices("2024-05-03T22:00")
    ((_, held),) = story.lake.held().items()
    kept = held.read_bytes()
    accept_held(story, "^RUT")
    newest = sorted((story.lake.root / "raw" / "fetch_log").iterdir())[-1]
    newest.unlink()
    held.write_bytes(kept)
    account = story.lake.settled_account().settle("fetch_log", None, {newest.name})
    story.lake.keep_account(account)
    begin(story)
    last = story.raw("fetch_log").sort("fetched_at").row(-1, named=True)
    assert (last["status"], last["item"], last["rows_written"]) == ("accepted", "^RUT", 42)


def test_a_lake_without_an_account_is_taken_over_once(story: Story) -> None:
    story.lake.account_file.unlink()
    said = begin(story)
    assert said is not None
    assert "account.json: the account of raw begins with" in said
    assert begin(story) is None


@pytest.mark.parametrize("break_raw", [_lose_a_table, _lose_all, _lose_fetches, _copy, _flip_a_bit])
def test_what_such_a_lake_has_lost_is_not_taken_over(story: Story, break_raw: Callable[[Lake], str]) -> None:
    story.lake.account_file.unlink()
    story.lake.warehouse.touch()
    break_raw(story.lake)
    for _ in range(2):
        with pytest.raises(RawError, match=r"next: .*r2k accept raw"):
            begin(story)
    accept_raw(story)
    begin(story)


def test_a_damaged_account_says_so(story: Story) -> None:
    body = story.lake.account_file.read_bytes()
    story.lake.account_file.write_bytes(body.replace(b"price_bars", b"price_cars"))
    with pytest.raises(R2kError, match=r"account\.json: the account of raw cannot be read: .* r2k accept raw"):
        begin(story)
    assert _run(story).exit_code == 1
    assert "account.json: " in accept_raw(story)
    begin(story)


def test_files_that_were_merged_do_not_come_back(tmp_path: Path) -> None:
    """From a backup of before: their rows would be there twice."""
    story = told_twice(tmp_path)
    older = {file: file.read_bytes() for file in _bars(story.lake)}
    story.lake.compact(PriceBars, 1)
    assert story.lake.raw_faults() == []
    for file, body in older.items():
        file.write_bytes(body)
    assert {fault.reason for fault in story.lake.raw_faults()} == {"no run wrote this file"}


def test_the_fetch_after_a_killed_one_shows_what_its_file_lacked(tmp_path: Path) -> None:
    """A day that the file of the 2nd lacked is known from the 3rd on, whether the fetch of the 2nd was killed once."""
    story = story_of(tmp_path)
    kept = [day for day in DAYS[:42] if day != DAYS[40]]
    for days, moment in ((DAYS[:40], "2024-05-01T22:00"), (kept, "2024-05-02T22:00")):
        _save(story, days, moment)
        story.fetch_prices(moment)
    for fetch in story.lake.files("raw.fetch_log"):
        if fetch.name.startswith("20240502"):
            fetch.unlink()
    story.lake.keep_account(story.lake.present_account())
    begin(story)
    assert MADE_UP in story.raw("fetch_log")["message"].to_list()
    bars, actions = story.fetch_prices("2024-05-02T22:01")
    for log in (bars.log, actions.log):
        assert log.filter(item="^RUT").select("shows_from", "shows_until").row(0) == (DAYS[0], DAYS[40])
    _save(story, DAYS[:43], "2024-05-03T22:00")
    story.fetch_prices("2024-05-03T22:00")
    late = story.known("price_vintages", "2024-05-04T00:00").filter(session_date=DAYS[40])
    assert late["known_at"].item() == at("2024-05-03T22:00")


def _save(story: Story, days: list[date], moment: str) -> None:
    story.desk.asks_vendor = False
    story.desk.quote(bars_of(dict.fromkeys(days, 2000.0)))
    story.desk.prices["^RUT"] = replace(story.desk.prices["^RUT"], saved_at=at(moment))
