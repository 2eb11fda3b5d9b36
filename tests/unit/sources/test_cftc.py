"""The CFTC archives and the bounded GET, through the real HTTP client against a loopback server."""

import io
import logging
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.report_types import REPORTS
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.http import Limits, redact, retry_after_s
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from tests.vendor_stub import Fault, Resource, VendorStub

NOW = datetime(2025, 5, 2, 20, tzinfo=UTC)
YEAR = "/files/dea/history/fut_fin_txt_2024.zip"
RUNNING = "/files/dea/history/fut_fin_txt_2025.zip"
NAME = "fut_fin_txt_2024.zip"
FAST = Limits(deadline_s=3.0, max_bytes=2**20, attempts=3, wait_initial_s=0.01, wait_max_s=0.02)


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FinFutYY.txt", text)
    return buffer.getvalue()


BODY = zipped('"Market_and_Exchange_Names","As_of_Date_In_Form_YYMMDD"\n' * 50)
REVISED = zipped('"Market_and_Exchange_Names","As_of_Date_In_Form_YYMMDD","more"\n' * 50)


@pytest.fixture
def stub() -> Iterator[VendorStub]:
    with VendorStub() as server:
        server.resources[YEAR] = Resource(BODY, etag='"1"', last_modified="Fri, 03 Jan 2025 20:30:00 GMT")
        yield server


def archives(stub: VendorStub, cache: Path, *, now: datetime = NOW, limits: Limits = FAST) -> CftcArchives:
    return CftcArchives(cache, ["tff_futures"], 2024, base_url=stub.url, now=lambda: now, limits=limits)


def fetched(source: CftcArchives, name: str = NAME) -> bytes:
    document = source.fetch_report(name)
    assert isinstance(document, CotDocument)
    return document.content


# What exists


def test_lists_long_history_years_and_this_week(tmp_path: Path) -> None:
    source = CftcArchives(
        tmp_path, ["tff_futures", "legacy_combined"], 2006, now=lambda: datetime(2018, 6, 1, tzinfo=UTC)
    )
    assert source.list_reports() == [
        "fin_fut_txt_2006_2016.zip",
        "fut_fin_txt_2017.zip",
        "fut_fin_txt_2018.zip",
        "FinFutWk.txt",
        "deahistfo_1995_2016.zip",
        "deahistfo2017.zip",
        "deahistfo2018.zip",
        "deacom.txt",
    ]


def test_leaves_out_what_is_older_than_asked_and_turns_the_year_in_washington(tmp_path: Path) -> None:
    new_year_in_london = datetime(2026, 1, 1, 2, tzinfo=UTC)
    source = CftcArchives(tmp_path, ["tff_combined"], 2024, now=lambda: new_year_in_london)
    assert source.list_reports() == ["com_fin_txt_2024.zip", "com_fin_txt_2025.zip", "FinComWk.txt"]


def test_refuses_an_unknown_report_type_and_a_foreign_name(stub: VendorStub, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="supplemental.*" + ".*".join(REPORTS)):
        CftcArchives(tmp_path, ["supplemental"], 2020)
    with pytest.raises(ValueError, match="must begin with https://") as refused:
        CftcArchives(tmp_path, ["tff_futures"], 2020, base_url="reader:hunter2@cftc.gov")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(SourceError, match="not a file of these archives"):
        archives(stub, tmp_path).fetch_report("../../etc/passwd")
    assert stub.asked == []


def test_real_archives_and_the_current_week_come_back_byte_for_byte(
    stub: VendorStub, tmp_path: Path, real: Path
) -> None:
    weekly = next((real / "cot_weekly").glob("FinFutWk*.txt")).read_bytes()
    stub.resources["/dea/newcot/FinFutWk.txt"] = Resource(weekly, content_type="text/plain")
    for name in ("fut_fin_txt_2024.zip", "fut_fin_txt_2025.zip"):
        stub.resources[f"/files/dea/history/{name}"] = Resource((real / "cot" / name).read_bytes())
    source = archives(stub, tmp_path)
    got = {name: fetched(source, name) for name in source.list_reports()}
    assert got == {
        "fut_fin_txt_2024.zip": (real / "cot" / "fut_fin_txt_2024.zip").read_bytes(),
        "fut_fin_txt_2025.zip": (real / "cot" / "fut_fin_txt_2025.zip").read_bytes(),
        "FinFutWk.txt": weekly,
    }


# Conditional requests


def test_an_unchanged_year_is_not_downloaded_again(stub: VendorStub, tmp_path: Path) -> None:
    first = archives(stub, tmp_path).fetch_report(NAME)
    again = archives(stub, tmp_path).fetch_report(NAME)
    assert first == again == CotDocument(NAME, stub.url + YEAR, BODY)
    conditions = [(a.headers.get("if-none-match"), a.headers.get("if-modified-since")) for a in stub.requests(YEAR)]
    assert conditions == [(None, None), ('"1"', "Fri, 03 Jan 2025 20:30:00 GMT")]


def test_a_server_without_etags_is_asked_by_date(stub: VendorStub, tmp_path: Path) -> None:
    """As the CFTC's own server: it sends Last-Modified only."""
    modified = "Fri, 03 Jan 2025 20:30:00 GMT"
    stub.resources[YEAR] = Resource(BODY, last_modified=modified)
    assert fetched(archives(stub, tmp_path)) == fetched(archives(stub, tmp_path)) == BODY
    first, second = (asked.headers for asked in stub.requests(YEAR))
    assert "if-modified-since" not in first
    assert (second.get("if-modified-since"), second.get("if-none-match")) == (modified, None)
    stub.resources[YEAR] = Resource(REVISED, last_modified="Fri, 10 Jan 2025 20:30:00 GMT")
    assert fetched(archives(stub, tmp_path)) == REVISED


def test_a_changed_year_replaces_the_cached_one(stub: VendorStub, tmp_path: Path) -> None:
    fetched(archives(stub, tmp_path))
    stub.resources[YEAR] = Resource(REVISED, etag='"2"')
    assert fetched(archives(stub, tmp_path)) == REVISED
    assert fetched(archives(stub, tmp_path)) == REVISED
    assert [a.headers.get("if-none-match") for a in stub.requests(YEAR)] == [None, '"1"', '"2"']


@pytest.mark.parametrize("damage", ["lose body", "lose validators", "flip a byte", "truncate validators", "foreign"])
def test_a_lost_or_damaged_cache_is_downloaded_anew(stub: VendorStub, tmp_path: Path, damage: str) -> None:
    fetched(archives(stub, tmp_path))
    body, validators = tmp_path / NAME, tmp_path / f"{NAME}.json"
    match damage:
        case "lose body":
            body.unlink()
        case "lose validators":
            validators.unlink()
        case "flip a byte":
            body.write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
        case "truncate validators":
            validators.write_bytes(validators.read_bytes()[:20])
        case "foreign":
            validators.write_bytes(validators.read_bytes().replace(b"127.0.0.1", b"127.0.0.2"))
    assert fetched(archives(stub, tmp_path)) == BODY == body.read_bytes()
    assert [a.headers.get("if-none-match") for a in stub.requests(YEAR)] == [None, None]


@pytest.mark.parametrize(
    "said", [{"Last-Modified": "Fri, 07 Feb 2025 20:30:00 GMT"}, {"Content-Length": str(len(REVISED))}, {"ETag": '"2"'}]
)
def test_a_304_that_describes_another_body_is_not_believed(
    stub: VendorStub, tmp_path: Path, said: dict[str, str]
) -> None:
    fetched(archives(stub, tmp_path))
    stub.resources[YEAR] = Resource(REVISED, etag='"1"')
    stub.faults[YEAR] = [Fault(304, said, body=b"")]
    assert fetched(archives(stub, tmp_path)) == REVISED
    assert stub.requests(YEAR)[-1].headers["cache-control"] == "no-cache"


def test_an_etag_that_never_changes_is_believed_for_a_while_only(stub: VendorStub, tmp_path: Path) -> None:
    stub.resources[RUNNING] = Resource(BODY, etag='"stuck"')
    name = "fut_fin_txt_2025.zip"
    fetched(archives(stub, tmp_path), name)
    stub.resources[RUNNING] = Resource(REVISED, etag='"stuck"')
    assert fetched(archives(stub, tmp_path, now=NOW + timedelta(days=5)), name) == BODY
    assert fetched(archives(stub, tmp_path, now=NOW - timedelta(days=1)), name) == REVISED  # a clock turned back
    stub.resources[RUNNING] = Resource(BODY, etag='"stuck"')
    assert fetched(archives(stub, tmp_path, now=NOW + timedelta(days=7)), name) == BODY


def test_a_304_that_no_one_asked_for_is_an_error(stub: VendorStub, tmp_path: Path) -> None:
    stub.always[YEAR] = Fault(304, body=b"")
    with pytest.raises(SourceError, match=f"cftc: {NAME}: .*HTTP 304"):
        archives(stub, tmp_path).fetch_report(NAME)


def test_a_killed_write_leaves_nothing_behind_after_the_next_run(stub: VendorStub, tmp_path: Path) -> None:
    for part in (f"{NAME}.part", f"{NAME}.json.part"):
        (tmp_path / part).write_bytes(BODY[:100])
    fetched(archives(stub, tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{NAME}.json"}


# Absence


def test_the_running_year_may_be_absent_until_it_was_seen(stub: VendorStub, tmp_path: Path) -> None:
    name = "fut_fin_txt_2025.zip"
    assert archives(stub, tmp_path).fetch_report(name) is None
    stub.resources[RUNNING] = Resource(BODY, etag='"1"')
    fetched(archives(stub, tmp_path), name)
    del stub.resources[RUNNING]
    with pytest.raises(SourceError, match="HTTP 404 for a file that was there before"):
        archives(stub, tmp_path).fetch_report(name)
    assert len(stub.requests(RUNNING)) == 3, "a 404 is not tried again"


def test_a_closed_year_and_the_current_week_may_not(stub: VendorStub, tmp_path: Path) -> None:
    del stub.resources[YEAR]
    for name in (NAME, "FinFutWk.txt"):
        with pytest.raises(SourceError, match=f"cftc: {name}: .*HTTP 404.*; next: "):
            archives(stub, tmp_path).fetch_report(name)


# Bad days that pass


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, body=b"oops"),
        Fault(503),
        Fault(429),
        Fault(reset=True),
        Fault(sent=200),
        Fault(sent=200, promise_length=False),
    ],
    ids=["500", "503", "429", "reset", "shorter than Content-Length", "zip cut short"],
)
def test_a_passing_failure_is_tried_again(stub: VendorStub, tmp_path: Path, fault: Fault) -> None:
    stub.faults[YEAR] = [fault, fault]
    assert fetched(archives(stub, tmp_path)) == BODY
    assert len(stub.requests(YEAR)) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(stub: VendorStub, tmp_path: Path, form: str) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    stub.faults[YEAR] = [Fault(429 if form == "seconds" else 503, {"Retry-After": "1" if form == "seconds" else soon})]
    assert fetched(archives(stub, tmp_path)) == BODY
    first, second = (asked.at for asked in stub.requests(YEAR))
    assert 0.95 <= second - first < 2.5


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(stub: VendorStub, tmp_path: Path) -> None:
    stub.always[YEAR] = Fault(429, {"Retry-After": "3600"})
    begun = time.monotonic()
    with pytest.raises(SourceError, match=r"HTTP 429 \(server asks to wait 3600 s\)"):
        archives(stub, tmp_path).fetch_report(NAME)
    assert (len(stub.requests(YEAR)), time.monotonic() - begun < 1.0) == (1, True)


# Bad days that do not pass: an error that names the file, the cache as it was


@pytest.mark.parametrize(
    ("fault", "rule", "requests"),
    [
        (Fault(500), "HTTP 500", 3),
        (Fault(403), "HTTP 403", 1),
        (Fault(body=b"<!DOCTYPE html><p>Down for maintenance"), "a web page where .* was expected", 1),
        (Fault(body=b"\xef\xbb\xbf\n <html>"), "a web page", 1),
        (Fault(body=b'{"error": true}'), "not a zip archive", 1),
        (Fault(body=b""), "an empty body", 1),
        (Fault(headers={"Content-Encoding": "gzip"}), "content-encoding 'gzip'", 1),
        (Fault(body=b"PK\x03\x04" + bytes(2**20)), "larger than the cap of 1048576 bytes", 1),
        (Fault(body=b"PK\x03\x04" + bytes(2**20), promise_length=False), "larger than the cap", 1),
        (Fault(sent=100), "RemoteProtocolError", 3),
        (Fault(reset=True), "ReadError", 3),
    ],
    ids=["500", "403", "html", "html after a BOM", "json", "empty", "gzip", "cap", "cap unsaid", "short", "reset"],
)
def test_a_lasting_failure_is_told_and_changes_nothing(
    stub: VendorStub, tmp_path: Path, fault: Fault, rule: str, requests: int
) -> None:
    fetched(archives(stub, tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    stub.asked.clear()
    stub.always[YEAR] = fault
    with pytest.raises(SourceError, match=rf"cftc: {NAME}: .*{rule}.*; next: r2k run"):
        archives(stub, tmp_path).fetch_report(NAME)
    assert len(stub.requests(YEAR)) == requests
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "fault", [Fault(drip_s=0.05), Fault(drip_head=True, drip_s=0.05)], ids=["in the body", "in the headers"]
)
def test_a_server_that_drips_is_cut_at_the_deadline(stub: VendorStub, tmp_path: Path, fault: Fault) -> None:
    stub.always[YEAR] = fault
    begun = time.monotonic()
    with pytest.raises(SourceError, match="no complete answer before the deadline"):
        archives(stub, tmp_path, limits=Limits(deadline_s=0.5)).fetch_report(NAME)
    assert 0.4 < time.monotonic() - begun < 1.5


def test_a_name_that_does_not_resolve_is_told(tmp_path: Path) -> None:
    source = CftcArchives(tmp_path, ["tff_futures"], 2024, base_url="http://cftc.invalid", now=lambda: NOW, limits=FAST)
    with pytest.raises(SourceError, match=r"http://cftc.invalid/.*ConnectError"):
        source.fetch_report(NAME)


# Secrets


def test_no_secret_of_an_address_shows(
    stub: VendorStub, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    open_url = stub.url.replace("://", "://reader:hunter2@")
    source = CftcArchives(tmp_path, ["tff_futures"], 2024, base_url=open_url, now=lambda: NOW, limits=FAST)
    stub.faults[YEAR] = [Fault(500)]
    document = source.fetch_report(NAME)
    assert document == CotDocument(NAME, stub.url + YEAR, BODY)
    assert stub.requests(YEAR)[0].headers["authorization"].startswith("Basic ")
    with pytest.raises(SourceError) as refused:
        source.fetch_report("FinFutWk.txt")
    shown = [str(refused.value), caplog.text, *(p.read_text("latin-1") for p in tmp_path.glob("*.json"))]
    assert [text for text in shown if "hunter2" in text] == []
    assert "HTTP Request: GET http://127.0.0.1" in caplog.text, "the log that could have shown it was on"
    assert f"{stub.url}{YEAR}: HTTP 500; trying again" in caplog.text
    assert capsys.readouterr() == ("", ""), "stdout is for --json"


SECRET = st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-._~%!$&()*+,;=:@", min_size=8, max_size=20)


@settings(deadline=None)
@given(user=SECRET, password=SECRET, token=SECRET)
def test_redaction_takes_out_every_secret_of_any_url(user: str, password: str, token: str) -> None:
    user, password, token = f"Uu{user}", f"Pp{password}", f"Tt{token}"
    text = f"GET 'https://{user}:{password}@example.com:8443/a/b.zip?key={token}#{token}' failed"
    assert redact(text) == "GET 'https://example.com:8443/a/b.zip?***' failed"


@settings(deadline=None)
@given(seconds=st.integers(0, 10**6), skew_days=st.integers(-400, 400))
def test_retry_after_reads_both_forms_whatever_the_clock(seconds: int, skew_days: int) -> None:
    server_now = datetime(2025, 3, 14, 19, 30, tzinfo=UTC) + timedelta(days=skew_days)
    until = format_datetime(server_now + timedelta(seconds=seconds), usegmt=True)
    headers = {"retry-after": until, "date": format_datetime(server_now, usegmt=True)}
    assert retry_after_s(headers) == retry_after_s({"retry-after": str(seconds)}) == seconds


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}, {"retry-after": "-5"}, {"retry-after": ""}])
def test_an_unreadable_retry_after_is_as_none(headers: dict[str, str]) -> None:
    assert retry_after_s(headers) is None
