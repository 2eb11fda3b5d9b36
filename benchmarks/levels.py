"""Levels of universe B, shown at its last session, against the cost of its indicators and against twice the history.

Belongs here: measuring `build_levels` with pivots, ranges and yearly extremes as evidence; profiles have a benchmark of
their own. `python benchmarks/levels.py [SYMBOLS]`, by default 2,000; in turn, medians of 5.
"""

import sys
from dataclasses import dataclass

import polars as pl
from polars.testing import assert_frame_equal
from timing import ratio, show_per_bar, time_in_turn
from universe import BARS, SYMBOLS, build_universe

from r2k_pipeline.tables.profiles import VolumeProfiles
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.level_evidence import find_evidence
from r2k_pipeline.transforms.levels import build_levels
from r2k_pipeline.transforms.pivots import build_swing_pivots

NO_PROFILES = VolumeProfiles.create_empty()


@dataclass(frozen=True)
class Input:
    """What levels are built from; `bars` may be a part of the universe."""

    bars: pl.DataFrame
    indicators: pl.DataFrame
    pivots: pl.DataFrame
    ranges: pl.DataFrame

    @classmethod
    def of(cls, bars: pl.DataFrame) -> "Input":
        """Everything that comes before levels."""
        return cls(bars, build_daily_indicators(bars), build_swing_pivots(bars), build_consolidations(bars))

    def levels(self, last_only: bool = True) -> pl.DataFrame:
        """The levels of the last session, or of all."""
        since = self.bars["session_date"].max() if last_only else None
        evidence = find_evidence(self.bars, self.indicators, self.pivots, NO_PROFILES, self.ranges)
        return build_levels(self.bars, self.indicators, evidence, since=since)


def main(symbols: int) -> None:
    """Assert that a batch equals its symbols one by one and the end of its whole history, then measure."""
    bars = build_universe(symbols)
    some = bars.head(20 * BARS)
    shown = Input.of(some).levels()
    parts = [Input.of(part).levels() for (_,), part in some.group_by("market", maintain_order=True)]
    assert_frame_equal(shown, pl.concat(parts))
    whole = Input.of(some).levels(last_only=False)
    assert_frame_equal(shown, whole.filter(pl.col("session_date") == some["session_date"].max()))
    full, half = Input.of(bars), Input.of(build_universe(symbols, BARS // 2))
    times = time_in_turn(
        {
            "indicators": lambda: build_daily_indicators(bars),
            "levels, last session": full.levels,
            "levels, last session, half the history": half.levels,
        }
    )
    show_per_bar(times, bars.height)
    print(f"to indicators: {ratio(times, 'levels, last session', 'indicators')}, at most 1")
    print(
        f"twice the bars: {ratio(times, 'levels, last session', 'levels, last session, half the history')}, at most 2.2"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SYMBOLS)
