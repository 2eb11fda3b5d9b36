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

from r2k_pipeline.tables.levels import LevelEvidence, Levels
from r2k_pipeline.transforms.consolidations import build_consolidations
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.level_evidence import FAMILIES, find_evidence
from r2k_pipeline.transforms.level_evidence_kernels import standing
from r2k_pipeline.transforms.levels import build_level_evidence, build_levels
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.volume_profiles import build_volume_profiles
from tests.unit.known_rows import assert_fits, known_at_close

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


def evidence_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Pivots, ranges and yearly extremes."""
    pivots, ranges = build_swing_pivots(bars), build_consolidations(bars)
    return find_evidence(bars, plain_indicators(bars), pivots, NO_PROFILES, ranges)


def levels_of(bars: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return build_levels(bars, plain_indicators(bars), evidence_of(bars), **options)


def filed_of(bars: pl.DataFrame) -> pl.DataFrame:
    return build_level_evidence(bars, plain_indicators(bars), evidence_of(bars))


class PlainZone:
    """A zone that remembers all its prices and is asked about every bar: the definitions, word for word."""

    def __init__(self, level_id: str, row: int, price: float, close: float, atr: float) -> None:
        self.level_id = level_id
        self.prices: list[float] = []
        self.pieces = 0
        self.events: list[tuple[int, float, float]] = []  # row, factor, points
        self.side = 1 if close > price else -1
        self.ready, self.touched, self.broken = abs(close - price) > 0.5 * atr, False, False
        self.touches = self.holds = self.breaks = self.breaks_untouched = self.role_flips = 0
        self.add(price, row)

    def add(self, price: float, row: int) -> None:
        self.last_evidence, self.pieces = row, self.pieces + 1
        if price not in self.prices:
            self.prices.append(price)
            self.events.append((row, 1.0, 1.0))

    def meet(self, row: int, high: float, low: float, close: float, atr: float) -> None:
        below, above = min(self.prices), max(self.prices)
        if self.ready and low <= above + 0.1 * atr and high >= below - 0.1 * atr:
            self.touches, self.ready, self.touched = self.touches + 1, False, True
        side = int(close > above + 0.5 * atr) - int(close < below - 0.5 * atr)
        if not side:
            return
        if side != self.side:
            self.breaks, self.breaks_untouched = self.breaks + self.touched, self.breaks_untouched + (not self.touched)
            self.broken, self.side = True, side
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
    pending = sorted(
        evidence.select("kind", "price", "born_date", "confirmed_date").iter_rows(),
        key=lambda piece: (piece[3], FAMILIES.index(piece[0].split("_")[0]), piece[0], piece[2]),
    )
    shown = {}
    frame = bars.select("session_date", "high", "low", "close").with_columns(plain_indicators(bars)["atr_14"])
    for row, (day, high, low, close, atr) in enumerate(frame.iter_rows()):
        if atr is None:
            continue
        zones = [zone for zone in zones if row - zone.last_evidence <= 504]
        for zone in zones:
            zone.meet(row, high, low, close, atr)
        while pending and pending[0][3] <= day:
            kind, price, born, known = pending.pop(0)
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
                suffix = f"-{known}" if kind.startswith("range_") else ""
                zones.append(PlainZone(f"{kind}-{born}{suffix}", row, price, close, atr))
        roles: dict[str, list[PlainZone]] = {"support": [], "around": [], "resistance": []}
        for zone in zones:
            is_below, is_above = max(zone.prices) < close, min(zone.prices) > close
            roles["support" if is_below else "resistance" if is_above else "around"].append(zone)
        assert len(roles["around"]) <= 1
        for role, some in roles.items():
            by_distance = sorted(some, key=lambda zone: abs(np.mean(zone.prices) - close))
            for zone in by_distance[:per_side]:
                breaks = (zone.breaks, int(zone.touched), zone.breaks_untouched)
                counts = (zone.touches, zone.holds, *breaks, zone.role_flips, zone.pieces)
                numbers = (np.mean(zone.prices), min(zone.prices), max(zone.prices), zone.strength(row))
                shown[day, zone.level_id] = (role, by_distance.index(zone) + 1, *counts, *numbers)
    return shown


@given(seed=st.integers(0, 10_000), sessions=st.integers(1, 160), per_side=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_equals_a_plain_walk_over_all_zones(seed: int, sessions: int, per_side: int) -> None:
    bars = walk_bars(seed, sessions)
    expected = plain_levels(bars, evidence_of(bars), per_side)
    levels = levels_of(bars, per_side=per_side)
    counts = ("touches", "holds", "breaks", "undecided", "breaks_untouched", "role_flips", "evidence_count")
    found = {
        row[:2]: row[2:]
        for row in levels.select(
            "session_date", "level_id", "role", "nearness", *counts, "price", "low", "high", "strength"
        ).iter_rows()
    }
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values[:9] == expected[key][:9], key
        assert values[9:] == pytest.approx(expected[key][9:], rel=1e-12), key
    assert (levels["touches"] == levels["holds"] + levels["breaks"] + levels["undecided"]).all()


def test_touches_add_up_and_a_break_without_one_is_counted_apart() -> None:
    """A walk of a year meets every case: touches that held, broke or stand open, jumps over a zone, zones left."""
    levels = levels_of(walk_bars(11, 600))
    assert (levels["touches"] == levels["holds"] + levels["breaks"] + levels["undecided"]).all()
    for count in ("holds", "breaks", "undecided", "breaks_untouched", "role_flips"):
        assert levels[count].max() > 0, count


def test_a_zone_is_on_the_side_of_the_close_that_its_role_says() -> None:
    bars = walk_bars(11, 600)
    levels = levels_of(bars).join(bars.select("session_date", "close"), on="session_date")
    expected = pl.when(pl.col("high") < pl.col("close")).then(pl.lit("support"))
    expected = expected.when(pl.col("low") > pl.col("close")).then(pl.lit("resistance")).otherwise(pl.lit("around"))
    assert levels.filter(pl.col("role") != expected).is_empty()
    around = levels.filter(role="around")
    assert 50 < around.height == around["session_date"].n_unique()
    assert set(around["nearness"]) == {1}


def test_old_zones_end_two_years_after_their_last_evidence() -> None:
    bars = walk_bars(3, 700)
    pivots = build_swing_pivots(bars).head(1)
    indicators = plain_indicators(bars).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("high_252d", "low_252d")
    )
    levels = build_levels(bars, indicators, find_evidence(bars, indicators, pivots, NO_PROFILES, NO_RANGES))
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
    assert_fits(Levels, levels)
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
    evidence, indicators = evidence_of(bars), plain_indicators(bars)
    with pytest.raises(ValueError, match="indicators"):
        build_levels(bars, indicators.reverse(), evidence)
    with pytest.raises(ValueError, match="no bars"):
        build_levels(bars, indicators, evidence.with_columns(market=pl.lit("X")))
    ranges = build_consolidations(walk_bars(11, 300))
    assert ranges.height > 0
    with pytest.raises(ValueError, match="is no close of the bars"):
        find_evidence(
            walk_bars(12, 300), plain_indicators(walk_bars(12, 300)), build_swing_pivots(bars), NO_PROFILES, ranges
        )


def test_an_edge_is_born_at_the_close_that_it_is_and_told_once_a_session() -> None:
    bars = walk_bars(11, 600)
    ranges, closes = build_consolidations(bars), dict(bars.select("session_date", "close").iter_rows())
    edges = evidence_of(bars).filter(pl.col("kind").cast(pl.String).str.starts_with("range_"))
    expected = set()
    for start, known, low, high in ranges.select("start_date", "confirmed_date", "low", "high").iter_rows():
        for kind, edge in (("range_low", low), ("range_high", high)):
            expected.add(
                (kind, edge, min(day for day, close in closes.items() if start <= day <= known and close == edge))
            )
    assert len(expected) > 3
    assert set(edges.select("kind", "price", "born_date").iter_rows()) == expected
    assert not edges.is_duplicated().any()


def prices_from_evidence(levels: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """What features.level_evidence says of every level row: by a join of all pieces, and no walk."""
    at_hand = (pl.col("filed_date") <= pl.col("session_date")) & (
        pl.col("withdrawn_date").is_null() | (pl.col("withdrawn_date") > pl.col("session_date"))
    )
    key, price = ["market", "session_date", "level_id"], pl.col("price")
    pieces = levels.select(key).join(evidence, on=["market", "level_id"]).filter(at_hand)
    return pieces.group_by(key).agg(
        price=price.unique().mean(), low=price.min(), high=price.max(), evidence_count=pl.len().cast(pl.Int64)
    )


def assert_prices_are_their_evidence(levels: pl.DataFrame, evidence: pl.DataFrame) -> None:
    rebuilt = prices_from_evidence(levels, evidence).sort("market", "session_date", "level_id")
    shown = levels.select(rebuilt.columns).sort("market", "session_date", "level_id")
    assert_frame_equal(rebuilt, shown, check_exact=False, rel_tol=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_every_price_is_the_mean_of_the_different_prices_of_its_evidence(seed: int) -> None:
    bars = pl.concat([walk_bars(seed, 300, "A"), walk_bars(seed + 1, 100, "B")])
    evidence, levels = known_at_close(LevelEvidence, filed_of(bars), "filed_date"), levels_of(bars)
    assert LevelEvidence.filter(evidence)[1].counts() == {}
    assert_prices_are_their_evidence(levels, evidence)
    assert levels.equals(build_levels(bars, plain_indicators(bars), evidence.sample(fraction=1, shuffle=True, seed=1)))


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


@pytest.fixture(scope="module")
def russell(real: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bars, indicators, levels and their evidence of the real Russell 2000."""
    bars = real_bars(real, "^RUT").with_columns(volume_symbol=pl.col("market"))
    indicators, profiles = build_daily_indicators(bars), build_volume_profiles(bars, ("rolling_60", "rolling_250"))
    found = find_evidence(bars, indicators, build_swing_pivots(bars), profiles, build_consolidations(bars))
    evidence = known_at_close(LevelEvidence, build_level_evidence(bars, indicators, found), "filed_date")
    return bars, indicators, build_levels(bars, indicators, evidence), evidence


def test_every_price_of_the_russell_is_traced_to_its_evidence(russell: tuple[pl.DataFrame, ...]) -> None:
    _, _, levels, evidence = russell
    assert LevelEvidence.filter(evidence)[1].counts() == {}
    assert levels.height > 90_000
    assert_prices_are_their_evidence(levels, evidence)


NOTE_DAY = date(2025, 3, 14)
NOTE_PIVOTS = (
    (1924, "support", "swing_low", date(2024, 2, 5), 1921.36),
    (1989, "support", "swing_low", date(2024, 6, 17), 1993.23),
    (2114, "resistance", "swing_high", date(2024, 5, 15), 2112.32),
)
"""A price of the note and the pivot of the 300 sessions before that it rests on."""


@pytest.mark.parametrize(("price", "role", "kind", "born", "pivot"), NOTE_PIVOTS)
def test_the_notes_levels_rest_on_pivots_of_their_kind(
    russell: tuple[pl.DataFrame, ...], price: float, role: str, kind: str, born: date, pivot: float
) -> None:
    """Zones cover 88 % of the axis, so one at hand says little: the pivot must be in a zone of that day and role."""
    _, indicators, levels, evidence = russell
    shown = levels.filter(session_date=NOTE_DAY, role=role)
    assert_fits(Levels, shown)
    atr = indicators.filter(session_date=NOTE_DAY)["atr_14"].item()
    assert shown.select((pl.col("price") - price).abs().min()).item() <= atr / 2
    pieces = evidence.join(shown, on="level_id", how="semi").filter(pl.col("filed_date") <= NOTE_DAY, kind=kind)
    assert pieces.filter(born_date=born)["price"].round(2).to_list() == [pivot]
    assert abs(pivot / price - 1) <= 0.0025


def test_a_price_of_no_pivot_does_not_pass_for_the_notes(russell: tuple[pl.DataFrame, ...]) -> None:
    """Of prices between the outermost zones of a role, a third lie within 0.25 % of such a pivot, not nearly all."""
    bars, _, levels, evidence = russell
    first = bars.filter(pl.col("session_date") <= NOTE_DAY)["session_date"][-301]
    for role, kind in (("support", "swing_low"), ("resistance", "swing_high")):
        shown = levels.filter(session_date=NOTE_DAY, role=role)
        recent = evidence.filter(pl.col("born_date") >= first, pl.col("filed_date") <= NOTE_DAY, kind=kind)
        pivots = recent.join(shown, on="level_id", how="semi")["price"].to_numpy()
        axis = np.linspace(shown["low"].min(), shown["high"].max(), 2_000)
        share = (np.abs(pivots[:, None] / axis - 1) <= 0.0025).any(axis=0).mean()
        assert 0.2 < share < 0.45


def test_what_is_written_about_evidence_on_the_russell(russell: tuple[pl.DataFrame, ...]) -> None:
    levels = russell[2].filter(session_date=NOTE_DAY)
    texts = levels.filter(role="support")["evidence"]
    assert texts.str.contains("swing_low 2024-08-05 at 1993.27", literal=True).any()
    assert {"swing", "range", "poc", "value"} <= {kind.split("_")[0] for kind in " ".join(levels["evidence"]).split()}
