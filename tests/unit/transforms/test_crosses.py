"""features.moving_average_crosses: against a plain walk on exact fractions, on real dates, and at exact touches."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from benchmarks.universe import build_universe
from r2k_pipeline.tables.indicators import DailyIndicators, MovingAverageCrosses
from r2k_pipeline.transforms.crosses import LINES, build_moving_average_crosses
from r2k_pipeline.transforms.epochs import KnownBars
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.replay import replay
from tests.unit.known_rows import UTC_TIME, close_at, known_at_close

FIRST = date(2000, 1, 1)


def bars_of(cents: list[int]) -> pl.DataFrame:
    days = pl.date_range(FIRST, FIRST + timedelta(days=len(cents) - 1), eager=True)
    prices = dict.fromkeys(("high", "low", "close"), pl.Series(cents, dtype=pl.Float64) / 100)
    return pl.DataFrame({"market": ["M"] * len(cents), "session_date": days, **prices})


def built_of(bars: pl.DataFrame) -> pl.DataFrame:
    return build_moving_average_crosses(known_at_close(DailyIndicators, build_daily_indicators(bars)))


def test_indicators_without_a_known_at_have_the_same_crosses() -> None:
    bars = bars_of([1000 + 10 * (-1) ** (i // 7) * (i % 7) for i in range(260)])
    own = build_moving_average_crosses(build_daily_indicators(bars))
    assert own.height
    assert own.equals(built_of(bars).drop("known_at"))


def indicators_since(bars: pl.DataFrame, since: date | None) -> pl.DataFrame:
    return build_daily_indicators(bars, since=since)


def crosses_of(cents: list[int]) -> list[tuple[int, int, int, str]]:
    """(session, fast, slow, direction) as built."""
    built = built_of(bars_of(cents)).select("session_date", "fast", "slow", "direction")
    return [((day - FIRST).days, fast, slow, direction) for day, fast, slow, direction in built.rows()]


def exact_crosses(cents: list[int]) -> list[tuple[int, int, int, str]]:
    """The same by walking averages that are exact fractions."""
    found = []
    for fast, slow in combinations(LINES, 2):
        side = 0
        for i in range(slow - 1, len(cents)):
            gap = Fraction(sum(cents[i + 1 - fast : i + 1]), fast) - Fraction(sum(cents[i + 1 - slow : i + 1]), slow)
            now = (gap > 0) - (gap < 0)
            if now * side < 0:
                found.append((i, fast, slow, "up" if now > 0 else "down"))
            side = now or side
    return sorted(found)


@given(
    st.lists(st.integers(999, 1002), min_size=1, max_size=260)
    | st.lists(st.integers(1, 10**6), max_size=260, min_size=1)
)
@settings(max_examples=80, deadline=None)
def test_equals_exact_arithmetic(cents: list[int]) -> None:
    assert crosses_of(cents) == exact_crosses(cents)


def test_real_russell_of_spring_2025(real: Path) -> None:
    vendor = pl.read_csv(real / "prices" / "^RUT.csv", columns=["Date", "High", "Low", "Close"], try_parse_dates=True)
    bars = vendor.select(pl.lit("RUT").alias("market"), session_date="Date", high="High", low="Low", close="Close")
    built = built_of(bars)
    MovingAverageCrosses.validate(built)
    assert built.columns == MovingAverageCrosses.column_names()
    spring = built.filter(pl.col("session_date").is_between(date(2025, 2, 1), date(2025, 4, 30)), pl.col("fast") >= 50)
    assert spring.select("session_date", "fast", "slow", "direction").rows() == [
        (date(2025, 2, 19), 50, 100, "down"),
        (date(2025, 3, 20), 50, 200, "down"),
        (date(2025, 4, 17), 100, 200, "down"),
    ]


def test_a_touch_is_no_cross_and_a_way_through_it_is_one() -> None:
    below_then_touching = [*[1000] * 20, 905, 995]  # (18 x 10.00 + 9.05 + 9.95) / 20 = 9.95
    assert crosses_of(below_then_touching) == []
    assert crosses_of([*below_then_touching, 900]) == []
    assert crosses_of([*below_then_touching, 1100]) == [(22, 1, 20, "up")]


def test_rounding_noise_makes_no_cross() -> None:
    """Averages of 20, 50, 100, 200 closes that repeat every ten are equal, though none is a round number of cents."""
    pattern = [1001, 1003, 1013, 1007, 1009, 1019, 1021, 1031, 1033, 1037]
    assert [cross for cross in crosses_of(pattern * 60) if cross[1] > 1] == []


@pytest.mark.parametrize("cut", [1, 50, 199, 200, 201, 400, 777])
def test_later_bars_change_no_earlier_cross(cut: int) -> None:
    bars = build_universe(1, 800, seed=3)
    last = bars["session_date"][cut - 1]
    whole = built_of(bars)
    assert_frame_equal(built_of(bars.head(cut)), whole.filter(pl.col("session_date") <= last))


def test_markets_do_not_touch_each_other_and_rows_are_sorted() -> None:
    bars = build_universe(4, 500, seed=5)
    built = built_of(bars)
    assert_frame_equal(built, pl.concat([built_of(part) for part in bars.partition_by("market")]))
    assert_frame_equal(built, built.sort("market", "session_date", "fast", "slow"))


CORRECTED = datetime(2025, 2, 24, 22, tzinfo=UTC)


def corrected_bars(real: Path) -> pl.DataFrame:
    """^RUT as market bars; the close of 2025-02-21 was told 5 % too high and corrected after the next session."""
    vendor = pl.read_csv(real / "prices" / "^RUT.csv", try_parse_dates=True).drop_nulls("Close")
    bars = vendor.select(
        pl.lit("RUT").alias("market"), session_date="Date", high="High", low="Low", close="Close",
        known_at=close_at("Date"), superseded_at=pl.lit(None, pl.Datetime("us", "UTC")),
    )  # fmt: skip
    is_wrong, moment = pl.col("session_date") == date(2025, 2, 21), pl.lit(CORRECTED).cast(pl.Datetime("us", "UTC"))
    wrong = bars.filter(is_wrong).with_columns(pl.col("high", "close") * 1.05, superseded_at=moment)
    right = bars.with_columns(known_at=pl.when(is_wrong).then(moment).otherwise("known_at"))
    return pl.concat([right, wrong]).sort("session_date", "known_at")


def test_after_a_correction_the_last_cross_agrees_with_the_averages(real: Path) -> None:
    """The right bars put 20 below 50 on a session that the wrong close had covered: it is told at the next one."""
    indicators = replay(KnownBars(corrected_bars(real)), indicators_since, DailyIndicators.create_empty())
    last = indicators.join_asof(
        build_moving_average_crosses(indicators).filter(fast=20, slow=50), on="session_date"
    ).drop_nulls("direction")
    side = pl.when(pl.col("sma_20") > pl.col("sma_50")).then(pl.lit("up")).otherwise(pl.lit("down"))
    assert last.filter(pl.col("direction") != side).height == 0


def test_a_session_that_arrives_late_is_no_cross_and_hides_none() -> None:
    """The close of session 22 crosses its average and comes two days late: 23, told without it, crosses for it."""
    bars = bars_of([1000] * 20 + [990, 990, 1100, 1100, 1100, 900])
    late = pl.lit(datetime(2000, 1, 24, 22, tzinfo=UTC)).cast(UTC_TIME)
    is_late = pl.col("session_date") == FIRST + timedelta(days=22)
    vintages = bars.with_columns(
        known_at=pl.when(is_late).then(late).otherwise(close_at()), superseded_at=pl.lit(None, UTC_TIME)
    )
    indicators = replay(KnownBars(vintages), indicators_since, DailyIndicators.create_empty())
    built = build_moving_average_crosses(indicators)
    assert built.select((pl.col("session_date") - FIRST).dt.total_days(), "direction").rows() == [
        (23, "up"),
        (25, "down"),
    ]
    assert built["known_at"].to_list() == [datetime(2000, 1, day, 21, tzinfo=UTC) for day in (24, 26)]
    assert [day for day, *_ in crosses_of([1000] * 20 + [990, 990, 1100, 1100, 1100, 900])] == [22, 25]
