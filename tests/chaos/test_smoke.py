"""The tools of `make chaos` work: a disk that dies at an operation kills a fetch, and the next one puts all right."""

import shutil
from pathlib import Path

import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from tests.chaos.days import DAYS, lake_of, save_vendor
from tests.chaos.disk import Kind, Mode, Strike
from tests.chaos.server import Order, serving


def test_a_fetch_that_dies_and_one_that_goes_well(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: the disk that fails cannot be made")
    save_vendor(tmp_path / "vendor", DAYS[:1])
    order = (DAYS[0], str(tmp_path / "vendor" / DAYS[0]), str(tmp_path / "lakes"))
    lake = lake_of(tmp_path / "lakes")
    with serving(tmp_path) as server:
        torn = server.run(Order(*order, Strike(Kind.WRITE, Mode.KILL_TORN, 5), builds=False))
        assert torn.was_killed
        assert [*lake.root.rglob("*.tmp")], "a file half written is left"
        failed = server.run(Order(*order, Strike(Kind.FSYNC, Mode.FAIL_ONCE, 1, 5), builds=False))
        assert failed.code == 1, failed
        assert "Input/output error" in failed.lines[0]
        end = server.run(Order(*order, builds=False))
    assert end.code == 0, end
    log = lake.read(FetchLog).filter(table_name="raw.price_bars")
    assert log["rows_written"].sum() == lake.count(PriceBars) > 0
    assert lake.account() == lake.present_account()
    assert not [*lake.root.rglob("*.tmp")]
