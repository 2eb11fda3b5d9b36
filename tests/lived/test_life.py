"""A month lived day by day through the files source: published rows stay, and the end is the rebuild.

Belongs here too: a market that leaves.
"""

import re
from datetime import date
from functools import partial
from pathlib import Path

from r2k_pipeline.restatement import RESTATEMENT
from r2k_pipeline.settings import Settings
from tests.conftest import REAL
from tests.lived.generation_rows import published_tables
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.script import EVENTS, FIRST, LAST, RUNS, lived
from tests.lived.vendor import Truth, Vendor

TWO = markets_of("RUT", "SPX")


def _life(folder: Path, truth: Truth) -> Life:
    settings = Settings(source="files", files=folder / "files", lake=folder / "lake")
    save = partial(Vendor(truth, EVENTS).save, folder / "files")
    return Life(settings, TWO, Clock(RUNS[0].moment), save)


def test_a_month_of_bad_days(tmp_path: Path) -> None:
    """On real bars where they are, else on the sample's."""
    truth = Truth.of_folder(REAL, TWO, FIRST, LAST) if REAL.is_dir() else Truth.of_sample(TWO, FIRST, LAST)
    complaints = lived(_life(tmp_path, truth), RUNS)
    assert not complaints, "\n".join(complaints)


def test_a_market_that_leaves_takes_its_pairs_with_it(tmp_path: Path) -> None:
    """The other market goes on from its published rows, which are no longer of pairs with that one."""
    life = _life(tmp_path, Truth.of_sample(TWO, date(2024, 6, 3), LAST))
    assert not life.day(new_york("2024-10-01")).failed
    assert published_tables(life.lake)["marts.cross_market"].height > 0
    life.markets = markets_of("RUT")
    (refused,) = life.day(new_york("2024-10-02")).failed
    assert re.search(r"markets changed: SPX is gone\n(.*\n)*marts\.cross_market: 0 rows changed, \d+ missing", refused)
    life.accept(RESTATEMENT, new_york("2024-10-02", "17:00"))
    assert not life.day(new_york("2024-10-03")).failed
    assert published_tables(life.lake)["marts.cross_market"].is_empty()
    assert life.rebuilt(tmp_path / "rebuilt") == []
