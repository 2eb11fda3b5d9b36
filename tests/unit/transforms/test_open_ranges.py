"""features.open_ranges: against the versions read session by session, and after a bar was corrected."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from benchmarks.universe import build_universe
from r2k_pipeline.tables.consolidations import Consolidations, OpenRanges
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.epochs import KnownBars
from r2k_pipeline.transforms.open_ranges import build_open_ranges
from r2k_pipeline.transforms.replay import replay, replay_facts
from r2k_pipeline.transforms.volume_profiles import build_consolidation_profiles
from tests.unit.known_rows import UTC_TIME, assert_fits, close_at, known_at_close
from tests.unit.transforms.test_consolidations import FIRST, bars_of, wandering
from tests.unit.transforms.test_replay import STATE as VERSION

NO_RANGES = OpenRanges.create_empty()
STATE = ("start_date", "first_confirmed_date", "low", "high")


def ranges_of(bars: pl.DataFrame, since: date | None = None) -> pl.DataFrame:
    return build_open_ranges(bars, build_consolidations(bars), since=since)


def consolidations_of(bars: pl.DataFrame, *_: Any) -> pl.DataFrame:
    return build_consolidations(bars)


def plain_open(versions: pl.DataFrame, day: date) -> dict[date, dict[str, Any]]:
    """The ranges open at a session by the definition: of each, the latest version known and not withdrawn, if open."""
    latest: dict[tuple[date, date], dict[str, Any]] = {}
    stood = (pl.col("known_date") <= day) & (pl.col("withdrawn_date") > day).fill_null(True)
    for row in versions.filter(stood).sort("confirmed_date").iter_rows(named=True):
        latest[row["start_date"], row["first_confirmed_date"]] = row
    return {start: row for (start, _), row in latest.items() if row["end_date"] is None}


def holds_edges(outer: dict[str, Any], inner: dict[str, Any]) -> bool:
    return bool(outer["low"] <= inner["low"] and inner["high"] <= outer["high"])


@pytest.mark.parametrize("seed", [1, 5, 8])
def test_equals_the_versions_read_session_by_session(seed: int) -> None:
    bars = bars_of(wandering(seed, 700))
    versions = build_consolidations(bars).with_columns(withdrawn_date=pl.lit(None, pl.Date))
    built = ranges_of(bars)
    assert_fits(OpenRanges, built)
    assert built.height > 100
    for day in bars["session_date"]:
        expected, found = plain_open(versions, day), built.filter(session_date=day)
        assert found["start_date"].to_list() == sorted(expected)
        for row in found.iter_rows(named=True):
            assert (row["low"], row["high"]) == tuple(expected[row["start_date"]][name] for name in ("low", "high"))
            around = [s for s, r in expected.items() if s < row["start_date"] and holds_edges(r, row)]
            assert row["parent_start_date"] == max(around, default=None)
            closes = bars.filter(pl.col("session_date").is_between(row["start_date"], day))["close"].to_numpy()
            inside = closes[(closes >= row["low"]) & (closes <= row["high"])]
            core = [row["core_low"], row["core_high"]]
            assert np.quantile(inside, [0.01, 0.99]) == pytest.approx(core, rel=1e-12)


def assert_same_parents(bars: pl.DataFrame) -> None:
    """A range told at a session has the parent that it has among the ranges open at that session."""
    open_states = build_consolidations(bars).filter(pl.col("end_date").is_null())
    key = ["market", "start_date", "first_confirmed_date"]
    pairs = open_states.join(
        ranges_of(bars), left_on=[*key, "confirmed_date"], right_on=[*key, "session_date"], suffix="_open"
    )
    assert pairs.height == open_states.height > 0
    assert pairs.filter(pl.col("parent_start_date").ne_missing(pl.col("parent_start_date_open"))).rows() == []


@pytest.mark.parametrize("seed", range(8))
def test_parents_told_are_those_of_the_open_ranges(seed: int) -> None:
    assert_same_parents(bars_of(wandering(seed, 3_000)))


@pytest.mark.parametrize("symbol", ["^RUT", "^GSPC", "^NDX", "^DJI"])
def test_parents_told_are_those_of_the_open_ranges_of_the_indices(real: Path, symbol: str) -> None:
    close = pl.read_csv(real / "prices" / f"{symbol}.csv", schema_overrides={"Close": pl.Float64})["Close"]
    assert_same_parents(bars_of(close.drop_nulls()))


def vintages(close: Any, wrong: int, factor: float, corrected_after: int) -> pl.DataFrame:
    """Bars known at their day's end; row `wrong` first said `factor` times its close, until it was corrected."""
    bars = bars_of(close).with_columns(
        high="close", low="close", known_at=close_at(), superseded_at=pl.lit(None, UTC_TIME)
    )
    moment = datetime.combine(bars["session_date"][wrong + corrected_after], time(22), UTC)
    at, is_it = pl.lit(moment).cast(UTC_TIME), pl.col("session_date") == bars["session_date"][wrong]
    first = bars.filter(is_it).with_columns(pl.col("high", "low", "close") * factor, superseded_at=at)
    later = bars.with_columns(known_at=pl.when(is_it).then(at).otherwise("known_at"))
    return pl.concat([later, first]).sort("session_date", "known_at")


@pytest.mark.parametrize("factor", [0.9, 0.97, 1.05])
def test_after_a_correction_the_ranges_are_those_of_the_right_bars(factor: float) -> None:
    close = wandering(5, 700)
    plain = known_at_close(OpenRanges, ranges_of(bars_of(close)))
    for wrong in range(200, 660, 23):
        known = replay(KnownBars(vintages(close, wrong, factor, 3)), ranges_of, NO_RANGES)
        day = bars_of(close)["session_date"][wrong]
        for part in (pl.col("session_date") < day, pl.col("session_date") > day + timedelta(days=3)):
            assert_frame_equal(known.select(plain.columns).filter(part), plain.filter(part), check_exact=True)


@pytest.mark.parametrize(("seed", "factor"), [(1, 0.97), (5, 0.9), (8, 1.05)])
def test_after_a_correction_the_latest_versions_are_the_open_ranges(seed: int, factor: float) -> None:
    """At every session: no range that only the wrong bar made stays open, and none that it hid is missing."""
    close, withdrawn = wandering(seed, 500), 0
    for wrong in range(150, 480, 29):
        life = vintages(close, wrong, factor, 7)
        versions = replay_facts(
            KnownBars(life), consolidations_of, Consolidations.create_empty(), "known_date", VERSION
        )
        known = replay(KnownBars(life), ranges_of, NO_RANGES)
        assert Consolidations.filter(versions)[1].counts() == {}
        withdrawn += versions["withdrawn_date"].count()
        for day in life["session_date"].unique()[wrong - 1 :]:
            latest = [tuple(row[name] for name in STATE) for row in plain_open(versions, day).values()]
            assert sorted(latest) == known.filter(session_date=day).select(STATE).rows(), day
    assert withdrawn > 0


@pytest.mark.parametrize("day", [-5, 0, 120, 333, 499, 650, 699, 720])
def test_rows_since_a_session_are_the_last_rows_of_the_whole(day: int) -> None:
    bars = pl.concat([bars_of(wandering(5, 700), "A"), bars_of(wandering(8, 500), "B")])
    volumes = bars.with_columns(
        low=pl.col("close") * 0.99, high=pl.col("close") * 1.01, volume=1.0, volume_symbol=pl.lit("V")
    )
    consolidations, since = build_consolidations(bars), FIRST + timedelta(days=day)
    whole, is_wanted = build_open_ranges(bars, consolidations), pl.col("session_date") >= since
    found = build_open_ranges(bars, consolidations, since=since)
    assert_frame_equal(found, whole.filter(is_wanted), check_exact=True)
    profiles = build_consolidation_profiles(volumes, whole).filter(is_wanted)
    assert_frame_equal(build_consolidation_profiles(volumes, whole, since=since), profiles, check_exact=True)
    assert_frame_equal(build_consolidation_profiles(volumes, found), profiles, check_exact=True)


def test_no_ranges_no_rows() -> None:
    assert ranges_of(bars_of(wandering(1, 30))).height == 0
    assert ranges_of(bars_of(wandering(1, 30)).clear()).height == 0


def test_each_range_of_five_minute_bars_has_a_profile_of_its_own() -> None:
    """Ranges that begin on one day are told apart by their time."""
    minutes = 5 * pl.int_range(pl.len()).over("market")
    bars = build_universe(3, 1_500).with_columns(
        session_date=datetime(2025, 1, 2, 14, 30) + pl.duration(minutes=minutes)  # noqa: DTZ001  (as of bars: no zone)
    )
    open_ranges = ranges_of(bars)
    starts = open_ranges.select("market", "start_date").unique()
    assert starts.select("market", pl.col("start_date").dt.date()).is_duplicated().any()
    profiles = build_consolidation_profiles(bars, open_ranges, bin_ratio=0.0005)
    key = ["market", "session_date", "start_date"]
    assert_frame_equal(profiles.select(key).sort(key), open_ranges.select(key).sort(key))
    assert_series_equal(profiles["bin_points"], 0.0005 * profiles["poc"], check_names=False, rel_tol=1e-6)
