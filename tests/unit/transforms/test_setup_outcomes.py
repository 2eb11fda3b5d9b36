"""marts.setup_outcomes: events, collapsing, statistics against written-out ones, and no effect where there is none."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from r2k_pipeline.transforms.setup_outcome_kernels import keep_apart
from r2k_pipeline.transforms.setup_outcomes import build_independent_events, build_setup_outcomes
from r2k_pipeline.transforms.setups import OutcomeRules

RULES = OutcomeRules(minimum_events=10, draws=200, false_discovery_rate=0.05, seed=7)
SETUP = "squeeze_risk"
FIRST = date(2000, 1, 3)


def sessions(close: np.ndarray, setup: Sequence[str | None], market: str = "RUT") -> pl.DataFrame:
    days = [FIRST + timedelta(days=n) for n in range(len(close))]
    columns = {
        "market": [market] * len(close),
        "session_date": days,
        "close": close,
        "is_inverse": [False] * len(close),
        "setups_held": setup,
    }
    return pl.DataFrame(columns, schema_overrides={"setups_held": pl.String})


def random_walk(seed: int, length: int) -> np.ndarray:
    """Closes of `length` sessions with a drift and a daily volatility of 1 %."""
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0005, 0.01, length)))


def outcome(rows: pl.DataFrame, horizon: int = 5, rules: OutcomeRules = RULES) -> dict[str, Any]:
    found = SetupOutcomes.validate(build_setup_outcomes(rows, [SETUP], rules, [horizon]))
    return found.row(0, named=True)


def test_an_event_is_the_first_session_of_a_run_and_too_few_of_them_are_an_answer() -> None:
    setup = ["none", SETUP, SETUP, None, SETUP, "none", SETUP, *["none"] * 20, SETUP, "none"]
    found = outcome(sessions(np.arange(100.0, 129.0), setup))
    assert (found["events"], found["pending_events"], found["independent_events"]) == (2, 1, 2)
    assert (found["first_event_date"], found["last_event_date"]) == (FIRST + timedelta(1), FIRST + timedelta(6))
    assert found["reading"] == "not enough events: 2 independent, 10 wanted"
    assert found["mean_forward_return_ratio"] is None
    assert found["baseline_sessions"] == 23, "29 sessions, five without a horizon, one without a setup known"


def test_a_setup_that_holds_when_it_can_first_be_known_is_no_run_that_began() -> None:
    setup = [None, None, SETUP, SETUP, "none", SETUP, *["none"] * 9]
    rows = sessions(np.arange(100.0, 115.0), setup)
    found = outcome(rows)
    assert (found["events"], found["first_event_date"]) == (1, FIRST + timedelta(5))
    two = pl.concat([rows, sessions(np.arange(100.0, 115.0), [SETUP] * 15, "SPX")])
    assert build_independent_events(two, [SETUP], [5])["session_date"].to_list() == [FIRST + timedelta(5)]


def test_a_setup_goes_on_while_another_holds_beside_it() -> None:
    setup = [
        "none",
        SETUP,
        f"capitulation, {SETUP}",
        SETUP,
        "capitulation",
        f"{SETUP}, long_liquidation",
        *["none"] * 9,
    ]
    found = outcome(sessions(np.arange(100.0, 115.0), setup))
    assert (found["events"], found["first_event_date"], found["last_event_date"]) == (
        2,
        *(FIRST + timedelta(n) for n in (1, 5)),
    )


def test_independent_events_are_those_that_the_statistics_are_made_of() -> None:
    close = random_walk(2, 400)
    begun = {10, 13, 15, 21, *range(40, 400, 7), 398}
    rows = sessions(close, [SETUP if n in begun else "none" for n in range(400)])
    events = build_independent_events(rows, [SETUP, "capitulation"], [5, 20])
    assert events["setup"].unique().to_list() == [SETUP]
    days = events.filter(pl.col("horizon_sessions") == 5)["session_date"].to_list()
    assert days[:4] == [FIRST + timedelta(n) for n in (10, 15, 21, 40)]
    for horizon in (5, 20):
        found, mine = outcome(rows, horizon), events.filter(pl.col("horizon_sessions") == horizon)
        places = [(day - FIRST).days for day in mine["session_date"]]
        assert mine["returned"].to_list() == pytest.approx([close[n + horizon] / close[n] - 1 for n in places])
        assert found["independent_events"] == len(mine)
        assert found["mean_forward_return_ratio"] == pytest.approx(mine["returned"].mean())


def test_forward_returns_go_from_the_close_at_which_the_setup_was_known() -> None:
    close = random_walk(1, 400)
    starts = range(5, 400, 11)
    found = outcome(sessions(close, [SETUP if n % 11 == 5 else "none" for n in range(400)]))
    after = [close[n + 5] / close[n] - 1 for n in starts if n + 5 < 400]
    every = [close[n + 5] / close[n] - 1 for n in range(395)]
    assert found["independent_events"] == len(after)
    assert found["mean_forward_return_ratio"] == pytest.approx(np.mean(after))
    assert found["median_forward_return_ratio"] == pytest.approx(np.median(after))
    assert found["hit_rate_ratio"] == np.mean(np.array(after) > 0)
    assert found["baseline_mean_return_ratio"] == pytest.approx(np.mean(every))
    shifted = [np.mean([every[(n + shift) % 395] for n in starts if n < 395]) for shift in range(395)]
    off = np.abs(np.array(shifted) - np.mean(every))
    assert found["p_value"] == pytest.approx(np.mean(off >= off[0] - 1e-12))


@given(st.lists(st.integers(0, 300), unique=True, max_size=40), st.integers(1, 60))
def test_events_kept_are_apart_and_each_one_left_out_is_near_one_kept(rows: list[int], gap: int) -> None:
    events = np.array(sorted(rows), np.int64)
    kept = events[keep_apart(events, gap)]
    assert (np.diff(kept) >= gap).all()
    for left_out in set(events) - set(kept):
        before = kept[kept < left_out]
        assert left_out - before[-1] < gap


def test_a_setup_that_is_followed_by_a_rise_is_found_and_its_interval_holds_the_rise() -> None:
    steps = np.random.default_rng(3).normal(0, 0.005, 1500)
    setup = ["none"] * 1500
    for start in range(20, 1480, 30):
        setup[start] = SETUP
        steps[start + 1 : start + 6] += 0.01
    found = outcome(sessions(100 * np.exp(np.cumsum(steps)), setup))
    assert found["p_value"] < 0.01
    assert found["mean_low_ratio"] < np.expm1(0.05) < found["mean_high_ratio"]
    assert found["reading"] == "higher than after the market's other sessions"


def test_a_random_setup_on_random_walks_shows_no_effect() -> None:
    """Of 400 tests at 10 % about 40 find something: within the 99.9 % interval of a binomial."""
    walks, rate, length = 400, 0.1, 500
    random = np.random.default_rng(11)
    rows = [
        sessions(random_walk(seed, length), list(random.choice(["none", SETUP], length, p=[0.93, 0.07])), f"M{seed:03}")
        for seed in range(walks)
    ]
    rules = RULES.model_copy(update={"draws": 100})
    found = build_setup_outcomes(pl.concat(rows), [SETUP], rules, [5])
    assert found["p_value"].null_count() == 0
    reach = 3.29 * np.sqrt(walks * rate * (1 - rate))
    assert abs((found["p_value"].to_numpy() <= rate).sum() - walks * rate) <= reach
    p = found["p_value"].to_numpy()
    q = [min(1.0, *(other * walks / (p <= other).sum() for other in p if other >= mine)) for mine in p]
    assert found["q_value"].to_list() == pytest.approx(q)
    covered = found.filter(pl.col("baseline_mean_return_ratio").is_between("mean_low_ratio", "mean_high_ratio"))
    assert covered.height > 0.85 * walks, "a percentile interval of some 25 events is a little short of 95 %"


def test_the_seed_alone_decides_and_other_markets_change_nothing_but_q() -> None:
    setup = [SETUP if n % 9 == 0 else "none" for n in range(300)]
    one, other = sessions(random_walk(5, 300), setup), sessions(random_walk(6, 300), setup, "SPX")
    assert outcome(one) == outcome(one)
    beside = build_setup_outcomes(pl.concat([one, other]), [SETUP], RULES, [5]).filter(market="RUT").row(0, named=True)
    alone = outcome(one)
    assert {k: v for k, v in beside.items() if k != "q_value"} == {k: v for k, v in alone.items() if k != "q_value"}
    reseeded = outcome(one, rules=RULES.model_copy(update={"seed": 8}))
    assert reseeded["mean_low_ratio"] != alone["mean_low_ratio"]
    assert reseeded["p_value"] == alone["p_value"]


def test_what_followed_is_of_the_contracts_direction() -> None:
    """Closes of an inverse series are turned round, so the outcomes are those of the contract's own price."""
    close = random_walk(5, 400)
    rows = sessions(close, [SETUP if n % 11 == 5 else "none" for n in range(400)])
    inverse = rows.with_columns(close=1 / pl.col("close"), is_inverse=pl.lit(value=True))
    straight, turned = (outcome(each) for each in (rows, inverse))
    for name in ("mean_forward_return_ratio", "hit_rate_ratio", "baseline_mean_return_ratio", "p_value"):
        assert turned[name] == pytest.approx(straight[name])
