"""The CFTC's page of special announcements: kept as text, what is new on it is told, and no run needs it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.report.online import announced
from r2k_pipeline.sources.announcements import fetch_announcements, read_announcements, text_of
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.kept_bodies import KeptBodies
from r2k_pipeline.sources.protocol import ANNOUNCEMENTS, Announcements, SourceError
from tests.raw_story import Clock, Story, at
from tests.vendor_stub import Fault, Resource, VendorStub

PATH: Final = "/MarketReports/CommitmentsofTraders/HistoricalSpecialAnnouncements/index.htm"
FAST: Final = Limits(deadline_s=3.0, attempts=1)
NOW: Final = at("2025-12-01T12:00")
PAGE: Final = """<!DOCTYPE html><html><head><title>CFTC</title><script>var x = "<p>no</p>";</script></head><body>
<nav><ul><li>Home</li></ul></nav><h1>Historical Special Announcements</h1>
<ul><li><p><strong>November 19, 2025:</strong> The report of
  September&nbsp;30 is published today.</p>{more}<p>June 6, 2012<br/>CME Lean Hogs (CFTC ID #054642)</p></li></ul>
<footer><p>Contact us</p></footer></body></html>"""
LINES: Final = [
    "November 19, 2025: The report of September 30 is published today.",
    "June 6, 2012",
    "CME Lean Hogs (CFTC ID #054642)",
]


@pytest.fixture
def stub() -> Iterator[VendorStub]:
    with VendorStub() as server:
        server.resources[PATH] = page()
        yield server


def page(more: str = "", modified: str = "Wed, 19 Nov 2025 20:31:00 GMT") -> Resource:
    return Resource(PAGE.format(more=more).encode(), last_modified=modified, content_type="text/html")


def fetched(stub: VendorStub, folder: Path, now: datetime = NOW) -> Announcements:
    return fetch_announcements(KeptBodies(folder), stub.url, lambda: now, FAST)


def test_the_text_of_a_page_is_a_line_a_block_without_what_is_around_it() -> None:
    assert text_of(PAGE.format(more="")).splitlines() == LINES
    assert text_of("<p>a</p><p>b</p>").splitlines() == ["a", "b"]


def test_a_page_is_kept_with_its_fetch_and_asked_for_again_by_date(stub: VendorStub, tmp_path: Path) -> None:
    assert fetched(stub, tmp_path).text.splitlines() == LINES
    assert fetched(stub, tmp_path, at("2025-12-02T12:00")).new == ()
    assert [asked.headers.get("if-modified-since") for asked in stub.requests(PATH)] == [
        None,
        "Wed, 19 Nov 2025 20:31:00 GMT",
    ]
    text, fetched_at = read_announcements(KeptBodies(tmp_path), stub.url, at("2025-12-02T13:00")) or ("", None)
    assert (text.splitlines(), fetched_at) == (LINES, NOW)


def test_what_is_new_is_told_once(stub: VendorStub, tmp_path: Path) -> None:
    assert fetched(stub, tmp_path).remarks() == ()
    stub.resources[PATH] = page("<p>December 1, 2025: Late.</p>", modified="Mon, 01 Dec 2025 20:31:00 GMT")
    (said,) = fetched(stub, tmp_path).remarks()
    assert said == '1 new lines, the first: "December 1, 2025: Late."; next: r2k doctor --source live --online'
    assert fetched(stub, tmp_path).remarks() == ()


@pytest.mark.parametrize("fault", [Fault(403), Fault(404), Fault(500)])
def test_a_run_does_not_fail_for_want_of_it(stub: VendorStub, tmp_path: Path, fault: Fault) -> None:
    archives = CftcArchives(tmp_path / "cftc", [], 2025, base_url=stub.url, now=Clock(NOW), limits=FAST)
    story = Story.begin(tmp_path / "lake")
    story = replace(story, desk=(story.desk, archives))  # type: ignore[arg-type]
    kept = story.fetch_reports("2025-12-01T12:00").log.row(0, named=True)
    assert (kept["item"], kept["status"], kept["origin"]) == (ANNOUNCEMENTS, "ok", f"{stub.url}{PATH}")
    stub.always[PATH] = fault
    with pytest.raises(SourceError, match=f"cftc: {ANNOUNCEMENTS}: .*HTTP {fault.status}"):
        archives.fetch_announcements()
    intake = story.fetch_reports("2025-12-02T12:00")
    assert intake.failures.is_empty()
    assert intake.log["status"].to_list() == ["absent"]


def test_doctor_shows_the_page_beside_the_ledger() -> None:
    lines = announced(("\n".join(LINES), NOW)).splitlines()
    assert lines[0] == "the CFTC's special announcements as of 2025-12-01 12:00 UTC"
    assert lines[1:4] == LINES
    assert any(line.startswith("report 2026-12-22 released 2026-12-28 20:30 UTC (scheduled)") for line in lines[4:])
    assert "no live run of this lake reached it" in announced(None)
