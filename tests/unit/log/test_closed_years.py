"""An archive of a year that is over and changes all the same: recorded, and the run that brings it is red, once."""

from pathlib import Path

import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.log.ingest import Intake
from r2k_pipeline.orchestration.assets import raw_result
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from tests.raw_story import Story, lines_of, zip_of

YEAR = "fut_fin_txt_2024.zip"


def fetched(story: Story, lines: list[str], moment: str) -> Intake:
    story.desk.documents[YEAR] = zip_of(lines)
    return story.fetch_reports(moment)


@pytest.mark.parametrize(
    ("moment", "asks_vendor", "alarms"),
    [
        pytest.param("2025-01-08T20:00", True, 1, id="the archive of the CFTC"),
        pytest.param("2024-12-30T20:00", True, 0, id="its year is not over"),
        pytest.param("2025-01-08T20:00", False, 0, id="a file on disk may be any version"),
    ],
)
def test_the_run_that_brings_the_change_is_red_and_the_next_one_is_not(
    tmp_path: Path, moment: str, asks_vendor: bool, alarms: int
) -> None:
    story = Story.begin(tmp_path)
    lines = [
        line for line in lines_of(build_sample_cot()[YEAR]) if ",2024-12-31," not in line
    ]  # not yet at the first run
    story.desk.asks_vendor = asks_vendor
    assert fetched(story, lines, "2024-12-27T20:00").alarms == ()
    before = story.lake.count(CotReports)
    changed = [
        line.replace("RUSSELL E-MINI", "RUSSELL E-MINI 2000") if ",2024-03-12," in line else line for line in lines
    ]
    assert changed != lines
    intake = fetched(story, changed, moment)
    assert story.lake.count(CotReports) == before + 1
    assert len(intake.alarms) == alarms
    for said in intake.alarms:
        assert said.startswith(
            f"{YEAR}: an archive of a year that is over has changed: 1 rows, e.g. 2024-03-12 239742;"
        )
    (check,) = raw_result(story.lake, CotReports, intake).check_results or ()
    assert check.passed == (not alarms)
    assert fetched(story, changed, "2025-01-09T20:00").alarms == ()
