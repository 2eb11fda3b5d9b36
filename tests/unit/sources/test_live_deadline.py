"""All fetches of `live` together end in time: a run whose vendors hang must not keep the lake from others for long."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from r2k_pipeline.markets import read_markets
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.http import limits_of_run
from r2k_pipeline.sources.protocol import SourceError
from r2k_pipeline.sources.yahoo import YahooPrices
from tests.raw_story import Story, at
from tests.vendor_stub import Fault, StubSession, VendorStub

HANGS = Fault(body=b"x" * 10_000, drip_s=0.05)
TOGETHER_S = 3.0


@pytest.fixture
def hanging() -> Iterator[VendorStub]:
    """Both vendors, and every answer takes minutes."""
    with VendorStub() as stub:
        archives = CftcArchives(Path("unused"), ["tff_futures", "legacy_futures"], 2006, now=lambda: at("2024-06-30"))
        for name in archives.list_reports():
            folder = "/dea/newcot/" if name.endswith(".txt") else "/files/dea/history/"
            stub.always[folder + name] = HANGS
        for market in read_markets():
            for symbol in market.symbols():
                stub.always[f"/v8/finance/chart/{symbol}"] = HANGS
        yield stub


def test_vendors_that_hang_hold_the_lake_no_longer_than_all_fetches_may_take(
    hanging: VendorStub, tmp_path: Path
) -> None:
    of_prices, limits = limits_of_run(TOGETHER_S)
    archives = CftcArchives(
        tmp_path / "cftc",
        ["tff_futures", "legacy_futures"],
        2006,
        base_url=hanging.url,
        now=lambda: at("2024-06-30"),
        limits=limits,
    )
    prices = YahooPrices(tmp_path / "yahoo", of_prices, StubSession(hanging))
    story = replace(Story.begin(tmp_path), markets=read_markets(), desk=(prices, archives))
    began = time.monotonic()
    bars, _ = story.fetch_prices("2024-06-30T22:00")
    reports = story.fetch_reports("2024-06-30T22:00")
    assert time.monotonic() - began < 2 * TOGETHER_S
    assert bars.log["status"].to_list() == ["failed"] * bars.log.height
    asked, *others = reports.log["message"]
    assert "no complete answer before the deadline" in asked, "a vendor that hangs leaves time for the other"
    assert all("not asked: the time for fetches is over (R2K_LIVE_SECONDS)" in each for each in others[:3])


def test_the_time_of_a_run_begins_with_its_first_fetch(tmp_path: Path) -> None:
    run = Run.of(Settings(source="live", lake=tmp_path, live_seconds=1e-9))
    prices, reports = run.sources
    with pytest.raises(SourceError, match="not asked"):
        prices.fetch_prices("^RUT")
    with pytest.raises(SourceError, match=r"not asked.*; next: r2k run --source live"):
        reports.fetch_report("FinFutWk.txt")
