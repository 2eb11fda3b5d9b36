"""The site of four markets against rendering its pictures alone: `python benchmarks/report.py [--lake DIR]`.

Belongs here: both times and their ratio, which is to stay below 2. Not here: what the site holds.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from timing import ratio, time_in_turn

from r2k_pipeline.lake import Lake
from r2k_pipeline.report.charts.figures import Figures
from r2k_pipeline.report.site.drawn import NAME, Drawn
from r2k_pipeline.report.site.pictures import picture_of
from r2k_pipeline.report.site.publish import publish_site
from r2k_pipeline.settings import Settings
from tests.snapshots import read_figures


def render(figures: Figures, nothing: Drawn) -> int:
    """Draw every picture of the site; how many there are."""
    drawn = [*figures.reviews, *(figure for figure in (figures.cross_market, figures.outcomes) if figure)]
    # A copy has not written its spec yet, which is a part of drawing.
    return len([picture_of(replace(figure), nothing).png for figure in drawn])


def main() -> None:
    """Both once to start the engines, then in turn; medians of three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="folder of lakes with a published one of --source")
    parser.add_argument("--source", default="sample")
    asked = parser.parse_args()
    settings = Settings(source=asked.source, **({"lake": asked.lake} if asked.lake else {}))
    lake = Lake.of(settings.lake, settings.source)
    figures = read_figures(lake)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / settings.source
        place.mkdir()
        (place / "warehouse.duckdb").symlink_to(lake.warehouse)
        copy = settings.model_copy(update={"lake": Path(folder)})
        written, lake_copy = publish_site(copy), Lake.of(copy.lake, copy.source)

        def whole() -> None:
            (lake_copy.report() / NAME).unlink()
            publish_site(copy)

        runs = {
            "its pictures alone": lambda: render(figures, Drawn(Path(folder) / "nothing")),
            "the whole site": whole,
            "nothing new": lambda: publish_site(copy),
        }
        times = time_in_turn(runs, rounds=3)
    print(f"{len(written.pictures)} pictures, {len(written.pages)} pages, {written.size_bytes / 1e6:.2f} MB")
    for name, taken in times.items():
        print(f"{name:<20} {taken.wall:6.2f} s, CPU {taken.cpu:6.2f} s")
    print(f"{'ratio, at most 2':<20} {ratio(times, 'the whole site', 'its pictures alone')}")


if __name__ == "__main__":
    main()
