"""features.consolidations: the dated facts, a plain search over all spans, and what was known when."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from r2k_pipeline.tables.consolidations import Consolidations
from r2k_pipeline.transforms.consolidation_kernels import APART, BLOCKS, LONGEST, SHORTEST
from r2k_pipeline.transforms.consolidations import build_consolidations
from tests.unit.known_rows import assert_fits

FIRST = date(2010, 1, 1)


def bars_of(close: Any, market: str = "M") -> pl.DataFrame:
    days = [FIRST + timedelta(days=day) for day in range(len(close))]
    return pl.DataFrame({"market": [market] * len(close), "session_date": days, "close": np.asarray(close, float)})


def wandering(seed: int, sessions: int) -> NDArray[np.float64]:
    """Closes pulled back to a level that jumps now and then, so that ranges form, widen, nest and end."""
    random = np.random.default_rng(seed)
    level, price, closes = 0.0, 0.0, []
    for shock in random.normal(0, 0.01, sessions):
        level += random.normal(0, 0.08) if random.random() < 0.015 else 0.0
        price += 0.15 * (level - price) + shock
        closes.append(price)
    return np.exp(np.array(closes)) * 100


def tightness(close: NDArray[np.float64]) -> float:
    logs = np.log(close)
    return float((logs.max() - logs.min()) / (np.diff(logs).std() * np.sqrt(len(logs))))


def tight_spans(logs: NDArray[np.float64]) -> dict[int, float]:
    """Length and tightness of the candidates among all spans that end with the last close."""
    back = logs[::-1][:1002]
    n = np.arange(1, len(back) + 1)
    returns = np.append(0.0, np.diff(back))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.cumsum(returns**2) / (n - 1) - (np.cumsum(returns) / (n - 1)) ** 2
        ratio = (np.maximum.accumulate(back) - np.minimum.accumulate(back)) / np.sqrt(variance * n)
    widens = (back[1:] > np.maximum.accumulate(back)[:-1]) | (back[1:] < np.minimum.accumulate(back)[:-1])
    return {
        length: float(ratio[length - 1])
        for length in range(40, min(len(back) - 1, 1000) + 1)
        if ratio[length - 1] <= 0.8 and ratio[length - 2] >= ratio[length - 1] < ratio[length] and widens[length - 1]
    }


def plain_ranges(close: NDArray[np.float64]) -> list[tuple[Any, ...]]:
    """Every span tried at every bar, as the definition says: (row known, start, first row, end, low, high, parent)."""
    alive: list[dict[str, Any]] = []
    until_then: list[dict[str, Any]] = []
    versions = []

    def tell(item: dict[str, Any], row: int, end: int | None) -> None:
        parents = [
            other["start"]
            for other in (alive if end is None else until_then)
            if other["start"] < item["start"] and other["low"] <= item["low"] and other["high"] >= item["high"]
        ]
        versions.append((row, item["start"], item["first"], end, item["low"], item["high"], max(parents, default=None)))

    for row in range(len(close)):
        news: list[dict[str, Any]] = []
        for item in alive:
            span = close[item["start"] : row + 1]
            moved = tightness(span) <= 0.8 and (item["low"], item["high"]) != (span.min(), span.max())
            if moved:
                item["low"], item["high"] = span.min(), span.max()
            inside = item["low"] <= close[row] <= item["high"]
            item["outside"], item["last"] = (0, row) if inside else (item["outside"] + 1, item["last"])
            if moved or item["outside"] == 10:
                news.append(item)
        until_then, alive = alive, [item for item in alive if item["outside"] < 10]
        found = tight_spans(np.log(close[: row + 1]))
        for n in sorted(found, key=lambda n: found[n]):
            lengths = [row - item["start"] + 1 for item in alive]
            if all(max(n, other) >= 1.25 * min(n, other) for other in lengths):
                span = close[row - n + 1 : row + 1]
                item = {
                    "start": row - n + 1,
                    "first": row,
                    "last": row,
                    "outside": 0,
                    "low": span.min(),
                    "high": span.max(),
                }
                alive.append(item)
                news.append(item)
        for item in news:
            tell(item, row, item["last"] if item["outside"] == 10 else None)
    return versions


@given(seed=st.integers(0, 10_000), sessions=st.integers(1, 450))
@settings(max_examples=8, deadline=None)
def test_equals_a_plain_search_of_all_spans(seed: int, sessions: int) -> None:
    close = wandering(seed, sessions)
    bars = bars_of(close)
    row_of = {day: row for row, day in enumerate(bars["session_date"])} | {None: None}
    found = [
        (row_of[known], row_of[start], row_of[first], row_of[end], low, high, row_of[parent])
        for known, start, first, end, low, high, parent in build_consolidations(bars)
        .select("confirmed_date", "start_date", "first_confirmed_date", "end_date", "low", "high", "parent_start_date")
        .iter_rows()
    ]
    assert sorted(found, key=str) == sorted(plain_ranges(close), key=str)


def test_a_range_is_no_longer_than_the_longest_span_that_may_become_one() -> None:
    """A series that always comes back, as VIX does, would keep every range it ever had, each as wide as its history."""
    returns = np.random.default_rng(3).normal(0, 0.03, 2500)
    level = np.zeros(2500)
    for row in range(1, 2500):
        level[row] = 0.9 * level[row - 1] + returns[row]
    ranges = build_consolidations(bars_of(20 * np.exp(level)))
    assert ranges["sessions"].max() == 1001
    known = (
        pl.lit(None, pl.Date).alias("withdrawn_date"),
        pl.col("known_date").cast(pl.Datetime("us", "UTC")).alias("known_at"),
    )
    Consolidations.validate(ranges.with_columns(*known, withdrawn_at=pl.lit(None, pl.Datetime("us", "UTC"))), cast=True)
    ended = ranges.drop_nulls("end_confirmed_date")
    assert (ended["end_confirmed_date"] - ended["start_date"]).max() == timedelta(days=1000)
    newest = ranges.group_by("start_date").agg(pl.col("end_date").last())
    assert newest.filter(pl.col("end_date").is_null())["start_date"].min() >= FIRST + timedelta(days=1500)


def test_the_plain_search_has_something_to_find() -> None:
    versions = plain_ranges(wandering(5, 450))
    assert {row[3] is None for row in versions} == {True, False}
    assert any(row[-1] is not None for row in versions)


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 699))
@settings(max_examples=20, deadline=None)
def test_later_bars_change_no_earlier_row(seed: int, cut: int) -> None:
    bars = bars_of(wandering(seed, 700))
    day = bars["session_date"][cut]
    known = build_consolidations(bars).filter(pl.col("confirmed_date") < day)
    assert_frame_equal(build_consolidations(bars.filter(pl.col("session_date") < day)), known, check_exact=True)


@given(seed=st.integers(0, 10_000), older=st.integers(1, 400), level=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_older_bars_change_no_digit_of_a_range_that_is_found_with_them_too(seed: int, older: int, level: float) -> None:
    """They may change which ranges there are: one that is open takes the place of one of its length."""
    bars = bars_of(np.concatenate([wandering(seed + 1, older) * level, wandering(seed, 900)]))
    state = ["start_date", "first_confirmed_date", "confirmed_date", "end_date"]
    values = [*state, "low", "high", "core_low", "core_high", "tightness"]
    alone, longer = (build_consolidations(rows).select(values) for rows in (bars[older:], bars))
    same = longer.join(alone, on=state, how="semi", nulls_equal=True).sort(state)
    assert same.height > alone.height / 2
    assert_frame_equal(alone.join(longer, on=state, how="semi", nulls_equal=True).sort(state), same, check_exact=True)


@given(seed=st.integers(0, 10_000), power=st.sampled_from([-4, 3]))
@settings(max_examples=10, deadline=None)
def test_scaling_all_prices_scales_all_ranges(seed: int, power: int) -> None:
    close = wandering(seed, 600)
    prices = ["low", "high", "midpoint", "core_low", "core_high"]
    expected = build_consolidations(bars_of(close)).with_columns(pl.col(prices) * 2.0**power)
    assert_frame_equal(build_consolidations(bars_of(close * 2.0**power)), expected, rel_tol=1e-12)


def test_core_and_tightness_are_those_of_the_closes() -> None:
    close = wandering(5, 700)
    bars = bars_of(close)
    ranges = build_consolidations(bars)
    assert_fits(Consolidations, ranges, "known_date")
    assert ranges.height > 1
    for row in ranges.iter_rows(named=True):
        until = row["end_date"] or row["confirmed_date"]
        span = bars.filter(pl.col("session_date").is_between(row["start_date"], until))["close"].to_numpy()
        between = span[(span >= row["low"]) & (span <= row["high"])]
        assert np.quantile(between, [0.01, 0.99]) == pytest.approx([row["core_low"], row["core_high"]], rel=1e-12)
        assert tightness(span) == pytest.approx(row["tightness"], rel=1e-9)
        assert row["sessions"] == len(span)


def test_markets_do_not_mix() -> None:
    one, two = bars_of(wandering(1, 500), "A"), bars_of(wandering(2, 400), "B")
    both = build_consolidations(pl.concat([one, two]))
    assert_frame_equal(both, pl.concat([build_consolidations(one), build_consolidations(two)]), check_exact=True)
    assert build_consolidations(one.clear()).height == 0


def russell(real: Path, until: date) -> pl.DataFrame:
    prices = pl.read_csv(real / "prices" / "^RUT.csv", try_parse_dates=True).filter(pl.col("Date") <= until)
    return prices.select(pl.lit("RUT").alias("market"), session_date="Date", close="Close")


def test_the_notes_first_construction(real: Path) -> None:
    ranges = build_consolidations(russell(real, date(2025, 3, 14))).filter(start_date=date(2023, 12, 13))
    assert ranges["first_confirmed_date"].unique().to_list() == [date(2024, 2, 15)]
    last = ranges.row(-1, named=True)
    assert (last["end_date"], last["end_confirmed_date"]) == (date(2024, 7, 11), date(2024, 7, 25))
    assert (last["low"], last["high"]) == (pytest.approx(1913.17, abs=0.01), pytest.approx(2125.04, abs=0.01))
    assert last["tightness"] == pytest.approx(0.74, abs=0.005)
    assert last["core_low"] == pytest.approx(1925.2, abs=0.1)
    assert last["parent_start_date"] == date(2022, 4, 21)


def test_a_range_nests_in_it_and_the_next_one_forms_in_february_2025(real: Path) -> None:
    ranges = build_consolidations(russell(real, date(2025, 2, 28)))
    inner = ranges.filter(start_date=date(2024, 1, 19))
    assert inner["parent_start_date"].unique().to_list() == [date(2023, 12, 13)]
    second = ranges.filter(start_date=date(2024, 12, 17)).row(0, named=True)
    assert second["confirmed_date"] == date(2025, 2, 21)
    assert (second["low"], second["high"]) == (pytest.approx(2189.23, abs=0.01), pytest.approx(2334.08, abs=0.01))
    assert second["end_date"] is None


def test_every_block_of_lengths_has_a_bit_and_is_narrower_than_ranges_are_apart() -> None:
    shortest, longest = BLOCKS[:-1], BLOCKS[1:] - 1
    assert (shortest[0], longest[-1]) == (SHORTEST, LONGEST)
    assert shortest.size <= 32
    assert (longest < APART * shortest).all()
