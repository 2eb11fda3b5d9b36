"""Features as functions of a run: what each reads of the lake, and how it is replayed where bars came late or changed.

Belongs here: which transform is given which frames. Not here: the transforms, what a replay is (transforms/replay.py),
what a table is declared to read (tables.py).
"""

import importlib
from collections.abc import Callable
from datetime import date
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts import indicators, levels, marts, prices, profiles
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.run import Run
from r2k_pipeline.told import Growth, grown, told_rows
from r2k_pipeline.transforms.replay import (
    BuildFacts,
    as_first_known,
    built_columns,
    in_order,
    replay,
    replay_facts,
    standing,
)
from r2k_pipeline.transforms.setups import read_setups

Transform = Callable[..., pl.DataFrame]


def transform_of(function: str) -> Transform:
    """`module:function` of transforms, imported when it is called: kernels are not paid for by a look-up."""
    module, name = function.split(":")

    def transform(*frames: Any, **options: Any) -> pl.DataFrame:
        built = getattr(importlib.import_module(f"r2k_pipeline.transforms.{module}"), name)
        result: pl.DataFrame = built(*frames, **options)
        return result

    return transform


INDICATORS: Final = transform_of("indicators:build_daily_indicators")
PIVOTS: Final = transform_of("pivots:build_swing_pivots")
PROFILES: Final = transform_of("volume_profiles:build_volume_profiles")
RANGE_PROFILES: Final = transform_of("consolidation_profiles:build_consolidation_profiles")
CONSOLIDATIONS: Final = transform_of("consolidations:build_consolidations")
OPEN_RANGES: Final = transform_of("open_ranges:build_open_ranges")


def indicators_of(run: Run) -> pl.DataFrame | Growth:
    """Daily indicators."""
    return _replayed(run, indicators.DailyIndicators, lambda bars, since: INDICATORS(bars, since=since))


def profiles_of(run: Run) -> pl.DataFrame | Growth:
    """Rolling profiles, those since the year's high and since days that a user named, and those of open ranges."""
    windows = tuple(f"since_{day}" for day in run.settings.profile_since)

    def build(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        named = [PROFILES(bars, windows, since=since)] if windows else []
        ranges = RANGE_PROFILES(bars, _open_ranges(bars), since=since)
        return pl.concat([PROFILES(bars, since=since), *named, ranges]).sort("market", "session_date", "profile_window")

    return _replayed(run, profiles.VolumeProfiles, build, reads_volume=True)


def open_ranges_of(run: Run) -> pl.DataFrame | Growth:
    """Consolidation ranges open at each close."""
    return _replayed(run, levels.OpenRanges, _open_ranges)


def _open_ranges(bars: pl.DataFrame, since: date | None = None) -> pl.DataFrame:
    return OPEN_RANGES(bars, CONSOLIDATIONS(bars), since=since)


def levels_of(run: Run) -> pl.DataFrame | Growth:
    """Levels, from the evidence of them that stood."""
    evidence = run.lake.read(levels.LevelEvidence)
    build_levels = transform_of("levels:build_levels")

    def build(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        return build_levels(bars, INDICATORS(bars), standing(evidence, bars, "filed_date"), since=since)

    return _replayed(run, levels.Levels, build, reads_volume=True)


def _replayed(
    run: Run, table: type[Table], build: Callable[[pl.DataFrame, date | None], pl.DataFrame], reads_volume: bool = False
) -> pl.DataFrame | Growth:
    """The rows of a table of bars: of markets that go on only the new ones, beside the parts that hold the others."""
    bars, told = run.lake.read(prices.MarketBars), run.told
    if told and not run.lake.published_files(table.dotted()):
        told = None
    return grown(run.lake, table, replay(bars, build, table.create_empty(), reads_volume=reads_volume, told=told), told)


def _replayed_facts(
    run: Run, table: type[Table], build: BuildFacts, dated: str, identity: tuple[str, ...], reads_volume: bool = False
) -> pl.DataFrame:
    """All facts of a table of bars; those of markets that go on as they were told."""
    bars, told = run.lake.read(prices.MarketBars), run.told
    rows = None if told is None else told_rows(run.lake, table, told)
    return replay_facts(
        bars, build, table.create_empty(), dated, identity, reads_volume=reads_volume, told=told, told_rows=rows
    )


def pivots_of(run: Run) -> pl.DataFrame:
    """Swing pivots."""
    identity = ("pivot_date", "kind", "price")
    return _replayed_facts(run, profiles.SwingPivots, lambda bars, _: PIVOTS(bars), "confirmed_date", identity)


def consolidations_of(run: Run) -> pl.DataFrame:
    """Consolidation ranges. When a state was confirmed and ended moves with a late session; the state is the same."""
    moves = ("market", "confirmed_date", "end_confirmed_date", "known_date")
    state = tuple(name for name in built_columns(levels.Consolidations) if name not in moves)
    return _replayed_facts(run, levels.Consolidations, lambda bars, _: CONSOLIDATIONS(bars), "known_date", state)


def level_evidence_of(run: Run) -> pl.DataFrame:
    """What levels are made of, each piece in its zone."""
    find, file = transform_of("level_evidence:find_evidence"), transform_of("levels:build_level_evidence")
    as_told = transform_of("level_evidence:as_told")

    def build(bars: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
        indicator_rows = INDICATORS(bars)
        rolling = PROFILES(bars, ("rolling_60", "rolling_250"))
        found = find(bars, indicator_rows, PIVOTS(bars), rolling, CONSOLIDATIONS(bars))
        return file(bars, indicator_rows, as_told(found, stood))

    identity = ("level_id", "kind", "born_date", "price")
    return _replayed_facts(run, levels.LevelEvidence, build, "filed_date", identity, reads_volume=True)


def crosses_of(run: Run) -> pl.DataFrame:
    """Crosses of the averages as they were known: those of an epoch's own would miss what a correction turned over."""
    rows = run.lake.read(indicators.DailyIndicators).sort("market", "session_date")
    return transform_of("crosses:build_moving_average_crosses")(rows)


def level_outcomes_of(run: Run) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    bars = as_first_known(run.lake.read(prices.MarketBars))
    indicator_rows = of_sessions(run.lake.read(indicators.DailyIndicators, ("market", "session_date", "atr_14")), bars)
    shown = run.lake.read(levels.Levels, ("market", "session_date", "level_id", "kind", "role", "low", "high"))
    minimum = read_setups().outcomes.minimum_events
    return transform_of("level_outcomes:build_level_outcomes")(bars, indicator_rows, shown, minimum_sessions=minimum)


def of_sessions(rows: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The rows of the sessions of `bars`, in their order."""
    key = ["market", "session_date"]
    return rows.join(bars, on=key, how="semi").sort(key, maintain_order=True)


def setup_outcomes_of(run: Run) -> pl.DataFrame:
    """What followed the setups of the mart."""
    rules = read_setups()
    columns = ("market", "session_date", "known_at", "close", "setups_held")
    sessions = in_order(run.lake.read(marts.PositioningVsTechnicals, columns).sort("market", "session_date"))
    return transform_of("setup_outcomes:build_setup_outcomes")(sessions, rules.names(), rules.outcomes)
