"""The site of the sample: complete, small, a past moment's beside it; and the Dagster asset that writes a site.

Belongs here: the asset and its metadata, the whole site of four markets. Not here: small lakes (unit/report/),
the browser (tests/browser/test_site.py).
"""

import base64
import html
import re
import struct
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.definitions import defs
from r2k_pipeline.lake import Lake
from r2k_pipeline.orchestration.resources import Pipeline
from r2k_pipeline.report.site.pictures import THUMBNAIL_BYTES
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from tests.lakes import Published
from tests.pipeline.command_line import r2k
from tests.site_pages import Site
from tests.unit.published import mart_row, publish

LARGEST = 3_000_000
MARKETS = ("RUT", "SPX", "NDX", "DJI")
OF_ALL = ("index.html", "claims.html", "outcomes.html", "quality.html", "dictionary.html")


@pytest.fixture(scope="module")
def site(reported: Published) -> Site:
    """The sample's site."""
    return Site(reported.lake.report())


def test_jobs_hold_the_report_where_it_is_wanted() -> None:
    keys = {
        job: set(defs.resolve_job_def(job).asset_layer.executable_asset_keys)
        for job in ("refresh", "refresh_and_report", "site")
    }
    report = dg.AssetKey("report")
    assert keys["site"] == {report}
    assert keys["refresh_and_report"] - keys["refresh"] == {report}
    assert defs.resolve_schedule_def("refresh_after_close").job_name == "refresh_and_report"


def test_the_asset_shows_the_site(tmp_path: Path) -> None:
    """Of a small lake: a week of two markets."""
    days = [f"2025-03-{day}" for day in range(10, 15)]
    bar = {"open": 1990.0, "high": 2010.0, "low": 1980.0, "close": 2000.0}
    rows = [mart_row(market, day) for market in ("NDX", "RUT") for day in days]
    publish(tmp_path, rows, more={MarketBars: [{**row, **bar} for row in rows]})
    pipeline = Pipeline.of(Run.of(Settings(source="sample", lake=tmp_path)))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("site").execute_in_process(instance=instance, resources={"pipeline": pipeline})
    site = Site(Lake.of(tmp_path, "sample").report())
    (materialization,) = result.asset_materializations_for_node("report")
    shown = materialization.metadata
    assert shown["site"].value == (site.folder / "index.html").as_uri()
    assert shown["bytes"].value == site.size
    assert shown["pages"].value == len(site.pages)
    assert str(shown["label"].value).startswith("SAMPLE")
    pictures = [
        base64.b64decode(found[1])
        for value in shown.values()
        if (found := re.search(r"\(data:image/png;base64,([^)]+)\)", str(value.value)))
    ]
    assert len(pictures) == 2, "one a market"
    for png in pictures:
        assert len(png) <= THUMBNAIL_BYTES
        assert struct.unpack(">8sxxxx4s", png[:16]) == (b"\x89PNG\r\n\x1a\n", b"IHDR")


def test_four_markets_are_complete_and_small(site: Site) -> None:
    assert set(site.pages) == {*OF_ALL, *(f"{market}.html" for market in MARKETS)}
    assert site.size < LARGEST
    for market in MARKETS:
        tags = [given for tag, given in site.pages[f"{market}.html"].tags if tag == "tbody" or "data-figure" in given]
        assert len(tags) >= 3, f"{market}: a figure, levels and positions"


def test_every_link_leads_somewhere(site: Site) -> None:
    assert not site.broken_links()


def test_every_column_header_is_explained(site: Site) -> None:
    headers = [header for name, page in site.pages.items() if name != "dictionary.html" for header in page.headers]
    assert len(headers) > 100
    assert all(header.startswith("dictionary.html#") for header in headers)


def test_ids_are_unique_and_headings_in_order(site: Site) -> None:
    for name, page in site.pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(after - before <= 1 for before, after in steps), name


def test_queries_of_the_brief_return_the_figures(site: Site, sample: Published) -> None:
    """What the page gives as evidence runs, and returns one row."""
    text = site.pages["RUT.html"].file.read_text("utf-8")
    queries = re.findall(r"<code>(select [^<]+)</code></li>", text)
    assert len(queries) > 20
    for query in queries:
        assert len(sample.query(html.unescape(query))) == 1, query


def test_a_past_moment_is_written_beside(home: Path, reported: Published, copy_of: Callable[[Path, str], Path]) -> None:
    folder = copy_of(reported.folder, "lake")
    moment = "2025-03-12T16:30-04:00"
    done = r2k(home, "report", "--source", "sample", "--lake", folder, "--market", "RUT", "--as-of", moment)
    assert done.exit_code == 0, done.output
    past = Site(folder / "sample" / "as_of" / "2025-03-12T203000Z" / "report-RUT")
    assert (past.folder / "index.html").as_uri() in done.output
    for name in (*OF_ALL[:4], "RUT.html"):
        text = past.pages[name].text.partition("r2k 0.")[0]
        later = {day for day in re.findall(r"20\d\d-\d\d-\d\d", text) if day > "2025-03-12"}
        # The day on which the next report comes out is known before: the calendar says so.
        assert later <= {"2025-03-14", "2025-03-18"}, f"{name}: {later}"
    assert Site(folder / "sample" / "report").pages, "the site of now is still there"


def test_the_command_line_says_where_it_is(
    home: Path, reported: Published, copy_of: Callable[[Path, str], Path]
) -> None:
    assert (reported.lake.report() / "index.html").as_uri() in reported.result.output
    empty = copy_of(reported.folder, "lake")
    (empty / "sample" / "warehouse.duckdb").unlink()
    failed = r2k(home, "report", "--source", "sample", "--lake", empty)
    assert failed.exit_code == 1
    assert "no warehouse yet; next: r2k run" in failed.output
    assert (empty / "sample" / "report" / "index.html").exists()
