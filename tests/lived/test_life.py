"""A month lived day by day through the files source: published rows stay, and the end is the rebuild."""

from functools import partial
from pathlib import Path

from r2k_pipeline.settings import Settings
from tests.conftest import REAL
from tests.lived.life import Clock, Life, markets_of
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
