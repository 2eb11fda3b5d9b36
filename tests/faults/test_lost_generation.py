"""A table of the published generation is gone from the disk: the next run makes it anew from raw and misses no row."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from r2k_pipeline.settings import Settings
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.refresh import build, fetch
from tests.lived.told import copy_of_raw, differences, published_tables
from tests.lived.vendor import Desk, Truth, Vendor


@pytest.mark.parametrize("table", ["levels", "swing_pivots"])
def test_rows_told_that_are_gone_are_made_anew(tmp_path: Path, table: str) -> None:
    markets, clock = markets_of("RUT"), Clock(new_york("2024-05-30"))
    desk = Desk(Vendor(Truth.of_sample(markets, date(2022, 1, 3), date(2024, 6, 3)), ()), clock)
    life = Life(Settings(source="live", lake=tmp_path / "life"), markets, clock, desk=(desk, desk))
    for day in ("2024-05-30", "2024-05-31"):
        clock.moment = new_york(day)
        fetch(life.run())
        assert build(life.run()) == []
        features = life.lake.published / "features"
        if day == "2024-05-30":
            for part in features.glob(f"{table}*"):
                shutil.rmtree(part) if part.is_dir() else part.unlink()
    rebuilt = copy_of_raw(life.lake, tmp_path / "rebuilt")
    assert build(life.run(rebuilt)) == []
    assert not differences(published_tables(life.lake), published_tables(rebuilt))
