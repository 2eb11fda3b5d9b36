"""Stories of revisions: what is taken as a vintage, what is held until accepted, what a withdrawal leaves."""

import csv
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from r2k_pipeline.cli import main
from r2k_pipeline.errors import R2kError
from r2k_pipeline.log.acceptance import accept_held
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.raw_story import Story, actions_of, at, bars_of, days_of, lines_of, zip_of

YEAR = "fut_fin_txt_2024.zip"
Z = pl.col("is_withdrawn")


@pytest.fixture(scope="module")
def year() -> list[str]:
    """The sample's TFF file of 2024: header, then five markets in 53 weeks."""
    return lines_of(build_sample_cot()[YEAR])


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story.begin(tmp_path)


@pytest.fixture
def closes() -> dict[date, float]:
    """A hundred sessions of 2024."""
    return {day: 2000.0 + 4 * n for n, day in enumerate(days_of(date(2024, 1, 2), 100))}


def _of_day(line: str) -> str:
    return line.split(",")[2]


def _until(year: list[str], day: str) -> list[str]:
    return [year[0], *(line for line in year[1:] if _of_day(line) <= day)]


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def _split(story: Story, closes: dict[date, float]) -> None:
    """A hundred sessions, then a split that rewrites them, with one session more."""
    *old, newest = closes
    story.desk.quote(bars_of({day: closes[day] for day in old}))
    story.fetch_prices("2024-05-22T22:00")
    split = actions_of((str(newest), "0", "2.0"))
    story.desk.quote(bars_of({day: close / 2 for day, close in closes.items()}), split)


def test_a_split_that_rewrites_a_history_is_held_then_accepted(story: Story, closes: dict[date, float]) -> None:
    _split(story, closes)
    bars, actions = story.fetch_prices("2024-05-24T22:00")
    assert bars.log.select("status", "rows_read", "rows_written", "rows_held").row(0) == ("held", 100, 0, 100)
    assert "99 would change" in bars.failures["message"].item()
    assert "2000.0 -> 1000.0" in bars.failures["message"].item()
    assert bars.failures["message"].item().endswith("; next: r2k accept '^RUT' --source files")
    assert actions.log.select("status", "rows_written", "rows_held").row(0) == ("held", 0, 1)
    assert story.raw("price_bars").height == 99, "the new session is on the new scale: held with the rest"
    assert story.known("daily_prices", "2024-05-24T23:00")["close"].to_list() == list(closes.values())[:99]

    story.clock.moment = at("2024-05-25T10:00")
    said = accept_held(story, "^RUT")
    assert "100 held rows of raw.price_bars accepted" in said
    assert "r2k run" in said
    assert story.raw("price_bars").height == 199
    assert story.raw("price_actions").height == 1
    accepted = story.raw("fetch_log").filter(status="accepted").sort("table_name")
    assert accepted.select("table_name", "rows_read", "rows_written").rows() == [
        ("raw.price_actions", 1, 1),
        ("raw.price_bars", 100, 100),
    ]
    before, after = (story.known("daily_prices", f"2024-05-25T{moment}") for moment in ("09:59", "10:00"))
    assert before["close"].to_list() == list(closes.values())[:99]
    assert after["close"].to_list() == [close / 2 for close in closes.values()]
    assert after["revision"].to_list() == [1] * 99 + [0]
    assert after["known_at"].unique().to_list() == [at("2024-05-25T10:00")], "no scale is mixed at any moment"
    assert story.lake.held() == {}

    again, _ = story.fetch_prices("2024-05-26T22:00")
    assert again.log.select("status", "rows_identical").row(0) == ("ok", 100)


def test_a_price_printed_to_other_digits_is_the_same_price(story: Story, closes: dict[date, float]) -> None:
    """Yahoo's are of 32 bits: 2080.489990234375, where its own page and other vendors print 2080.49."""
    cents = {day: round(close + 0.01 * (1 + n % 98), 2) for n, (day, close) in enumerate(closes.items())}
    story.desk.quote(bars_of({day: float(np.float32(close)) for day, close in cents.items()}))
    story.fetch_prices("2024-05-24T22:00")
    for digits, moment in ((2, "2024-05-25T22:00"), (6, "2024-05-26T22:00")):
        story.desk.quote(bars_of({day: round(float(np.float32(close)), digits) for day, close in cents.items()}))
        bars, _ = story.fetch_prices(moment)
        assert bars.log.select("status", "rows_identical", "rows_written").row(0) == ("ok", 100, 0)
    story.desk.quote(bars_of(cents | {list(cents)[50]: list(cents.values())[50] + 0.01}))
    bars, _ = story.fetch_prices("2024-05-27T22:00")
    assert bars.log.select("status", "rows_identical", "rows_written").row(0) == ("ok", 99, 1), "a cent is a revision"


def test_what_is_held_is_replaced_by_the_next_fetch_and_dropped_when_the_vendor_takes_it_back(
    story: Story, closes: dict[date, float]
) -> None:
    _split(story, closes)
    story.fetch_prices("2024-05-24T22:00")
    held = story.lake.held()["raw.price_bars", "^RUT"]
    story.desk.quote(bars_of({day: close / 4 for day, close in closes.items()}))
    story.fetch_prices("2024-05-25T22:00")
    assert pl.read_parquet(held)["close"].min() == 500.0
    story.desk.prices.clear()
    story.fetch_prices("2024-05-26T22:00")
    assert held.exists(), "a fetch that fails says nothing about it"
    story.desk.quote(bars_of(closes | {list(closes)[-1]: closes[list(closes)[-1]] * 0.9}))
    bars, _ = story.fetch_prices("2024-05-27T22:00")
    assert bars.log["status"].item() == "ok"
    assert story.lake.held() == {}


def test_a_wrong_symbols_file_leaves_nothing_behind(story: Story, closes: dict[date, float]) -> None:
    days = list(closes)
    story.desk.quote(bars_of({day: closes[day] for day in days[:-1]}))
    story.fetch_prices("2024-05-23T22:00")
    story.desk.quote(bars_of({day: 3 * close for day, close in closes.items()}))
    story.fetch_prices("2024-05-24T22:00")
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-05-25T22:00")
    assert story.raw("price_bars")["close"].max() < 3 * min(closes.values())
    assert story.lake.held() == {}


def test_few_revisions_and_a_stated_share_are_taken_unasked(tmp_path: Path, closes: dict[date, float]) -> None:
    story = Story.begin(tmp_path, revision_share=0.3)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-05-27T22:00")
    for count, moment, status in ((20, "28", "ok"), (30, "29", "ok"), (31, "30", "held")):
        revised = {day: close + count for day, close in list(closes.items())[:count]}
        story.desk.quote(bars_of(closes | revised))
        bars, _ = story.fetch_prices(f"2024-05-{moment}T22:00")
        assert bars.log["status"].item() == status, count


def test_a_close_that_is_revised_is_told_and_a_volume_is_not(story: Story, closes: dict[date, float]) -> None:
    bars, day = bars_of(closes), list(closes)[3]
    story.desk.quote(bars)
    story.fetch_prices("2024-05-27T22:00")
    at_day = pl.col("Date") == str(day)
    story.desk.quote(bars.with_columns(Volume=pl.when(at_day).then(pl.lit("77")).otherwise("Volume")))
    revised, _ = story.fetch_prices("2024-05-28T22:00")
    assert revised.log.select("rows_written", "message").row(0) == (1, None)
    story.desk.quote(bars_of(closes | {day: closes[day] + 1}))
    revised, _ = story.fetch_prices("2024-05-29T22:00")
    assert revised.log["message"].item().startswith(f"rows known before differ: 1, e.g. {day} close ")


def test_accepting_twice_and_what_is_not_held(story: Story, closes: dict[date, float]) -> None:
    _split(story, closes)
    story.fetch_prices("2024-05-24T22:00")
    held = story.lake.held()["raw.price_bars", "^RUT"]
    body = held.read_bytes()
    accept_held(story, "^RUT")
    rows = story.raw("price_bars").height
    held.write_bytes(body)  # as if the process had died before the file was dropped
    assert "0 held rows" in accept_held(story, "^RUT")
    assert story.raw("price_bars").height == rows
    with pytest.raises(R2kError, match="held: nothing; next: r2k status --source files"):
        accept_held(story, "^RUT")


def test_accept_from_the_command_line(story: Story, closes: dict[date, float]) -> None:
    _split(story, closes)
    story.fetch_prices("2024-05-24T22:00")
    where = ["--source", "files", "--lake", str(story.settings.lake)]
    wrong = CliRunner().invoke(main, ["accept", "^SPX", *where])
    assert (wrong.exit_code, "held: ^RUT" in wrong.stderr) == (1, True)
    done = CliRunner().invoke(main, ["accept", "^RUT", *where])
    assert (done.exit_code, "100 held rows" in done.stdout) == (0, True), done.output


def test_sixteen_markets_of_one_report_are_republished_a_week_later(story: Story, real: Path) -> None:
    lines = lines_of((real / "cot" / YEAR).read_bytes())
    story.desk.documents[YEAR] = zip_of(lines)
    story.fetch_reports("2024-12-31T22:00")
    places = [n for n, line in enumerate(lines) if _cells(line)[2] == "2024-03-26"][:16]
    for n in places:
        cells = _cells(lines[n])
        cells[71] = str(int(cells[71]) + 1)
        lines[n] = ",".join(f'"{cell}"' for cell in cells)
    story.desk.documents[YEAR] = zip_of(lines)
    fetched = story.fetch_reports("2025-01-07T22:00")
    assert fetched.log.select("status", "rows_written", "rows_held").row(0) == ("ok", 16, 0)
    said = fetched.log["message"].item()
    assert re.match(r"rows known before differ: 16, e\.g\. \S+ 2024-03-26 \w+ \d+ -> \d+; ", said), said
    revised = story.raw("cot_reports").filter(pl.col("recorded_at") == at("2025-01-07T22:00"))
    assert revised["report_date"].unique().to_list() == [date(2024, 3, 26)]
    before, after = story.known("cot_positions", "2025-01-07T21:59"), story.known("cot_positions", "2025-01-07T22:00")
    assert before["revision"].max() == 0
    assert after.filter(revision=1)["contract_code"].n_unique() == 16
    assert before.height == after.height


@pytest.mark.parametrize(("asks_vendor", "at_once"), [(True, 2), (False, 5)], ids=["asked", "a file"])
def test_a_partial_report_is_completed_later(story: Story, year: list[str], asks_vendor: bool, at_once: int) -> None:
    """What the CFTC did not have when it was asked was not known; a file on disk proves nothing about what it lacks."""
    story.desk.asks_vendor = asks_vendor
    story.desk.documents[YEAR] = zip_of([*_until(year, "2024-06-18"), *_report(year, "2024-06-25")[:2]])
    story.fetch_reports("2024-06-28T19:35")
    story.desk.documents[YEAR] = zip_of(_until(year, "2024-06-25"))
    fetched = story.fetch_reports("2024-07-01T19:00")
    assert fetched.log.select("status", "rows_written").row(0) == ("ok", 3)
    early, released, late = (
        story.known("cot_positions", moment).filter(pl.col("report_date") == date(2024, 6, 25))["contract_code"]
        for moment in ("2024-06-28T19:29", "2024-06-28T19:35", "2024-07-01T19:00")
    )
    assert (early.n_unique(), released.n_unique(), late.n_unique()) == (0, at_once, 5)


def _report(year: list[str], day: str) -> list[str]:
    return [line for line in year[1:] if _of_day(line) == day]


def test_a_report_that_is_deleted_is_withdrawn_and_comes_back(story: Story, year: list[str]) -> None:
    story.desk.documents[YEAR] = zip_of(year)
    story.fetch_reports("2025-01-06T22:00")
    gone = _report(year, "2024-06-25")
    story.desk.documents[YEAR] = zip_of([line for line in year if line not in gone])
    fetched = story.fetch_reports("2025-01-07T22:00")
    assert fetched.log.select("status", "rows_written", "rows_withdrawn").row(0) == ("ok", 0, 5)
    assert "withdrawn: 5" in fetched.log["message"].item()
    story.desk.documents[YEAR] = zip_of(year)
    assert story.fetch_reports("2025-01-08T22:00").log.select("rows_written", "rows_withdrawn").row(0) == (5, 0)
    day = pl.col("report_date") == date(2024, 6, 25)
    heights = [
        story.known("cot_positions", moment).filter(day)["contract_code"].n_unique()
        for moment in ("2025-01-07T21:59", "2025-01-07T22:00", "2025-01-08T22:00")
    ]
    assert heights == [5, 0, 5]
    tombstones = story.raw("cot_reports").filter(Z)
    assert tombstones["source"].unique().to_list() == [f"https://desk/{YEAR}"]
    assert tombstones["open_interest_contracts"].min() > 0, "a tombstone repeats the last values"


def test_most_of_a_file_deleted_is_held(story: Story, year: list[str]) -> None:
    story.desk.documents[YEAR] = zip_of(year)
    story.fetch_reports("2025-01-06T22:00")
    story.desk.documents[YEAR] = zip_of([year[0], *_report(year, "2024-01-02"), *_report(year, "2024-12-31")])
    fetched = story.fetch_reports("2025-01-07T22:00")
    assert fetched.log.select("status", "rows_read", "rows_identical", "rows_held").row(0) == ("held", 10, 10, 0)
    assert "255 be removed" in fetched.failures["message"][0]
    assert story.raw("cot_reports").height == 265
    story.clock.moment = at("2025-01-07T23:00")
    assert "255 of them withdrawn" in accept_held(story, YEAR)
    assert story.known("cot_positions", "2025-01-08T00:00")["report_date"].n_unique() == 2


def test_a_file_that_broke_off_between_two_rows_is_held_whatever_the_share(story: Story, year: list[str]) -> None:
    story = replace(story, settings=story.settings.model_copy(update={"revision_share": 0.5}))
    story.desk.documents[YEAR] = zip_of(year)
    story.fetch_reports("2025-01-06T22:00")
    story.desk.documents[YEAR] = zip_of(year[:-21])
    fetched = story.fetch_reports("2025-01-07T22:00")
    assert fetched.log.select("status", "rows_withdrawn").row(0) == ("held", 0)
    assert "21 be removed" in fetched.failures["message"][0]
    story.desk.documents[YEAR] = zip_of(year[:-20])
    assert story.fetch_reports("2025-01-08T22:00").log.select("status", "rows_withdrawn").row(0) == ("ok", 20)


def test_rows_that_another_file_lists_or_that_are_refused_are_not_missing(story: Story, year: list[str]) -> None:
    story.desk.documents[YEAR] = zip_of(year)
    story.fetch_reports("2025-01-06T22:00")
    moved, spoilt = _report(year, "2024-06-25"), _report(year, "2024-03-26")[0]
    rest = [line for line in year if line not in moved and line != spoilt]
    contradicted = spoilt.replace(",240326,", ",240327,")
    assert contradicted != spoilt
    story.desk.documents = {YEAR: zip_of([*rest, contradicted]), "FinFutWk.txt": "\n".join(moved).encode()}
    log = story.fetch_reports("2025-01-07T22:00").log
    assert log["rows_withdrawn"].sum() == 0
    assert log["rows_quarantined"].sum() == 1


def test_a_report_that_a_fetch_after_its_release_did_not_find_is_released_when_it_was_seen(
    story: Story, year: list[str]
) -> None:
    """Due on Friday 2024-06-28 15:30 New York, which is 19:30 UTC."""
    for moment, until in (
        ("2024-06-24T12:00", "2024-06-18"),
        ("2024-06-28T19:31", "2024-06-18"),
        ("2024-06-29T12:00", "2024-06-18"),
        ("2024-06-30T12:00", "2024-06-25"),
        ("2024-07-06T12:00", "2024-07-02"),
    ):
        story.desk.documents[YEAR] = zip_of(_until(year, until))
        story.fetch_reports(moment)
    releases = {row["report_date"]: row for row in story.known("cot_releases", "2024-07-07").iter_rows(named=True)}
    late, in_time = releases[date(2024, 6, 25)], releases[date(2024, 7, 2)]
    assert (late["released_at"], late["release_basis"]) == (at("2024-06-30T12:00"), "actual")
    assert late["reason"] == "observed: absent at 2024-06-29 12:00:00 UTC, there at 2024-06-30 12:00:00 UTC"
    assert (in_time["released_at"], in_time["release_basis"]) == (at("2024-07-06T12:00"), "estimated")
    assert in_time["reason"].startswith("in hand before its release by the ledger, 2024-07-08 19:30:00 UTC")
    assert releases[date(2024, 6, 11)]["released_at"] == at("2024-06-14T19:30"), "bulk history keeps the ledger"
    day = pl.col("report_date") == date(2024, 6, 25)
    for moment, there in (("2024-06-28T19:30", False), ("2024-06-29T23:00", False), ("2024-06-30T12:00", True)):
        assert (story.known("cot_positions", moment).filter(day).height > 0) is there, moment


def test_a_file_that_is_new_here_brings_history_not_late_reports(story: Story, year: list[str]) -> None:
    story.desk.documents[YEAR] = zip_of(_until(year, "2024-06-25"))
    story.fetch_reports("2024-07-01T12:00")
    story.desk.documents["fut_fin_txt_2023.zip"] = build_sample_cot()["fut_fin_txt_2023.zip"]
    story.fetch_reports("2024-07-02T12:00")
    releases = story.known("cot_releases", "2024-07-03")
    assert not releases["reason"].str.starts_with("observed").any()


def _from_files(story: Story) -> Story:
    """The same lake, whose desk is a folder: nobody asks the CFTC."""
    story.desk.asks_vendor, story.desk.name = False, "files"
    return story


def test_a_newer_copy_of_a_file_observes_no_release(story: Story, year: list[str]) -> None:
    story = _from_files(story)
    for moment, until in (("2024-10-01T12:00", "2024-06-11"), ("2024-12-01T12:00", "2024-07-30")):
        story.desk.documents["FinFutYY.txt"] = "\n".join(_until(year, until)).encode() + b"\n"
        story.fetch_reports(moment)
    releases = story.known("cot_releases", "2024-12-02").filter(pl.col("report_date") < date(2024, 8, 1))
    assert "actual" not in releases.filter(pl.col("report_date") > date(2024, 6, 1))["release_basis"].to_list()
    assert releases["reason"].str.contains("^observed:|^in hand").sum() == 0


def test_a_report_from_a_file_in_hand_before_its_release_by_the_ledger_is_known_from_then(
    story: Story, year: list[str]
) -> None:
    """Report 2024-07-02 by the ledger on Monday 2024-07-08, after Independence Day."""
    story = _from_files(story)
    story.desk.documents["FinFutYY.txt"] = "\n".join(_until(year, "2024-07-02")).encode() + b"\n"
    story.fetch_reports("2024-07-05T20:00")
    (row,) = story.known("cot_releases", "2024-07-06").filter(report_date=date(2024, 7, 2)).to_dicts()
    assert (row["released_at"], row["release_basis"]) == (at("2024-07-05T20:00"), "estimated")
    assert (
        row["reason"] == "in hand before its release by the ledger, 2024-07-08 19:30:00 UTC, at 2024-07-05 20:00:00 UTC"
    )
    known = [
        story.known("cot_positions", moment)["report_date"].max() for moment in ("2024-07-05T19:59", "2024-07-05T20:00")
    ]
    assert known == [date(2024, 6, 25), date(2024, 7, 2)]


def test_a_clock_before_the_reports_own_day_shows_no_release(story: Story, year: list[str]) -> None:
    story = _from_files(story)
    story.desk.documents["FinFutYY.txt"] = "\n".join(_until(year, "2024-07-02")).encode() + b"\n"
    story.fetch_reports("1990-01-01T12:00")
    assert story.known("cot_releases", "2024-12-01")["released_at"].min() > at("2006-06-01")


def test_a_file_that_lacks_rows_withdraws_nothing(story: Story, year: list[str]) -> None:
    story = _from_files(story)
    story.desk.documents = {YEAR: zip_of(year)}
    story.fetch_reports("2025-01-06T22:00")
    russell = [line for line in year if ",239742," in line]
    story.desk.documents = {"rut_only.csv": "\n".join([year[0], *russell]).encode() + b"\n"}
    fetched = story.fetch_reports("2025-01-07T22:00").log
    assert fetched.select("status", "rows_withdrawn", "rows_held").row(0) == ("ok", 0, 0)
    assert "the last good ones stay: 212" in fetched["message"][0]
    assert story.known("cot_positions", "2025-01-08")["contract_code"].n_unique() == 5
