"""A month lived day by day through the files source: what was told stays told, and the end is the rebuild."""

from functools import partial
from pathlib import Path

from r2k_pipeline.settings import Settings
from tests.lived.life import Clock, Life, markets_of
from tests.lived.script import EVENTS, FIRST, LAST, RUNS, lived
from tests.lived.vendor import Truth, Vendor

TWO = markets_of("RUT", "SPX")


def _life(folder: Path, truth: Truth) -> Life:
    settings = Settings(source="files", files=folder / "files", lake=folder / "lake")
    save = partial(Vendor(truth, EVENTS).save, folder / "files")
    return Life(settings, TWO, Clock(RUNS[0].moment), save)


def test_a_month_of_bad_days(tmp_path: Path) -> None:
    complaints = lived(_life(tmp_path, Truth.of_sample(TWO, FIRST, LAST)), RUNS)
    assert not complaints, "\n".join(complaints)


def test_the_first_of_them_on_real_bars(tmp_path: Path, real: Path) -> None:
    complaints = lived(_life(tmp_path, Truth.of_folder(real, TWO, FIRST, LAST)), RUNS[:5])
    assert not complaints, "\n".join(complaints)
