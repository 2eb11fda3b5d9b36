"""Facts through corrections: at every session the rows that stand are those of the bars as known then, built anew."""

from datetime import UTC, datetime, time, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.levels import LevelEvidence
from r2k_pipeline.contracts.profiles import SwingPivots
from r2k_pipeline.transforms.levels import build_levels
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.replay import Build, replay, replay_facts, standing
from tests.unit.test_levels import assert_prices_are_their_evidence, filed_of, plain_indicators, walk_bars

UTC_TIME = pl.Datetime("us", "UTC")
PRICES = ("high", "low", "close")
Correction = tuple[int, int, float]
"""Row of the bar that was wrong, sessions until it was corrected, what its prices were multiplied by meanwhile."""


def vintages(bars: pl.DataFrame, corrections: list[Correction]) -> pl.DataFrame:
    """Bars known at their day's end; those of `corrections` were told wrong at first, each of a row of its own."""
    closes = pl.col("session_date").dt.combine(time(21)).dt.replace_time_zone("UTC").cast(UTC_TIME)
    told = bars.with_columns(known_at=closes, superseded_at=pl.lit(None, UTC_TIME))
    for row, after, factor in corrections:
        moment = datetime.combine(bars["session_date"][row] + timedelta(days=after), time(22), UTC)
        at, is_it = pl.lit(moment).cast(UTC_TIME), pl.col("session_date") == bars["session_date"][row]
        wrong = told.filter(is_it).with_columns(pl.col(PRICES) * factor, superseded_at=at)
        told = pl.concat([told.with_columns(known_at=pl.when(is_it).then(at).otherwise("known_at")), wrong])
    return told.sort("session_date", "known_at")


@st.composite
def stories(draw: st.DrawFn, most: int = 3) -> tuple[pl.DataFrame, list[Correction]]:
    """A hundred bars and up to `most` corrections of different bars."""
    bars = walk_bars(draw(st.integers(0, 10_000)), 100)
    rows = draw(st.lists(st.integers(5, 94), min_size=1, max_size=most, unique=True))
    wrong = st.sampled_from([0.97, 0.99, 1.01, 1.03])
    return bars, [(row, draw(st.integers(0, 20)), draw(wrong)) for row in rows]


def as_told(facts: pl.DataFrame, dated: str, day: object) -> pl.DataFrame:
    """The facts that stand at a session, without the days on which they were told."""
    stand = (pl.col("withdrawn_date") > day).fill_null(True)
    return facts.filter(pl.col(dated) <= day, stand).drop(dated, "withdrawn_date")


def assert_told_as_known(told: pl.DataFrame, build: Build, dated: str, facts: pl.DataFrame) -> None:
    for day, closed in told.group_by("session_date").agg(pl.col("known_at").min()).sort("session_date").iter_rows():
        known = told.filter(pl.col("known_at") <= closed, (pl.col("superseded_at") > closed).fill_null(True))
        expected = build(known.drop("known_at", "superseded_at").sort("session_date")).drop(dated)
        assert_frame_equal(as_told(facts, dated, day), expected, check_exact=True, check_row_order=False)


@given(story=stories())
@settings(max_examples=15, deadline=None)
def test_pivots_at_every_session_are_those_of_the_bars_known_then(story: tuple[pl.DataFrame, list[Correction]]) -> None:
    told = vintages(*story)
    pivots = replay_facts(told, build_swing_pivots, "confirmed_date")
    SwingPivots.validate(pivots)
    assert_told_as_known(told, build_swing_pivots, "confirmed_date", pivots)


@given(story=stories())
@settings(max_examples=5, deadline=None)
def test_evidence_at_every_session_is_that_of_the_bars_known_then(story: tuple[pl.DataFrame, list[Correction]]) -> None:
    told = vintages(*story)
    evidence = replay_facts(told, filed_of, "filed_date")
    LevelEvidence.validate(evidence)
    assert_told_as_known(told, filed_of, "filed_date", evidence)


def levels_through_corrections(told: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Levels as orchestration replays them: from the evidence that stood in each epoch."""
    return replay(told, lambda b: build_levels(b, plain_indicators(b), standing(b, evidence, "filed_date")))


@given(story=stories())
@settings(max_examples=15, deadline=None)
def test_levels_are_those_of_the_epoch_and_traced_to_what_stood(story: tuple[pl.DataFrame, list[Correction]]) -> None:
    told = vintages(*story)
    evidence = replay_facts(told, filed_of, "filed_date")
    levels = levels_through_corrections(told, evidence)
    rebuilt = replay(told, lambda b: build_levels(b, plain_indicators(b), filed_of(b)))
    assert_frame_equal(levels, rebuilt, check_exact=True)
    assert_prices_are_their_evidence(levels, evidence)


def test_a_low_told_too_low_is_withdrawn_when_it_is_corrected() -> None:
    bars = walk_bars(3, 60)
    low = build_swing_pivots(bars).filter(kind="low").row(1, named=True)
    row = bars["session_date"].to_list().index(low["pivot_date"])
    told = replay_facts(vintages(bars, [(row, 8, 0.94)]), build_swing_pivots, "confirmed_date")
    corrected = low["pivot_date"] + timedelta(days=9)
    story = told.filter(pivot_date=low["pivot_date"], kind="low").sort("confirmed_date").drop("market", "kind")
    wrong = {"pivot_date": low["pivot_date"], "price": low["price"] * 0.94}
    right = {"pivot_date": low["pivot_date"], "price": low["price"]}
    assert story.to_dicts() == [
        wrong | {"confirmed_date": low["confirmed_date"], "withdrawn_date": corrected},
        right | {"confirmed_date": corrected, "withdrawn_date": None},
    ]


def first_at_600(bars: pl.DataFrame) -> pl.DataFrame:
    """One fact, that the price got to 600, on the first day of it."""
    return bars.filter(pl.col("close") >= 600).group_by("market").agg(pl.col("session_date").min())


def test_a_fact_that_comes_later_than_was_told_is_withdrawn_till_then() -> None:
    bars = walk_bars(1, 30).with_columns(close=pl.when(pl.int_range(30) < 20).then(580.0).otherwise(620.0))
    day = bars["session_date"]
    told = replay_facts(vintages(bars, [(5, 3, 1.1)]), first_at_600, "session_date")
    assert told.sort("session_date").rows() == [("M", day[5], day[9]), ("M", day[20], None)]


def test_batches_of_epochs_make_no_difference() -> None:
    bars = walk_bars(5, 100)
    told = vintages(bars, [(20, 4, 0.97), (40, 6, 1.03), (60, 2, 0.99)])
    whole = replay_facts(told, build_swing_pivots, "confirmed_date")
    assert whole["withdrawn_date"].count() > 0
    one_by_one = replay_facts(told, build_swing_pivots, "confirmed_date", batch_rows=1)
    assert_frame_equal(whole, one_by_one, check_exact=True)


def test_nothing_revised_nothing_withdrawn() -> None:
    bars = walk_bars(5, 100)
    told = replay_facts(vintages(bars, []), build_swing_pivots, "confirmed_date")
    assert_frame_equal(told.drop("withdrawn_date"), build_swing_pivots(bars), check_exact=True)
    assert told["withdrawn_date"].null_count() == told.height > 0
