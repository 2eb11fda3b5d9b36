"""features.level_outcomes: touches and their fate against a plain loop, a fair baseline, planted levels that hold."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.tables.level_outcomes import LevelOutcomes
from r2k_pipeline.transforms.level_outcome_kernels import pick_reaching
from r2k_pipeline.transforms.level_outcomes import BASELINE_SESSIONS, build_level_outcomes

FIRST = date(2015, 1, 1)


def bars_of(close: Any, wick: float = 0.5, market: str = "M") -> pl.DataFrame:
    days = [FIRST + timedelta(days=day) for day in range(len(close))]
    close = np.asarray(close, float)
    columns = {"high": close + wick, "low": close - wick, "close": close}
    return pl.DataFrame({"market": [market] * len(close), "session_date": days, **columns})


def atr_of(bars: pl.DataFrame, atr: float = 1.0) -> pl.DataFrame:
    return bars.select("market", "session_date", atr_14=pl.lit(atr))


def levels_of(
    bars: pl.DataFrame, rows: Any, distance: Any, width: float, role: str, kind: str = "swing_low"
) -> pl.DataFrame:
    """Zones whose near edge lies `distance` off the close of the session at each row."""
    close, sign = bars["close"].to_numpy()[rows], 1.0 if role == "support" else -1.0
    near, far = close - sign * np.asarray(distance), close - sign * (np.asarray(distance) + width)
    return pl.DataFrame(
        {
            "market": bars["market"].gather(rows),
            "session_date": bars["session_date"].gather(rows),
            "level_id": [f"{kind}-{role}-{place}" for place in range(len(rows))],
            "kind": [kind] * len(rows),
            "role": [role] * len(rows),
            "low": np.minimum(near, far),
            "high": np.maximum(near, far),
        }
    )


def random_case(seed: int, sessions: int = 400, zones: int = 150) -> tuple[pl.DataFrame, pl.DataFrame]:
    random = np.random.default_rng(seed)
    bars = bars_of(500 + np.cumsum(random.normal(0, 1, sessions)))
    rows = np.sort(random.integers(0, sessions, zones))
    parts = [
        levels_of(bars, rows, random.uniform(0, 2, zones), 0.3, role, kind)
        for role, kind in (("support", "swing_low"), ("resistance", "swing_high"))
    ]
    return bars, pl.concat(parts)


@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_counts_equal_a_plain_loop_over_touches(seed: int, horizon: int) -> None:
    bars, levels = random_case(seed)
    high, low, close = (bars[name].to_list() for name in ("high", "low", "close"))
    row_of = {day: row for row, day in enumerate(bars["session_date"])}
    expected = {role: [0, 0, 0] for role in ("support", "resistance")}
    for day, role, zone_low, zone_high in levels.select("session_date", "role", "low", "high").iter_rows():
        row = row_of[day]
        if row + horizon >= len(close):
            continue
        if role == "support":
            touched = close[row] - zone_high > 0.5 and low[row + 1] <= zone_high + 0.1
        else:
            touched = zone_low - close[row] > 0.5 and high[row + 1] >= zone_low - 0.1
        if not touched:
            continue
        fate = 2
        for later in close[row + 1 : row + 1 + horizon]:
            if later >= zone_high + 1 or later <= zone_low - 1:
                fate = int((later >= zone_high + 1) != (role == "support"))
                break
        expected[role][fate] += 1
    outcomes = build_level_outcomes(bars, atr_of(bars), levels, (horizon,), draws=2).filter(kind="all")
    found = {row[0]: list(row[1:]) for row in outcomes.select("role", "held", "broken", "undecided").iter_rows()}
    assert found == {role: counts for role, counts in expected.items() if sum(counts)}


def test_random_levels_on_a_random_walk_do_no_better_than_the_baseline() -> None:
    bars, levels = random_case(1, sessions=20_000, zones=8_000)
    outcomes = build_level_outcomes(bars, atr_of(bars), levels).filter(kind="all")
    assert outcomes["touches"].min() > 1_000
    assert outcomes["excess_share_ratio"].abs().max() < 0.05
    assert outcomes["p_value"].min() > 0.01


def test_levels_that_turn_the_price_hold_more_often_than_the_baseline() -> None:
    random = np.random.default_rng(4)
    price, closes = 0.0, []
    for shock in random.normal(0, 1, 6_000):
        price = 40 - abs(40 - abs(price + shock))  # a floor at 500 and a ceiling at 540 that always hold
        closes.append(500 + price)
    bars = bars_of(closes)
    rows = np.flatnonzero((np.array(closes) > 500.6) & (np.array(closes) < 503))
    levels = levels_of(bars, rows, np.array(closes)[rows] - 500, 0.2, "support")
    row = build_level_outcomes(bars, atr_of(bars), levels, (20,)).row(0, named=True)
    assert row["held_share_ratio"] == 1.0
    assert row["excess_share_ratio"] > 0.2
    assert row["p_value"] < 0.001


def test_a_touch_is_compared_with_bars_of_its_own_time() -> None:
    """Half of the history has closes alone, as an index's oldest bars: few touches hold there, for the bar that reaches
    a zone closes beyond it. Nine zones in ten are of the other half. None is better than a random price.
    """
    random = np.random.default_rng(6)
    half = 8_000
    path = 5_000 + np.cumsum(random.normal(0, 0.25, 2 * half * 16)).reshape(-1, 16)
    close, with_range = path[:, -1], np.arange(2 * half) >= half
    high, low = (np.where(with_range, edge, close) for edge in (path.max(axis=1), path.min(axis=1)))
    bars = bars_of(close).with_columns(high=pl.Series(high), low=pl.Series(low))
    reach = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])  # true ranges
    atr = np.where(with_range, reach[half:].mean(), reach[: half - 1].mean())
    rows = np.sort(np.concatenate([random.integers(0, half, 1_000), random.integers(half, 2 * half, 9_000)]))
    levels = levels_of(bars, rows, random.uniform(0.6, 1.2, rows.size) * atr[rows], 0.2, "support")
    of_all, of_its_time = (
        build_level_outcomes(
            bars, atr_of(bars).with_columns(atr_14=pl.Series(atr)), levels, (10,), baseline_sessions=sessions
        ).row(0, named=True)
        for sessions in (close.size, BASELINE_SESSIONS)
    )
    assert of_all["excess_share_ratio"] > 0.05
    assert of_all["p_value"] < 0.001
    assert abs(of_its_time["excess_share_ratio"]) < 0.02
    assert of_its_time["p_value"] > 0.1


def test_bars_further_than_the_window_do_not_count() -> None:
    """The same touches between other bars, from 1,261 sessions before them and 1,260 and a horizon after them."""
    random = np.random.default_rng(7)
    closes = 500 + np.cumsum(random.normal(0, 1, 4_000))
    others = closes.copy()
    others[:140] = 500 + np.cumsum(random.normal(1, 1, 140))
    others[2_781:] = 500 + np.cumsum(random.normal(1, 1, 4_000 - 2_781))
    rows = np.arange(1_400, 1_501)
    found = {}
    for sessions in (BASELINE_SESSIONS, BASELINE_SESSIONS + 5):
        for name, history in (("bars", closes), ("others", others)):
            bars = bars_of(history)
            levels = levels_of(bars, rows, np.full(rows.size, 0.7), 0.2, "support")
            found[sessions, name] = build_level_outcomes(
                bars, atr_of(bars), levels, draws=2_000, baseline_sessions=sessions
            )
    near, further = BASELINE_SESSIONS, BASELINE_SESSIONS + 5
    assert found[near, "bars"]["touches"].min() > 10
    assert_frame_equal(found[near, "bars"], found[near, "others"], check_exact=True)
    assert not found[further, "bars"].equals(found[further, "others"])


@given(seed=st.integers(0, 10_000), touches=st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_picks_are_of_the_places_that_reach_far_enough(seed: int, touches: int) -> None:
    random = np.random.default_rng(seed)
    reach, own = random.random(60), random.integers(0, 60, touches)
    first, end = np.maximum(own - 15, 0), np.minimum(own + 16, 60)
    least, uniform = reach[own] * random.random(touches), random.random((touches, 30))
    uniform[:, 0], uniform[:, 1] = 0.0, np.nextafter(1.0, 0.0)
    picks = pick_reaching(reach, first, end, least, uniform)
    for touch in range(touches):
        places = [place for place in range(first[touch], end[touch]) if reach[place] >= least[touch]]
        assert picks[touch].tolist() == [places[int(share * len(places))] for share in uniform[touch]]


def test_the_baseline_is_repeatable_and_of_its_own_market() -> None:
    bars, levels = random_case(2)
    again = build_level_outcomes(bars, atr_of(bars), levels)
    assert_frame_equal(build_level_outcomes(bars, atr_of(bars), levels), again, check_exact=True)
    other = bars_of(300 + np.cumsum(np.random.default_rng(9).normal(0, 1, 500)), market="A")
    more = levels_of(other, np.arange(0, 480, 5), 0.8, 0.1, "support")
    both, all_levels = pl.concat([other, bars]), pl.concat([more, levels])
    with_other = build_level_outcomes(both, atr_of(both), all_levels)
    of_market = with_other.filter(market="M")
    assert_frame_equal(of_market.drop("q_value"), again.drop("q_value"), check_exact=True)  # q is over all rows
    assert with_other.filter(market="A").height > 0


def test_the_interval_is_wilsons() -> None:
    bars, levels = random_case(3)
    outcomes = build_level_outcomes(bars, atr_of(bars), levels, (8,))
    assert LevelOutcomes.filter(outcomes)[1].counts() == {}
    assert outcomes.columns == list(LevelOutcomes.columns())
    one_a_session = outcomes.filter(pl.col("touches") == pl.col("touch_sessions"), pl.col("undecided") == 0)
    assert one_a_session.height > 0
    for row in one_a_session.iter_rows(named=True):
        n, share = row["touches"], row["held_share_ratio"]
        for edge in (row["held_share_low_ratio"], row["held_share_high_ratio"]):  # Wilson: |share - edge| = z sd(edge)
            assert (share - edge) ** 2 == pytest.approx(1.959964**2 * edge * (1 - edge) / n, rel=1e-5)


def test_touches_of_one_month_are_one_observation() -> None:
    """The same touches told ten times over change no p-value; told in ten far months they are evidence."""
    random = np.random.default_rng(8)
    bars = bars_of(500 + np.cumsum(random.normal(0, 1, 4_000)))
    rows = np.arange(100, 3_900, 20)
    once = levels_of(bars, rows, np.full(rows.size, 0.6), 0.2, "support")
    tenfold = pl.concat([once.with_columns(level_id=pl.format("{}-{}", "level_id", pl.lit(n))) for n in range(10)])
    outcomes = [build_level_outcomes(bars, atr_of(bars), zones, (20,), draws=2_000) for zones in (once, tenfold)]
    single, many = (rows.filter(kind="all").row(0, named=True) for rows in outcomes)
    assert many["touches"] == 10 * single["touches"] > 500
    assert many["p_value"] == pytest.approx(single["p_value"], abs=0.05)
    assert single["q_value"] == single["p_value"], "kind and all are the same touches"


def test_ten_touches_that_one_jump_decides_are_one_observation() -> None:
    """Blocks of twenty sessions: ten at 500, then a jump that decides all ten touches; 26 of 40 such blocks hold."""
    holds = np.array([True] * 26 + [False] * 14 + [True] * 14 + [False] * 26)
    after = np.where(holds, 502.0, 497.0)
    closes = np.concatenate([np.r_[np.full(10, 500.0), np.full(10, jump)] for jump in after] + [np.full(20, 500.0)])
    rows = np.flatnonzero(np.arange(800) % 20 < 9)  # the last session at 500 has the jump for a touch
    bars = bars_of(closes)
    levels = levels_of(bars, rows, np.full(rows.size, 0.55), 0.2, "support")
    row = build_level_outcomes(bars, atr_of(bars), levels, (20,)).row(0, named=True)
    assert (row["held"], row["broken"]) == (26 * 9, 14 * 9)
    assert row["baseline_share_ratio"] == pytest.approx(0.5, abs=0.05)
    assert 0.02 < row["p_value"] < 0.2  # of 40 observations; of 360 it would be below 1e-6


def test_no_touches_no_rows() -> None:
    bars, levels = random_case(3)
    assert build_level_outcomes(bars, atr_of(bars), levels.clear()).height == 0


def test_few_sessions_have_counts_and_no_statistic() -> None:
    random = np.random.default_rng(3)
    bars = bars_of(500 + np.cumsum(random.normal(0, 1, 3_000)))
    rows = np.arange(100, 2_900, 7)
    levels = levels_of(bars, rows, 1.2, 0.2, "support")
    row = build_level_outcomes(bars, atr_of(bars), levels, (20,)).row(0, named=True)
    assert row["held_share_ratio"] is not None
    few = build_level_outcomes(bars, atr_of(bars), levels, (20,), minimum_sessions=row["touch_sessions"] + 1)
    shown = few.row(0, named=True)
    assert (shown["touches"], shown["held"], shown["broken"]) == (row["touches"], row["held"], row["broken"])
    statistics = ("held_share_ratio", "held_share_low_ratio", "baseline_share_ratio", "p_value", "q_value")
    assert [shown[name] for name in statistics] == [None] * len(statistics)
