"""A week through the real clients of both vendors, against a server on loopback that speaks their formats."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.yahoo import YahooPrices
from tests.lived.events import Missing, MissingReport
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.script import RunOf, lived
from tests.lived.vendor import Truth, Vendor
from tests.vendor_stub import Bar, Resource, StubSession, VendorStub, chart

FIRST, LAST = date(2024, 1, 2), date(2025, 4, 30)
FAST: Final = Limits(deadline_s=10.0, max_bytes=2**22, attempts=2, wait_initial_s=0.01, wait_max_s=0.02)
EVENTS: Final = (
    Missing(new_york("2025-03-04", "12:00"), new_york("2025-03-06", "12:00"), day="2025-03-04"),
    MissingReport(new_york("2025-03-07", "12:00"), new_york("2025-03-10", "12:00"), day=date(2025, 3, 4)),
)
RUNS: Final = tuple(RunOf(new_york(f"2025-03-{day:02}")) for day in (4, 6, 7, 10))


@pytest.fixture
def stub() -> Iterator[VendorStub]:
    with VendorStub() as server:
        yield server


def _serve(stub: VendorStub, vendor: Vendor, moment: datetime) -> None:
    """Put on the server what the vendors would have at `moment`."""
    for symbol in vendor.truth.bars:
        stub.serve_chart(symbol, chart(symbol, map(_bar, vendor.bars(symbol, moment).rows())))
    documents = vendor.documents(moment)
    for name, body in documents.items():
        stub.resources[f"/files/dea/history/{name}"] = Resource(body, etag=f'"{len(body)}-{moment:%d%H}"')
    week = "\n".join(line.text for line in vendor.newest_report(moment)).encode()
    stub.resources["/dea/newcot/FinFutWk.txt"] = Resource(week, etag=f'"{moment:%d%H}"')


def _bar(row: tuple[str, ...]) -> Bar:
    day, *prices, volume = row
    return (day, *map(float, prices), int(volume))  # type: ignore[return-value]


def test_a_week_of_a_late_session_a_late_report_and_volumes_that_settle(stub: VendorStub, tmp_path: Path) -> None:
    markets = markets_of("RUT")
    vendor, clock = Vendor(Truth.of_sample(markets, FIRST, LAST), EVENTS), Clock(RUNS[0].moment)
    prices = YahooPrices(tmp_path / "yahoo", FAST, StubSession(stub, max_bytes=FAST.max_bytes), now=clock)
    reports = CftcArchives(tmp_path / "cftc", ["tff_futures"], FIRST.year, base_url=stub.url, now=clock, limits=FAST)
    settings = Settings(source="live", lake=tmp_path / "lake")
    life = Life(settings, markets, clock, desk=(prices, reports), before=lambda moment: _serve(stub, vendor, moment))
    complaints = lived(life, RUNS)
    assert not complaints, "\n".join(complaints)
