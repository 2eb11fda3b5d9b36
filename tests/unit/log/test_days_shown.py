"""Which reports an answer could have shown, by asking the CFTC; a file on disk proves nothing about what it lacks."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.log.coverage import with_days_of_reports
from r2k_pipeline.log.recording import Attempt
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.raw_story import Story, lines_of

NOTHING = CotReports.create_empty()
YEAR = "fut_fin_txt_2024.zip"
NAMED = {
    YEAR: (date(2024, 1, 1), date(2024, 12, 31)),
    "deacot2025.zip": (date(2025, 1, 1), date(2025, 12, 31)),
    "fin_fut_txt_2006_2016.zip": (date(2006, 1, 1), date(2016, 12, 31)),
    "deacot1986_2016.zip": (date(1986, 1, 1), date(2016, 12, 31)),
    "FinFutWk.txt": None,
}


@pytest.mark.parametrize(("name", "days"), NAMED.items(), ids=NAMED)
@pytest.mark.parametrize("status", ["ok", "absent"])
def test_an_archive_shows_the_years_of_its_name_there_or_not_yet(name: str, days: object, status: str) -> None:
    (attempt,) = with_days_of_reports([Attempt(name, status)], [], NOTHING, asks_vendor=True)
    assert attempt.shows == days


@pytest.mark.parametrize(
    ("name", "last", "days"),
    [
        (YEAR, "2024-05-21", (date(2024, 5, 22), date(2024, 12, 31))),
        (YEAR, "2023-12-26", (date(2024, 1, 1), date(2024, 12, 31))),
        (YEAR, "2025-01-07", None),
        ("fin_fut_txt_2006_2016.zip", "2015-05-19", None),
        ("FinFutWk.txt", "2024-05-21", None),
    ],
)
def test_an_archive_that_failed_was_awaited_for_what_comes_after_the_last_report_in_hand(
    name: str, last: str, days: object
) -> None:
    brought = f"https://www.cftc.gov/files/dea/history/fut_fin_txt_{last[:4]}.zip"
    log = pl.DataFrame({"source": [brought], "report_date": [date.fromisoformat(last)]})
    (attempt,) = with_days_of_reports([Attempt(name, "failed")], [], log, asks_vendor=True)
    assert attempt.shows == days


def test_a_first_attempt_that_failed_and_a_file_show_nothing() -> None:
    assert with_days_of_reports([Attempt(YEAR, "failed")], [], NOTHING, asks_vendor=True)[0].shows is None
    assert with_days_of_reports([Attempt(YEAR)], [], NOTHING, asks_vendor=False)[0].shows is None


@pytest.mark.parametrize("asks_vendor", [True, False])
def test_the_log_says_it_and_the_current_week_shows_its_own_day(tmp_path: Path, asks_vendor: bool) -> None:
    """All of the week's rows are in the archive too: repeats, of which the account keeps none."""
    story = Story.begin(tmp_path)
    story.desk.asks_vendor = asks_vendor
    archive = build_sample_cot()[YEAR]
    week = [line for line in lines_of(archive) if ",2024-06-25," in line]
    story.desk.documents = {YEAR: archive, "FinFutWk.txt": "\n".join(week).encode()}
    log = story.fetch_reports("2025-01-06T22:00").log
    shown = {item: (first, last) for item, first, last in log.select("item", "shows_from", "shows_until").iter_rows()}
    day = date(2024, 6, 25)
    asked = {YEAR: NAMED[YEAR], "FinFutWk.txt": (day, day)}
    assert shown == (asked if asks_vendor else dict.fromkeys(asked, (None, None)))
