"""Volume profiles against brute force: one histogram per row in numpy, the two-bin rule walked over lists."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from r2k_pipeline.contracts.profiles import VolumeProfiles
from r2k_pipeline.transforms.profile_kernels import NODE_RADIUS, Batch, fill_profiles
from r2k_pipeline.transforms.symbols import column_array, symbol_offsets
from r2k_pipeline.transforms.volume_profiles import BIN_RATIO, build_anchored_profiles, build_volume_profiles

Floats = NDArray[np.float64]
LEVELS = ["poc", "value_area_low", "value_area_high", "bin_points"]
NODES = ["high_node_below", "high_node_above", "low_node_below", "low_node_above"]
FIRST = dt.date(2020, 1, 1)


def random_bars(
    seed: int, count: int = 120, sigma: float = 0.02, market: str = "RUT", volumes: float = 20
) -> pl.DataFrame:
    """A random walk with some flat bars, some bars without volume, and volumes of 1 to e**`volumes`."""
    rng = np.random.default_rng(seed)
    close = 2000 * np.exp((sigma * rng.standard_normal(count)).cumsum())
    spread = np.where(rng.random(count) < 0.1, 0.0, sigma * rng.random((2, count)))
    volume = np.where(rng.random(count) < 0.1, 0.0, np.exp(volumes * rng.random(count)))
    return frame(close * np.exp(-spread[0]), close * np.exp(spread[1]), close, volume, market)


def frame(low: Floats, high: Floats, close: Floats, volume: Floats, market: str = "RUT") -> pl.DataFrame:
    days = pl.date_range(FIRST, FIRST + dt.timedelta(len(low) - 1), eager=True)
    columns = {"low": low, "high": high, "close": close, "volume": volume}
    return pl.DataFrame({"market": market, "session_date": days, **columns, "volume_symbol": "IWM"})


def price_list(volumes: dict[float, float]) -> pl.DataFrame:
    """Bars of one price each: the profile in bins of 1 point is then `volumes` itself."""
    prices = np.array(list(volumes), float)
    return frame(prices, prices, prices, np.array(list(volumes.values()), float))


def anchors(*rows: tuple[dt.date, str, dt.date | None, dt.date | None], market: str = "RUT") -> pl.DataFrame:
    schema = {"anchor_date": pl.Date, "name": pl.String, "known_date": pl.Date, "until": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(market=pl.lit(market))


def log_edges(bars: pl.DataFrame, width: float = BIN_RATIO) -> Floats:
    """All edges of the grid that has the first close at the centre of a bin."""
    origin, low, high = bars["close"][0], bars["low"].min(), bars["high"].max()
    first, last = np.floor(np.log(low / origin) / width), np.ceil(np.log(high / origin) / width)
    return origin * np.exp((np.arange(first - 1, last + 3) - 0.5) * width)


def histogram(window: pl.DataFrame, edges: Floats, weight: Floats | None = None) -> Floats:
    """Volume per bin: every bar's overlap with every bin, over the bar's height."""
    low, high, volume = (window[name].to_numpy()[:, None] for name in ("low", "high", "volume"))
    volume = volume if weight is None else weight[:, None]
    overlap = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    height = high - low
    share = np.where(height > 0, overlap / np.where(height > 0, height, 1), (edges[:-1] <= low) & (low < edges[1:]))
    return (volume * share).sum(axis=0)


def brute_force(volume: Floats, edges: Floats) -> tuple[float, float, float, float] | None:
    """Levels of a histogram by the definitions, one bin at a time."""
    filled = [i for i, v in enumerate(volume) if v > 0]
    if not filled:
        return None
    centre = (filled[0] + filled[-1]) / 2
    poc = min((i for i in filled if volume[i] == max(volume)), key=lambda i: (abs(i - centre), i))
    low = high = poc
    while sum(volume[low : high + 1]) < 0.7 * sum(volume):
        above = sum(volume[high + 1 : min(high + 2, filled[-1]) + 1])
        below = sum(volume[max(low - 2, filled[0]) : low])
        if low == filled[0] or (high < filled[-1] and above >= below):
            high = min(high + 2, filled[-1])
        else:
            low = max(low - 2, filled[0])
    return (edges[poc] + edges[poc + 1]) / 2, edges[low], edges[high + 1], edges[poc + 1] - edges[poc]


def brute_force_nodes(volume: Floats, edges: Floats, close: float) -> list[float | None]:
    """The nearest nodes to the close, out of a list of all nodes."""
    filled = np.flatnonzero(volume)
    bottom, top = filled[0], filled[-1]
    mean = volume[bottom : top + 1].mean()
    padded = np.pad(volume, NODE_RADIUS)
    near = [padded[i : i + 2 * NODE_RADIUS + 1] for i in range(volume.size)]
    centres = (edges[:-1] + edges[1:]) / 2
    highs = [centres[i] for i in range(bottom, top + 1) if volume[i] > mean and volume[i] == max(near[i])]
    inner = range(bottom + NODE_RADIUS, top - NODE_RADIUS + 1)
    lows = [centres[i] for i in inner if volume[i] < mean and volume[i] == min(near[i])]
    return [
        pick
        for nodes in (highs, lows)
        for pick in (
            max((p for p in nodes if p <= close), default=None),
            min((p for p in nodes if p > close), default=None),
        )
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.002, 0.01, 0.05]))
def test_rolling_profiles_are_those_of_the_definition(seed: int, window: int, sigma: float) -> None:
    bars = random_bars(seed, sigma=sigma, volumes=5)
    edges = log_edges(bars)
    profiles = build_volume_profiles(bars, (f"rolling_{window}",))
    assert profiles["session_date"].to_list() == bars["session_date"][window - 1 :].to_list()
    for t, row in enumerate(profiles.iter_rows(named=True), start=window - 1):
        volume = histogram(bars[t - window + 1 : t + 1], edges)
        expected = brute_force(volume, edges)
        assert [row[name] for name in LEVELS] == (pytest.approx(expected, rel=1e-12) if expected else [None] * 4)
        if expected:
            inside = (edges[:-1] > row["value_area_low"] * (1 - 1e-9)) & (
                edges[1:] < row["value_area_high"] * (1 + 1e-9)
            )
            assert volume[inside].sum() >= 0.7 * volume.sum() * (1 - 1e-9)
            nodes = brute_force_nodes(volume, edges, bars["close"][t])
            assert [row[name] for name in NODES] == [n if n is None else pytest.approx(n, rel=1e-12) for n in nodes]
    VolumeProfiles.validate(profiles)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60))
def test_rolling_equals_full_recompute_to_the_last_bit(seed: int, window: int) -> None:
    """A recompute is the same kernel with one row wanted: it then adds a window's bars and takes none out."""
    bars = random_bars(seed)
    rolling = build_volume_profiles(bars, (f"rolling_{window}",))
    low, high, close, weight = (column_array(bars, name) for name in ("low", "high", "close", "volume"))
    start = np.arange(len(bars)) - window + 1
    out = np.full((8, len(bars)), np.nan)
    for t in range(window - 1, len(bars)):
        batch = Batch(low, high, close, weight, start, np.arange(len(bars)) == t)
        fill_profiles(out, batch, symbol_offsets(bars), BIN_RATIO, False)
    levels = rolling.select(LEVELS + NODES).fill_null(np.nan).to_numpy()
    np.testing.assert_array_equal(levels, out[:, window - 1 :].T)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 280))
def test_later_bars_change_no_earlier_row(seed: int, length: int) -> None:
    bars = pl.concat([random_bars(seed, 290, market="A"), random_bars(seed + 1, 270, market="B")])
    windows = ("rolling_5", "rolling_60", "since_year_high", "since_2020-02-01")
    day = FIRST + dt.timedelta(length)
    whole = build_volume_profiles(bars, windows).filter(pl.col("session_date") <= day)
    assert whole.equals(build_volume_profiles(bars.filter(pl.col("session_date") <= day), windows))
    anchor = anchors((dt.date(2020, 2, 1), "since_2020-02-01", None, None), market="A")
    grown = build_anchored_profiles(bars, anchor, bin_points=5).filter(pl.col("session_date") <= day)
    assert grown.equals(build_anchored_profiles(bars.filter(pl.col("session_date") <= day), anchor, bin_points=5))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2.0**-7, 4.0, 3.7, 0.01]))
def test_scaling_prices_scales_levels_and_scaling_volume_changes_none(seed: int, scale: float) -> None:
    bars = random_bars(seed)
    profiles = build_volume_profiles(bars, ("rolling_30",))
    scaled = build_volume_profiles(bars.with_columns(pl.col("low", "high", "close") * scale), ("rolling_30",))
    levels = profiles.select(pl.col(LEVELS) * scale).fill_null(-1.0).to_numpy()
    np.testing.assert_allclose(scaled.select(LEVELS).fill_null(-1.0).to_numpy(), levels, rtol=1e-12)
    assert build_volume_profiles(bars.with_columns(pl.col("volume") * 1024), ("rolling_30",)).equals(profiles)


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        # Dalton's walk: 40 of 100 at 103; above (20 + 5) beats below (15 + 8); then below: 88 of 100.
        pytest.param(
            {100: 4, 101: 8, 102: 15, 103: 40, 104: 20, 105: 5, 106: 8}, (103, 101, 105), id="two bins a side"
        ),
        pytest.param(
            {100: 9, 101: 1, 102: 1, 103: 1, 104: 9, 105: 1, 106: 1}, (104, 100, 106), id="tie: nearest centre"
        ),
        pytest.param({100: 9, 101: 1, 102: 1, 103: 1, 104: 9}, (100, 100, 104), id="tie at equal distance: lower"),
        pytest.param({100: 2, 101: 1, 102: 9, 103: 2, 104: 1}, (102, 102, 104), id="equal pairs: upper"),
        pytest.param({100: 5, 108: 6}, (108, 100, 108), id="through empty bins"),
        pytest.param({100: 6, 105: 5, 111: 1}, (100, 100, 106), id="a pair joins whole"),
        pytest.param({100: 7}, (100, 100, 100), id="one price"),
    ],
)
def test_worked_examples(volumes: dict[float, float], expected: tuple[float, float, float]) -> None:
    profile = build_anchored_profiles(price_list(volumes), anchors((FIRST, "since_2020-01-01", None, None)), 1)
    poc, low, high = expected
    assert profile.select(LEVELS).row(-1) == (poc, low - 0.5, high + 0.5, 1.0)
