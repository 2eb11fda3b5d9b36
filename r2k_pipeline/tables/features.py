"""Features as functions of a run: what each reads of the lake, and how it is replayed where bars came late or changed.

Belongs here: which transform is given which frames. Not here: the transforms, what a replay is (transforms/replay.py),
what a table is declared to read (derived.py).
"""

import importlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts import indicators, levels, marts, profiles
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.run import Run
from r2k_pipeline.told import Growth, grown, told_rows
from r2k_pipeline.transforms.crosses import LINES
from r2k_pipeline.transforms.level_evidence import ROLLING, as_told, from_news, latest_news
from r2k_pipeline.transforms.open_ranges import RANGE
from r2k_pipeline.transforms.replay import (
    Build,
    BuildFacts,
    as_first_known,
    built_columns,
    in_order,
    regrown,
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

    def build(bars: pl.DataFrame, since: date | None, ranges: pl.DataFrame) -> pl.DataFrame:
        named = [PROFILES(bars, windows, since=since)] if windows else []
        of_ranges = RANGE_PROFILES(bars, ranges, since=since)
        return pl.concat([PROFILES(bars, since=since), *named, of_ranges]).sort(
            "market", "session_date", "profile_window"
        )

    ranges = run.lake.read(levels.OpenRanges, (*RANGE, "session_date"))
    return _replayed(run, profiles.VolumeProfiles, build, reads_volume=True, reads=(ranges,))


def open_ranges_of(run: Run) -> pl.DataFrame | Growth:
    """Consolidation ranges open at each close."""
    return _replayed(run, levels.OpenRanges, lambda bars, since: OPEN_RANGES(bars, CONSOLIDATIONS(bars), since=since))


def levels_of(run: Run) -> pl.DataFrame | Growth:
    """Levels, from the evidence of them that stood."""
    evidence = run.lake.read(levels.LevelEvidence)
    build_levels = transform_of("levels:build_levels")

    def build(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        return build_levels(bars, INDICATORS(bars), standing(evidence, bars, "filed_date"), since=since)

    return _replayed(run, levels.Levels, build, reads_volume=True)


def _replayed(
    run: Run, table: type[Table], build: Build, reads_volume: bool = False, reads: Sequence[pl.DataFrame] = ()
) -> pl.DataFrame | Growth:
    """The rows of a table of bars: of markets that go on only the new ones, beside the parts that hold the others."""
    bars = run.known_bars
    rows = replay(bars, build, table.create_empty(), reads_volume=reads_volume, reads=reads)
    return grown(run.lake, table, rows, bars.told)


def _replayed_facts(
    run: Run, table: type[Table], build: BuildFacts, dated: str, identity: tuple[str, ...], reads_volume: bool = False
) -> pl.DataFrame:
    """All facts of a table of bars; those of markets that go on as they were told."""
    bars = run.known_bars
    rows = None if bars.told is None else told_rows(run.lake, table, bars.told)
    return replay_facts(bars, build, table.create_empty(), dated, identity, reads_volume=reads_volume, told_rows=rows)


def pivots_of(run: Run) -> pl.DataFrame:
    """Swing pivots."""
    identity = ("pivot_date", "kind", "price")
    return _replayed_facts(run, profiles.SwingPivots, lambda bars, *_: PIVOTS(bars), "confirmed_date", identity)


def consolidations_of(run: Run) -> pl.DataFrame:
    """Consolidation ranges. When a state was confirmed and ended moves with a late session; the state is the same."""
    moves = ("market", "confirmed_date", "end_confirmed_date", "known_date")
    state = tuple(name for name in built_columns(levels.Consolidations) if name not in moves)
    return _replayed_facts(run, levels.Consolidations, lambda bars, *_: CONSOLIDATIONS(bars), "known_date", state)


def level_evidence_of(run: Run) -> pl.DataFrame:
    """What levels are made of, each piece in its zone."""
    find, file = transform_of("level_evidence:find_evidence"), transform_of("levels:build_level_evidence")

    def rolling_since(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
        return PROFILES(bars, ROLLING, since=since)

    rolling = regrown(rolling_since)

    def rolling_after(bars: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
        news, first = latest_news(stood, bars["market"].n_unique())
        return from_news(rolling_since(bars, first), news)

    def build(bars: pl.DataFrame, stood: pl.DataFrame, goes_on: bool) -> pl.DataFrame:
        indicator_rows = INDICATORS(bars)
        rolling_rows = rolling_after(bars, stood) if goes_on else rolling(bars)
        found = find(bars, indicator_rows, PIVOTS(bars), rolling_rows, CONSOLIDATIONS(bars))
        return file(bars, indicator_rows, as_told(found, stood, goes_on))

    identity = ("level_id", "kind", "born_date", "price")
    return _replayed_facts(run, levels.LevelEvidence, build, "filed_date", identity, reads_volume=True)


def crosses_of(run: Run) -> pl.DataFrame:
    """Crosses of the averages as they were known: those of an epoch's own would miss what a correction turned over."""
    rows = run.lake.read(indicators.DailyIndicators, ("market", "session_date", "known_at", *LINES.values()))
    return transform_of("crosses:build_moving_average_crosses")(rows.sort("market", "session_date"))


def level_outcomes_of(run: Run) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    bars = as_first_known(run.known_bars.vintages)
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
