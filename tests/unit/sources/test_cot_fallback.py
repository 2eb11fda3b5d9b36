"""The public reporting API in the place of archives that are out of reach: the same rows, for few requests."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.report_types import REPORTS
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.cot_fallback import ArchivesOrApi
from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.kept_bodies import KeptBodies
from r2k_pipeline.sources.protocol import ANNOUNCEMENTS, SourceError
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from r2k_pipeline.sources.socrata import DATASETS, SocrataReports
from tests.raw_story import Clock, Story, at, lines_of, zip_of
from tests.socrata_stub import ApiRow, api_rows, serve
from tests.vendor_stub import Fault, Resource, VendorStub

FAST: Final = Limits(deadline_s=20.0, max_bytes=2**25, attempts=2, wait_initial_s=0.01, wait_max_s=0.02)
TODAY: Final = "2025-05-02T20:00"
LATER: Final = "2025-05-09T20:00"
KINDS: Final = ("tff_futures", "legacy_futures")
YEARS: Final = (2024, 2025)
PAGE: Final = "/MarketReports/CommitmentsofTraders/HistoricalSpecialAnnouncements/index.htm"


@cache
def archives() -> dict[str, bytes]:
    return build_sample_cot()


@cache
def rows_of(kind: str) -> tuple[ApiRow, ...]:
    """What the API has of the sample's archives up to TODAY."""
    zips = (archives()[REPORTS[kind].yearly.format(year)] for year in YEARS)
    return tuple(row for body in zips for row in api_rows(body) if row["report_date_as_yyyy_mm_dd"] < "2025-04-30")


def until(body: bytes, day: str) -> tuple[bytes, bytes]:
    """A yearly zip without the reports after `day`, and the current week's file of that day."""
    header, *lines = lines_of(body)
    days = [line.split(",")[2].strip() for line in lines]
    of_day = [line for line, its in zip(lines, days, strict=True) if its == day]
    before = [line for line, its in zip(lines, days, strict=True) if its <= day]
    return zip_of([header, *before]), "\n".join([*of_day, ""]).encode()


@dataclass(frozen=True)
class World:
    """Both servers of the CFTC on one stub, and a lake that is fed by them."""

    stub: VendorStub
    folder: Path

    def publish(self, kinds: tuple[str, ...] = KINDS, day: str = "2025-04-29") -> None:
        for kind in kinds:
            for year in YEARS:
                name = REPORTS[kind].yearly.format(year)
                body, week = until(archives()[name], day)
                self.stub.resources[f"/files/dea/history/{name}"] = Resource(body, last_modified=f"of {day}")
            self.stub.resources[f"/dea/newcot/{REPORTS[kind].current_week}"] = Resource(week)
            rows = [row for row in rows_of(kind) if row["report_date_as_yyyy_mm_dd"][:10] <= day]
            serve(self.stub, kind, rows)
        self.stub.resources[PAGE] = Resource(b"<p>Nothing out of the ordinary.</p>")

    def refuse(self) -> None:
        """www.cftc.gov answers HTTP 403 from now on."""
        source = CftcArchives(self.folder, list(REPORTS), 2006, now=lambda: at(TODAY))
        self.stub.refuse(PAGE, *(f"/{file.path}" for file in source.files().values()))

    def source(
        self,
        moment: str = TODAY,
        kinds: tuple[str, ...] = KINDS,
        *,
        url: str = "",
        token: str | None = None,
        first_year: int = YEARS[0],
    ) -> ArchivesOrApi:
        clock, folder = Clock(at(moment)), self.folder / "cftc"
        files = CftcArchives(folder, kinds, first_year, base_url=url or self.stub.url, now=clock, limits=FAST)
        api = SocrataReports(self.stub.url, FAST, token=token)
        return ArchivesOrApi(files, api, KeptBodies(folder / "api"), clock)

    def story(self, name: str = "lake") -> Story:
        return Story.begin(self.folder / name)

    def fetch(self, story: Story, moment: str = TODAY) -> pl.DataFrame:
        """Feed a lake; the rows of FetchLog."""
        return replace(story, desk=(story.desk, self.source(moment))).fetch_reports(moment).log

    def asked_of_api(self, kind: str) -> int:
        return len(self.stub.requests(f"/resource/{DATASETS[kind]}.json"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with VendorStub() as stub:
        found = World(stub, tmp_path)
        found.publish()
        yield found


def values(story: Story) -> pl.DataFrame:
    """Raw rows without what says where and when they came from."""
    return story.lake.read(CotReports).drop("source", "recorded_at").sort(CotReports.primary_key()[:3])


def test_the_same_reports_from_files_and_from_the_api_are_one_vintage(world: World) -> None:
    story = world.story()
    world.fetch(story)
    before = story.lake.read(CotReports)
    assert before.height > 500
    world.refuse()
    log = world.fetch(story, "2025-05-05T20:00")
    assert set(log.filter(pl.col("item") != ANNOUNCEMENTS)["status"]) == {"ok"}
    assert story.lake.read(CotReports).equals(before)
    assert log["rows_identical"].sum() >= before.height


def test_a_new_lake_has_the_rows_of_the_archives(world: World) -> None:
    from_files, from_api = world.story("files"), world.story("api")
    world.fetch(from_files)
    world.refuse()
    log = world.fetch(from_api)
    assert log.filter(pl.col("status") != "ok")["item"].to_list() == [ANNOUNCEMENTS]
    assert values(from_api).equals(values(from_files))
    sources = set(from_api.lake.read(CotReports)["source"])
    assert f"{world.stub.url}/resource/gpe5-46if.json#/fut_fin_txt_2024.zip" in sources


def test_the_fetch_log_says_which_server_answered_and_one_note_says_why(world: World) -> None:
    story = world.story()
    assert world.fetch(story)["origin"].str.starts_with(f"{world.stub.url}/files/").sum() == len(KINDS) * len(YEARS)
    world.refuse()
    log = world.fetch(story, "2025-05-05T20:00").filter(status="ok")
    assert log.height == len(KINDS) * (len(YEARS) + 1)
    assert log["origin"].str.contains("/resource/").all()
    (note,) = log["message"].drop_nulls()
    assert "HTTP 403; " in note
    assert f"{world.stub.url} was asked instead" in note


def test_a_weeks_news_costs_two_requests_and_the_archives_one(world: World) -> None:
    world.publish(day="2025-04-22")
    story = world.story()
    world.fetch(story)
    before = story.lake.read(CotReports).height
    world.publish()
    world.refuse()
    world.stub.asked.clear()
    world.fetch(story, LATER)
    news = story.lake.read(CotReports).height - before
    assert news == sum(row["report_date_as_yyyy_mm_dd"][:10] == "2025-04-29" for kind in KINDS for row in rows_of(kind))
    assert {kind: world.asked_of_api(kind) for kind in KINDS} == dict.fromkeys(KINDS, 2)
    assert len(world.stub.asked) == 2 * len(KINDS) + 1
    world.stub.asked.clear()
    world.fetch(story, "2025-05-10T20:00")
    assert {kind: world.asked_of_api(kind) for kind in KINDS} == dict.fromkeys(KINDS, 2)


@pytest.mark.parametrize("kept", ["two members", "a day that is none", "nothing"])
def test_a_kept_archive_that_cannot_be_read_is_asked_of_the_api(world: World, kept: str) -> None:
    name = "fut_fin_txt_2024.zip"
    header, first, *lines = lines_of(archives()[name])
    bodies = {"a day that is none": zip_of([header, first.replace("2024-12-31", "2024-02-30"), *lines])}
    bodies |= {"nothing": zip_of([]), "two members": packed({"a.txt": "a", "b.txt": "b"})}
    world.stub.resources[f"/files/dea/history/{name}"] = Resource(bodies[kept], last_modified="lately")
    assert world.source().fetch_report(name) is not None, "its content is read later"
    world.refuse()
    document = world.source().fetch_report(name)
    assert document is not None
    assert len(document.content.splitlines()) == 1 + len([first, *lines])


def packed(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return stream.getvalue()


def test_a_revision_of_the_newest_reports_is_a_vintage(world: World) -> None:
    story = world.story()
    world.refuse()
    world.fetch(story)
    *_, last = [row for row in rows_of("tff_futures") if row["report_date_as_yyyy_mm_dd"][:10] == "2025-04-22"]
    more = {"traders_tot_all": str(int(last["traders_tot_all"]) + 1)}
    serve(world.stub, "tff_futures", [row | more if row is last else row for row in rows_of("tff_futures")])
    world.fetch(story, "2025-05-05T20:00")
    assert story.lake.read(CotReports).filter(recorded_at=at("2025-05-05T20:00"))["report_date"].to_list() == [
        date(2025, 4, 22)
    ]


def test_a_server_that_is_not_there_is_out_of_reach_too(world: World) -> None:
    document = world.source(url="http://cftc.invalid").fetch_report("fut_fin_txt_2024.zip")
    assert document is not None
    assert "ConnectError" in (document.remark or "")


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (Fault(429, {"Retry-After": "3600"}), "HTTP 429"),
        (Fault(503), "HTTP 503"),
        (Fault(body=b"<html>maintenance"), "a web page"),
        (Fault(sent=200), "RemoteProtocolError"),
        (Fault(body=b"PK\x03\x04 and no more"), "cut short"),
    ],
    ids=["429", "503", "page", "body cut short", "zip cut short"],
)
def test_a_server_that_fails_at_every_attempt_is_asked_for_one_file_alone(
    world: World, fault: Fault, rule: str
) -> None:
    source = world.source()
    world.stub.always |= {f"/{file.path}": fault for file in source.archives.files().values()}
    remarks = [document.remark for name in source.list_reports() if (document := source.fetch_report(name)) is not None]
    assert len(remarks) == len(KINDS) * (len(YEARS) + 1)
    assert rule in (remarks[0] or "")
    assert not any(remarks[1:])
    assert len([asked for asked in world.stub.asked if "/resource/" not in asked.path]) <= FAST.attempts


@pytest.mark.parametrize("fault", [Fault(404), Fault(body=b"a text")], ids=["404", "no zip"])
def test_a_file_that_is_wrong_or_gone_is_not_asked_of_the_api(world: World, fault: Fault) -> None:
    world.stub.always["/files/dea/history/fut_fin_txt_2024.zip"] = fault
    with pytest.raises(SourceError, match=r"cftc: fut_fin_txt_2024\.zip"):
        world.source().fetch_report("fut_fin_txt_2024.zip")
    assert world.asked_of_api("tff_futures") == 0


def test_where_neither_answers_both_are_named(world: World) -> None:
    world.refuse()
    world.stub.always["/resource/gpe5-46if.json"] = Fault(429, {"Retry-After": "3600"})
    source = world.source()
    for name in ("fut_fin_txt_2024.zip", "fut_fin_txt_2025.zip"):
        with pytest.raises(SourceError, match=rf"cftc: {name}: .*HTTP 403; socrata: HTTP 429.*; next: r2k run"):
            source.fetch_report(name)


def test_the_token_is_sent_and_never_shown(world: World) -> None:
    world.refuse()
    document = world.source(token="hunter2").fetch_report("fut_fin_txt_2024.zip")
    assert document is not None
    asked = world.stub.requests("/resource/gpe5-46if.json")
    assert {request.headers.get("x-app-token") for request in asked} == {"hunter2"}
    kept = [file.read_bytes() for file in world.folder.rglob("*") if file.is_file()]
    assert not [body for body in [*kept, document.origin.encode()] if b"hunter2" in body]


def test_the_running_year_may_have_no_report_yet_and_a_closed_one_may_not(world: World) -> None:
    world.refuse()
    serve(
        world.stub, "tff_futures", [row for row in rows_of("tff_futures") if row["report_date_as_yyyy_mm_dd"] < "2025"]
    )
    source = world.source("2025-01-01T12:00")
    assert source.fetch_report("fut_fin_txt_2025.zip") is None
    newest = source.fetch_report("FinFutWk.txt")
    assert newest is not None
    assert {line.split(b",")[2] for line in newest.content.splitlines()[1:]} == {b"2024-12-31"}
    serve(
        world.stub, "tff_futures", [row for row in rows_of("tff_futures") if row["report_date_as_yyyy_mm_dd"] > "2025"]
    )
    with pytest.raises(SourceError, match=r"no report of fut_fin_txt_2024\.zip"):
        world.source().fetch_report("fut_fin_txt_2024.zip")


def test_a_real_year_of_the_disaggregated_report_is_the_same_from_the_api(world: World, real: Path) -> None:
    kinds, name = ("disaggregated_futures",), "fut_disagg_txt_2021.zip"
    body = (real / "cot_families" / name).read_bytes()
    from_file, from_api = world.story("file"), world.story("api")
    from_file.desk.documents[name] = body  # type: ignore[union-attr]
    from_file.fetch_reports(TODAY)
    assert from_file.lake.count(CotReports) == 2178
    world.refuse()
    serve(world.stub, *kinds, list(api_rows(body)))
    source = world.source("2021-03-20T20:00", kinds, first_year=2021)
    replace(from_api, desk=(from_api.desk, source)).fetch_reports(TODAY)  # type: ignore[arg-type]
    assert values(from_api).equals(values(from_file))
    assert world.asked_of_api(*kinds) == 2
