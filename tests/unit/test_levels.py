"""features.levels: against a plain walk over all zones, on real facts, and as known at the time."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from r2k_pipeline.contracts.levels import Levels
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.level_evidence import build_level_evidence
from r2k_pipeline.transforms.level_evidence_kernels import standing
from r2k_pipeline.transforms.levels import build_levels
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.volume_profiles import build_volume_profiles

FIRST = date(2020, 1, 1)
NO_PROFILES = pl.DataFrame(
    schema={"market": pl.String, "session_date": pl.Date, "profile_window": pl.String}
    | dict.fromkeys(("poc", "value_area_low", "value_area_high"), pl.Float64)
)
NO_RANGES = pl.DataFrame(
    schema={
        "market": pl.String,
        "start_date": pl.Date,
        "confirmed_date": pl.Date,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)


def walk_bars(seed: int, sessions: int, market: str = "M", scale: float = 1.0) -> pl.DataFrame:
    """A random walk in whole points (ties occur), low enough in volatility that zones are met again and again."""
    random = np.random.default_rng(seed)
    close = 500 + np.round(np.cumsum(random.normal(0, 4, sessions)))
    wick = np.round(np.abs(random.normal(0, 3, (2, sessions))))
    return pl.DataFrame(
        {
            "market": [market] * sessions,
            "session_date": [FIRST + timedelta(days=day) for day in range(sessions)],
            "high": (close + wick[0]) * scale,
            "low": (close - wick[1]) * scale,
            "close": close * scale,
        }
    )


def plain_indicators(bars: pl.DataFrame) -> pl.DataFrame:
    """Stand-ins with the columns that levels need: a short ATR and short extremes, so that small frames have them."""
    before = pl.col("close").shift().over("market")
    spread = pl.max_horizontal(
        pl.col("high") - pl.col("low"), (pl.col("high") - before).abs(), (pl.col("low") - before).abs()
    )
    return bars.select(
        "market",
        "session_date",
        atr_14=spread.rolling_mean(5).over("market"),
        high_252d=pl.col("high").rolling_max(20).over("market"),
        low_252d=pl.col("low").rolling_min(20).over("market"),
    )


def levels_of(bars: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return build_levels(bars, plain_indicators(bars), build_swing_pivots(bars), NO_PROFILES, NO_RANGES, **options)


class PlainZone:
    """A zone that remembers all its prices and is asked about every bar: the definitions, word for word."""

    def __init__(self, kind: str, born: date, row: int, price: float, close: float, atr: float) -> None:
        self.level_id = f"{kind}-{born}"
        self.prices: list[float] = []
        self.events: list[tuple[int, float, float]] = []  # row, factor, points
        self.side = 1 if close > price else -1
        self.ready, self.touched, self.broken = abs(close - price) > 0.5 * atr, False, False
        self.touches = self.holds = self.breaks = self.role_flips = 0
        self.add(price, row)

    def add(self, price: float, row: int) -> None:
        self.prices.append(price)
        self.last_evidence = row
        self.events.append((row, 1.0, 1.0))

    def meet(self, row: int, high: float, low: float, close: float, atr: float) -> None:
        below, above = min(self.prices), max(self.prices)
        if self.ready and low <= above + 0.1 * atr and high >= below - 0.1 * atr:
            self.touches, self.ready, self.touched = self.touches + 1, False, True
        side = int(close > above + 0.5 * atr) - int(close < below - 0.5 * atr)
        if not side:
            return
        if side != self.side:
            self.breaks, self.broken, self.side = self.breaks + 1, True, side
            self.events.append((row, 0.75, 0.0))
        elif self.touched:
            self.holds, self.role_flips, self.broken = self.holds + 1, self.role_flips + self.broken, False
            self.events.append((row, 1.0, 1.0))
        self.ready, self.touched = True, False

    def strength(self, row: int) -> float:
        total, at = 0.0, self.events[0][0]
        for then, factor, points in self.events:
            total, at = total * 0.5 ** ((then - at) / 252) * factor + points, then
        return total * 0.5 ** ((row - at) / 252)


def plain_levels(bars: pl.DataFrame, evidence: pl.DataFrame, per_side: int) -> dict[tuple[date, str], tuple[Any, ...]]:
    zones: list[PlainZone] = []
    pending = list(evidence.select("kind", "price", "born_date", "confirmed_date").iter_rows())
    shown = {}
    frame = bars.select("session_date", "high", "low", "close").with_columns(plain_indicators(bars)["atr_14"])
    for row, (day, high, low, close, atr) in enumerate(frame.iter_rows()):
        if atr is None:
            continue
        zones = [zone for zone in zones if row - zone.last_evidence <= 504]
        for zone in zones:
            zone.meet(row, high, low, close, atr)
        while pending and pending[0][3] <= day:
            kind, price, born, _ = pending.pop(0)
            inside = [zone for zone in zones if min(zone.prices) <= price <= max(zone.prices)]
            near = [
                zone
                for zone in zones
                if abs(np.mean(zone.prices) - price) <= 0.5 * atr
                and max(*zone.prices, price) - min(*zone.prices, price) <= atr
                and not any(
                    price < other < np.mean(zone.prices) or np.mean(zone.prices) < other < price
                    for rest in zones
                    if rest is not zone
                    for other in rest.prices
                )
            ]
            home = inside or sorted(near, key=lambda zone: (abs(np.mean(zone.prices) - price), -np.mean(zone.prices)))
            if home:
                home[0].add(price, row)
            else:
                zones.append(PlainZone(kind, born, row, price, close, atr))
        sides: dict[str, list[PlainZone]] = {"support": [], "resistance": []}
        for zone in sorted(zones, key=lambda zone: zone.prices[0]):
            contains = min(zone.prices) <= close <= max(zone.prices)
            is_support = zone.side > 0 if contains else zone.prices[0] < close
            sides["support" if is_support else "resistance"].append(zone)
        for role, some in (("support", sides["support"][-per_side:]), ("resistance", sides["resistance"][:per_side])):
            by_distance = sorted(some, key=lambda zone: abs(np.mean(zone.prices) - close))
            for zone in some:
                counts = (zone.touches, zone.holds, zone.breaks, zone.role_flips, len(zone.prices))
                numbers = (np.mean(zone.prices), min(zone.prices), max(zone.prices), zone.strength(row))
                shown[day, zone.level_id] = (role, by_distance.index(zone) + 1, *counts, *numbers)
    return shown


@given(seed=st.integers(0, 10_000), sessions=st.integers(1, 160), per_side=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_equals_a_plain_walk_over_all_zones(seed: int, sessions: int, per_side: int) -> None:
    bars = walk_bars(seed, sessions)
    evidence = build_level_evidence(bars, plain_indicators(bars), build_swing_pivots(bars), NO_PROFILES, NO_RANGES)
    expected = plain_levels(bars, evidence, per_side)
    levels = levels_of(bars, per_side=per_side)
    counts = ("touches", "holds", "breaks", "role_flips", "evidence_count")
    found = {
        row[:2]: row[2:]
        for row in levels.select(
            "session_date", "level_id", "role", "nearness", *counts, "price", "low", "high", "strength"
        ).iter_rows()
    }
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values[:7] == expected[key][:7], key
        assert values[7:] == pytest.approx(expected[key][7:], rel=1e-12), key


def test_old_zones_end_two_years_after_their_last_evidence() -> None:
    bars = walk_bars(3, 700)
    pivots = build_swing_pivots(bars).head(1)
    indicators = plain_indicators(bars).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("high_252d", "low_252d")
    )
    levels = build_levels(bars, indicators, pivots, NO_PROFILES, NO_RANGES)
    days = levels.filter(pl.col("kind") != "year_high", pl.col("kind") != "year_low")["session_date"]
    assert days.min() == pivots["confirmed_date"][0]
    assert days.len() == 505


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 299))
@settings(max_examples=25, deadline=None)
def test_later_bars_change_no_earlier_row(seed: int, cut: int) -> None:
    bars = walk_bars(seed, 300)
    day = bars["session_date"][cut]
    known = levels_of(bars).filter(pl.col("session_date") < day)
    assert_frame_equal(levels_of(bars.filter(pl.col("session_date") < day)), known, check_exact=True)


@given(seed=st.integers(0, 10_000), power=st.sampled_from([-3, 1, 5]))
@settings(max_examples=15, deadline=None)
def test_scaling_all_prices_scales_all_levels(seed: int, power: int) -> None:
    scale = 2.0**power  # exact in floating point, so that no comparison turns over on rounding
    levels, scaled = levels_of(walk_bars(seed, 250)), levels_of(walk_bars(seed, 250, scale=scale))
    prices = ["price", "low", "high"]
    assert_frame_equal(
        scaled.drop("evidence"), levels.with_columns(pl.col(prices) * scale).drop("evidence"), check_exact=True
    )


def test_nothing_is_used_before_it_is_confirmed() -> None:
    levels = levels_of(walk_bars(11, 600))
    assert levels.height > 1000
    valid, refused = Levels.filter(levels)
    assert refused.counts() == {}
    assert valid.columns == list(Levels.columns())
    at_birth = levels.sort("session_date").unique("level_id", keep="first")
    assert (at_birth["session_date"] >= at_birth["confirmed_date"]).all()


def test_markets_do_not_mix_and_since_only_hides_rows() -> None:
    one, two = walk_bars(1, 200, "A"), walk_bars(2, 150, "B")
    both = levels_of(pl.concat([one, two]))
    assert_frame_equal(both, pl.concat([levels_of(one), levels_of(two)]), check_exact=True)
    day = FIRST + timedelta(days=120)
    late = levels_of(pl.concat([one, two]), since=day)
    assert_frame_equal(late, both.filter(pl.col("session_date") >= day), check_exact=True)
    assert late.height > 0


def test_unaligned_input_is_refused() -> None:
    bars = walk_bars(1, 50)
    pivots = build_swing_pivots(bars)
    with pytest.raises(ValueError, match="indicators"):
        build_levels(bars, plain_indicators(bars).reverse(), pivots, NO_PROFILES, NO_RANGES)
    with pytest.raises(ValueError, match="no bars"):
        build_levels(bars, plain_indicators(bars), pivots.with_columns(market=pl.lit("X")), NO_PROFILES, NO_RANGES)


def test_a_reference_is_evidence_once_it_has_stood_still() -> None:
    values = np.array([1, 5, 5, 5, 5, 5.2, 9, 5, 5, 5, 5, 7, 7, 7, 7, np.nan, 7, 7, 7], float)
    since, stood = standing(values, np.full(len(values), 2.0), 0.25, np.array([0, len(values)]), 3)
    assert since.tolist() == [1, 11]  # back at 5 after one bar elsewhere is no news; NaN ends the second 7
    assert stood.tolist() == [4, 14]


def real_bars(real: Path, *symbols: str) -> pl.DataFrame:
    """Real daily bars in the shape of staging.market_bars, with vendors' bars outside high and low left out."""
    parts = [
        pl.read_csv(real / "prices" / f"{symbol}.csv", try_parse_dates=True).select(
            pl.lit(symbol).alias("market"),
            pl.col("Date").alias("session_date"),
            *(pl.col(name.title()).cast(pl.Float64).alias(name) for name in ("open", "high", "low", "close", "volume")),
        )
        for symbol in symbols
    ]
    sound = (pl.col("low") > 0) & pl.col("close").is_between("low", "high")
    return pl.concat(parts).drop_nulls("close").filter(sound).sort("market", "session_date")


def test_the_notes_levels_on_the_russell(real: Path) -> None:
    bars = real_bars(real, "^RUT").with_columns(volume_symbol=pl.col("market"))
    indicators, day = build_daily_indicators(bars), date(2025, 3, 14)
    profiles = build_volume_profiles(bars, ("rolling_60", "rolling_250"))
    evidence = (build_swing_pivots(bars), profiles, build_consolidations(bars))
    levels = build_levels(bars, indicators, *evidence, since=day).filter(session_date=day)
    assert Levels.filter(levels)[1].counts() == {}
    atr = indicators.filter(session_date=day)["atr_14"].item()
    for price, role in ((1924, "support"), (1989, "support"), (2114, "resistance")):
        off = levels.filter(role=role).select((pl.col("price") - price).abs().min()).item()
        assert off <= atr / 2, (price, off, atr)
    texts = levels.filter(role="support")["evidence"]
    assert texts.str.contains("swing_low 2024-08-05 at 1993.27", literal=True).any()
    assert {"swing", "range", "poc", "value"} <= {kind.split("_")[0] for kind in " ".join(levels["evidence"]).split()}
