"""A week, and a clock that is wrong, through the real clients of both vendors against a server on loopback."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.cftc import CftcArchives
from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.yahoo import YahooPrices
from tests.lived.events import Missing, MissingReport
from tests.lived.life import Clock, Life, LivedRun, markets_of, new_york
from tests.lived.refresh import fetch
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


@dataclass(frozen=True)
class Server:
    """Where a stub is that another process has."""

    url: str


def run_live(folder: Path, url: str, moment: datetime | None = None) -> LivedRun:
    """A run of source `live`, all of it production's but where its vendors are, at `moment` or by this clock."""
    clock = Clock(moment or datetime.now(UTC))
    prices = YahooPrices(folder / "yahoo", FAST, StubSession(Server(url), max_bytes=FAST.max_bytes), now=clock)
    reports = CftcArchives(folder / "cftc", ["tff_futures"], FIRST.year, base_url=url, now=clock, limits=FAST)
    settings = Settings(source="live", lake=folder / "lake")
    return LivedRun(settings, Lake.of(settings.lake, "live"), markets_of("RUT"), clock, desk=(prices, reports))


LIVE: Final = """
import json, sys
from pathlib import Path
from r2k_pipeline.definitions import defs
from r2k_pipeline.orchestration.execute import execute_refresh
from tests.lived.test_live_client import run_live
run = run_live(Path(sys.argv[1]), sys.argv[2])
print(json.dumps(execute_refresh(defs, run.settings, lambda _: run).as_dict()))
"""


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not here: it moves the clock of a process")
def test_a_clock_that_the_vendors_disprove_appends_nothing_and_the_right_one_all(
    stub: VendorStub, tmp_path: Path
) -> None:
    """A process under `faketime`: two months ahead of what the vendors answer."""
    moment = new_york("2025-03-10")
    _serve(stub, Vendor(Truth.of_sample(markets_of("RUT"), FIRST, LAST), ()), moment)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("R2K_", "DAGSTER_"))}
    done = subprocess.run(
        ["faketime", "-f", "@2025-05-10 20:40:00", sys.executable, "-c", LIVE, str(tmp_path), stub.url],
        cwd=Path(__file__).parents[2],
        env=clean | {"TZ": "UTC", "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout)
    assert not summary["ok"]
    assert not summary["published"]
    (said, *_) = [failure for failure in summary["failures"] if "the clock says 2025-05-10 20:40" in failure]
    assert "ahead of the vendor: the newest bar of 2 symbols is of 2025-03-10; next: set the clock" in said
    right = run_live(tmp_path, stub.url, moment)
    assert [right.lake.count(table) for table in (PriceBars, CotReports, FetchLog)] == [0, 0, 0]
    assert fetch(right) == []
    assert min(right.lake.count(table) for table in (PriceBars, CotReports, FetchLog)) > 0


def test_a_week_of_a_late_session_a_late_report_and_volumes_that_settle(stub: VendorStub, tmp_path: Path) -> None:
    markets = markets_of("RUT")
    vendor = Vendor(Truth.of_sample(markets, FIRST, LAST), EVENTS)
    run = run_live(tmp_path, stub.url, RUNS[0].moment)
    life = Life(run.settings, markets, run.clock, desk=run.desk, before=lambda moment: _serve(stub, vendor, moment))
    complaints = lived(life, RUNS)
    assert not complaints, "\n".join(complaints)
