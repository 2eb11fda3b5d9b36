"""Features as functions of a run: what each reads of the lake, and how it is replayed where bars were revised.

Belongs here: which transform is given which frames. Not here: the transforms, what a replay is (transforms/replay.py),
what a table is declared to read (tables.py).
"""

import importlib
from collections.abc import Callable
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts import indicators, levels, marts, prices, profiles
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.transforms.replay import as_first_known, replay, replay_facts, standing
from r2k_pipeline.transforms.setups import read_setups


def transform_of(function: str) -> Callable[..., pl.DataFrame]:
    """`module:function` of transforms, imported when it is called: kernels are not paid for by a look-up."""
    module, name = function.split(":")

    def transform(*frames: Any, **options: Any) -> pl.DataFrame:
        function = getattr(importlib.import_module(f"r2k_pipeline.transforms.{module}"), name)
        result: pl.DataFrame = function(*frames, **options)
        return result

    return transform


EVIDENCE: Final = {
    indicators.DailyIndicators: transform_of("indicators:build_daily_indicators"),
    profiles.SwingPivots: transform_of("pivots:build_swing_pivots"),
    profiles.VolumeProfiles: transform_of("volume_profiles:build_volume_profiles"),
    levels.Consolidations: transform_of("consolidations:build_consolidations"),
}
"""What levels are made of, in the order find_evidence takes it."""


def level_evidence_of(run: Run) -> pl.DataFrame:
    """What levels are made of, from the tables at hand; where bars were revised, from those of each epoch."""
    at_hand = [run.lake.read(table) for table in EVIDENCE]
    return replay_facts(
        run.lake.read(prices.MarketBars),
        lambda bars: _evidence_of(bars, *(build(bars) for build in EVIDENCE.values())),
        "filed_date",
        built=lambda bars: _evidence_of(bars, *at_hand),
    )


def _evidence_of(bars: pl.DataFrame, indicator_rows: pl.DataFrame, *others: pl.DataFrame) -> pl.DataFrame:
    """Evidence of levels out of plain bars and the tables of EVIDENCE."""
    found = transform_of("level_evidence:find_evidence")(bars, indicator_rows, *others)
    return transform_of("levels:build_level_evidence")(bars, indicator_rows, found)


def levels_of(run: Run) -> pl.DataFrame:
    """Levels from their evidence; where bars were revised, from what stood in each epoch."""
    build_levels, build_indicators = transform_of("levels:build_levels"), EVIDENCE[indicators.DailyIndicators]
    at_hand, evidence = (run.lake.read(table) for table in (indicators.DailyIndicators, levels.LevelEvidence))
    return replay(
        run.lake.read(prices.MarketBars),
        lambda bars: build_levels(bars, build_indicators(bars), standing(bars, evidence, "filed_date")),
        built=lambda bars: build_levels(bars, at_hand, evidence),
    )


def profiles_of(run: Run) -> pl.DataFrame:
    """Rolling profiles, those since the year's high and since days that a user named, and those of open ranges."""
    windows = [f"since_{day}" for day in run.settings.profile_since]
    of_ranges = transform_of("consolidation_profiles:build_consolidation_profiles")

    def build(bars: pl.DataFrame, open_ranges: pl.DataFrame) -> pl.DataFrame:
        rolling = transform_of("volume_profiles:build_volume_profiles")(bars)
        named = [transform_of("volume_profiles:build_volume_profiles")(bars, windows)] if windows else []
        return pl.concat([rolling, *named, of_ranges(bars, open_ranges)]).sort(
            "market", "session_date", "profile_window"
        )

    at_hand = run.lake.read(levels.OpenRanges)
    return replay(
        run.lake.read(prices.MarketBars), lambda b: build(b, _ranges_of(b)), built=lambda b: build(b, at_hand)
    )


def _ranges_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Open ranges of plain bars."""
    return transform_of("open_ranges:build_open_ranges")(
        bars, transform_of("consolidations:build_consolidations")(bars)
    )


def open_ranges_of(run: Run) -> pl.DataFrame:
    """Open ranges; where bars were revised, of the ranges that the bars of each epoch have."""
    build, at_hand = transform_of("open_ranges:build_open_ranges"), run.lake.read(levels.Consolidations)
    return replay(run.lake.read(prices.MarketBars), _ranges_of, built=lambda bars: build(bars, at_hand))


def crosses_of(run: Run) -> pl.DataFrame:
    """Crosses of the averages as they were known: those of an epoch's own would miss what a correction turned over."""
    return transform_of("crosses:build_moving_average_crosses")(run.lake.read(indicators.DailyIndicators))


def level_outcomes_of(run: Run) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    bars = as_first_known(run.lake.read(prices.MarketBars))
    shown = (run.lake.read(table) for table in (indicators.DailyIndicators, levels.Levels))
    minimum = read_setups().outcomes.minimum_events
    return transform_of("level_outcomes:build_level_outcomes")(bars, *shown, minimum_sessions=minimum)


def setup_outcomes_of(run: Run) -> pl.DataFrame:
    """What followed the setups of the mart."""
    rules = read_setups()
    sessions = run.lake.read(marts.PositioningVsTechnicals, ("market", "session_date", "close", "setups_held"))
    return transform_of("setup_outcomes:build_setup_outcomes")(sessions, rules.names(), rules.outcomes)
