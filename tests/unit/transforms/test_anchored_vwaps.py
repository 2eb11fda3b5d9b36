"""features.anchored_vwaps: against plain sums of bars, on random walks and on real prices."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from r2k_pipeline.tables.anchored_vwaps import AnchoredVwaps
from r2k_pipeline.transforms.anchored_vwaps import ANCHORS, build_anchored_vwaps
from r2k_pipeline.transforms.pivots import build_swing_pivots
from tests.unit.known_rows import assert_fits
from tests.unit.transforms.test_indicators import real_bars
from tests.unit.transforms.test_volume_profiles import FIRST, random_bars

DAYS = (FIRST - dt.timedelta(9), FIRST + dt.timedelta(77))


def with_holes(seed: int, count: int, market: str) -> pl.DataFrame:
    """Bars of prices in tens, so that extremes tie, some without a known volume, at first many."""
    known = np.random.default_rng(seed).random(count) < np.linspace(0.8, 1, count)
    bars = random_bars(seed, count, market=market).with_columns((pl.col("low", "high", "close") / 10).round() * 10)
    return bars.with_columns(pl.when(pl.Series(known)).then(pl.col("volume", "volume_symbol")).name.keep())


def anchors_of(bars: pl.DataFrame, pivots: pl.DataFrame, t: int) -> dict[str, int | None]:
    """The bar of each anchor at bar t of one market, by the definitions, one bar at a time."""
    low, high, sessions = (bars[name].to_list() for name in ("low", "high", "session_date"))
    found: dict[str, int | None] = {}
    for kind in ("high", "low"):
        last = pivots.filter(pl.col("confirmed_date") <= sessions[t], pl.col("kind") == kind)["pivot_date"].max()
        found[f"swing_{kind}"] = None if last is None else sessions.index(last)
    year = range(max(0, t - 251), t + 1)
    found["high_252d"] = max(year, key=lambda i: (high[i], i)) if t >= 251 else None
    found["low_252d"] = min(year, key=lambda i: (low[i], -i)) if t >= 251 else None
    begins = [i for i in range(1, t + 1) if sessions[i].year != sessions[i - 1].year]
    found["year"] = begins[-1] if begins else None
    for day in DAYS:
        found[f"since_{day}"] = next((i for i, session in enumerate(sessions) if session >= day), None)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_equals_plain_sums_since_each_anchor(seed: int) -> None:
    bars = pl.concat([with_holes(seed, 420, "A"), with_holes(seed + 9, 300, "B")])
    built = build_anchored_vwaps(bars, build_swing_pivots(bars), DAYS)
    assert_fits(AnchoredVwaps, built)
    by_key = {tuple(row[:3]): row[3:] for row in built.iter_rows()}
    expected = {}
    for (market,), own in bars.group_by("market", maintain_order=True):
        pivots = build_swing_pivots(own)
        for t in range(0, own.height, 7):
            for anchor, start in anchors_of(own, pivots, t).items():
                window = own[start:t] if start is not None else own.clear()
                known = window.drop_nulls("volume")
                if window.is_empty() or known.height < 0.9 * window.height or not known["volume"].sum():
                    continue
                price = sum((r["high"] + r["low"] + r["close"]) / 3 * r["volume"] for r in known.iter_rows(named=True))
                vwap = pytest.approx(price / known["volume"].sum(), rel=1e-12)
                key = market, own["session_date"][t], anchor
                expected[key] = (window["session_date"][0], vwap, window.height, "IWM")
    days = {(market, day) for (market,), own in bars.group_by("market") for day in own["session_date"][::7]}
    assert {key: row for key, row in by_key.items() if key[:2] in days} == expected
    assert {key[2] for key in expected} == {*ANCHORS, *(f"since_{day}" for day in DAYS)}


@pytest.mark.parametrize("cut", [1, 251, 419])
def test_later_bars_change_no_row_and_rows_since_a_session_are_those_of_the_whole(cut: int) -> None:
    bars = pl.concat([with_holes(5, 420, "A"), with_holes(6, 300, "B")])
    day = FIRST + dt.timedelta(cut)
    whole = build_anchored_vwaps(bars, build_swing_pivots(bars), DAYS)
    since = build_anchored_vwaps(bars, build_swing_pivots(bars), DAYS, since=day)
    assert_frame_equal(since, whole.filter(pl.col("session_date") >= day), check_exact=True)
    early = bars.filter(pl.col("session_date") < day)
    before = build_anchored_vwaps(early, build_swing_pivots(early), DAYS)
    assert_frame_equal(before, whole.filter(pl.col("session_date") < day), check_exact=True)


def test_neither_bars_before_the_anchor_nor_the_volume_of_the_session_are_in_it() -> None:
    bars = random_bars(3, 300)
    days = (FIRST + dt.timedelta(200),)
    is_of_day = pl.col("anchor") == f"since_{days[0]}"
    whole = build_anchored_vwaps(bars, build_swing_pivots(bars), days).filter(is_of_day)
    tail = build_anchored_vwaps(bars[150:], build_swing_pivots(bars[150:]), days).filter(is_of_day)
    assert_frame_equal(tail, whole, check_exact=True)
    unsettled = bars.with_columns(
        pl.when(pl.int_range(pl.len()) < 299).then(pl.col("volume", "volume_symbol")).name.keep()
    )
    assert_frame_equal(build_anchored_vwaps(unsettled, build_swing_pivots(bars), days).filter(is_of_day), whole)


def test_the_pivots_are_those_of_the_bars_and_a_strange_volume_is_named() -> None:
    bars = random_bars(3, 300)
    assert_frame_equal(build_anchored_vwaps(bars), build_anchored_vwaps(bars, build_swing_pivots(bars)))
    with pytest.raises(ValueError, match="volume"):
        build_anchored_vwaps(bars.with_columns(volume=pl.lit(-1.0)))


def test_the_notes_fourteenth_of_march(real: Path) -> None:
    """The Russell's average price, weighted by IWM's volume, since its high of 25 November 2024: above the close."""
    index, fund = real_bars(real, "^RUT"), real_bars(real, "IWM").select("session_date", "volume")
    bars = (
        index.drop("volume")
        .join(fund, on="session_date", maintain_order="left")
        .with_columns(volume_symbol=pl.lit("IWM"))
    )
    built = build_anchored_vwaps(bars, build_swing_pivots(bars), since=dt.date(2025, 3, 14))
    day = {row["anchor"]: row for row in built.filter(session_date=dt.date(2025, 3, 14)).iter_rows(named=True)}
    own = bars.filter(pl.col("session_date").is_between(dt.date(2024, 11, 25), dt.date(2025, 3, 13)))
    price = (own["high"] + own["low"] + own["close"]) / 3
    assert day["high_252d"]["anchor_date"] == own["session_date"][0]
    assert day["high_252d"]["vwap"] == pytest.approx((price * own["volume"]).sum() / own["volume"].sum())
    assert (day["year"]["anchor_date"], day["year"]["sessions"]) == (dt.date(2025, 1, 2), 48)
    assert {anchor: round(row["vwap"], 2) for anchor, row in day.items()} == {
        **{"swing_high": 2145.19, "swing_low": 2127.83, "high_252d": 2241.39, "low_252d": 2182.2, "year": 2197.27}
    }
