"""Volume profiles against brute force: one histogram per row in numpy, the two-bin rule walked over lists."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from r2k_pipeline.tables.profiles import VolumeProfiles
from r2k_pipeline.transforms.profile_kernels import NODE_RADIUS, Bars, Windows, fill_profiles
from r2k_pipeline.transforms.row_ranges import column_array
from r2k_pipeline.transforms.volume_profiles import (
    BIN_RATIO,
    WINDOWS,
    build_anchored_profiles,
    build_volume_profiles,
)
from tests.unit.known_rows import assert_fits

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
    """Bars of one price each, and a last one of great volume: the last profile, in bins of 1 point, is `volumes`."""
    prices = np.array([*volumes, 101], float)
    return frame(prices, prices, prices, np.array([*volumes.values(), 1e6], float))


def anchors(*rows: tuple[dt.date, str, dt.date | None, dt.date | None], market: str = "RUT") -> pl.DataFrame:
    schema = {"anchor_date": pl.Date, "name": pl.String, "known_date": pl.Date, "until": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(market=pl.lit(market))


def log_edges(bars: pl.DataFrame, width: float = BIN_RATIO) -> Floats:
    """The edges of the log grid from below the lowest to above the highest of these bars."""
    first, last = np.floor(np.log(bars["low"].min()) / width), np.ceil(np.log(bars["high"].max()) / width)
    return np.exp((np.arange(first - 1, last + 3) - 0.5) * width)


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


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.002, 0.01, 0.05]))
def test_rolling_profiles_are_those_of_the_definition(seed: int, window: int, sigma: float) -> None:
    bars = random_bars(seed, sigma=sigma, volumes=5)
    edges = log_edges(bars)
    profiles = build_volume_profiles(bars, (f"rolling_{window}",))
    assert profiles["session_date"].to_list() == bars["session_date"][window:].to_list()
    for t, row in enumerate(profiles.iter_rows(named=True), start=window):
        volume = histogram(bars[t - window : t], edges)
        expected = brute_force(volume, edges)
        assert [row[name] for name in LEVELS] == (pytest.approx(expected, rel=1e-12) if expected else [None] * 4)
        if expected:
            inside = (edges[:-1] > row["value_area_low"] * (1 - 1e-9)) & (
                edges[1:] < row["value_area_high"] * (1 + 1e-9)
            )
            assert volume[inside].sum() >= 0.7 * volume.sum() * (1 - 1e-9)
            nodes = brute_force_nodes(volume, edges, bars["close"][t])
            assert [row[name] for name in NODES] == [n if n is None else pytest.approx(n, rel=1e-12) for n in nodes]
    assert_fits(VolumeProfiles, profiles)


def bars_that_tie(seed: int, count: int = 120) -> pl.DataFrame:
    """Bars within 33 bins, most of one price, with volumes of 0 or 1: bins of equal volume are the rule."""
    rng = np.random.default_rng(seed)
    low = 2000 * np.exp(BIN_RATIO * rng.integers(0, 30, count))
    high = low * np.exp(BIN_RATIO * rng.choice([0, 0, 0, 1, 3], count))
    return frame(low, high, low, rng.integers(0, 2, count).astype(float))


@settings(max_examples=24, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.sampled_from([random_bars, bars_that_tie]))
def test_rolling_equals_full_recompute_to_the_last_bit(
    seed: int, window: int, bars_of: Callable[[int], pl.DataFrame]
) -> None:
    """A recompute is the same kernel with one row wanted: it then adds a window's bars and takes none out."""
    bars = bars_of(seed)
    rolling = build_volume_profiles(bars, (f"rolling_{window}",))
    low, high, close, weight = (column_array(bars, name) for name in ("low", "high", "close", "volume"))
    end = np.arange(window, len(bars))
    out = np.full((8, end.size), np.nan)
    for i in range(end.size):
        windows = Windows(end - window, end, close[end], np.arange(end.size) == i, np.array([0, end.size]))
        fill_profiles(out, Bars(low, high, weight), windows, BIN_RATIO, False)
    levels = rolling.select(LEVELS + NODES).fill_null(np.nan).to_numpy()
    np.testing.assert_array_equal(levels, out.T)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 800), st.sampled_from([3.0, 20.0]))
def test_a_profile_depends_on_the_bars_of_its_window_alone(seed: int, cut: int, volumes: float) -> None:
    """Those of a tail of the bars are those of the whole history, wherever that is cut."""
    bars = random_bars(seed, 1_200, volumes=volumes)
    tail, late = bars[cut:], pl.col("session_date") >= FIRST + dt.timedelta(cut + 399)
    whole = build_volume_profiles(bars, WINDOWS).filter(late)
    assert_frame_equal(build_volume_profiles(tail, WINDOWS).filter(late), whole, check_exact=True)
    assert {"rolling_60", "rolling_250"} <= set(whole["profile_window"])


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 620), st.booleans())
def test_rows_since_a_session_are_the_last_rows_of_the_whole(seed: int, day: int, late_volumes: bool) -> None:
    bars = pl.concat([random_bars(seed, 600, market="A"), random_bars(seed + 1, 500, market="B")])
    if late_volumes:
        bars = bars.with_columns(pl.when(pl.int_range(pl.len()) % 9 > 0).then("volume"))
    since, windows = FIRST + dt.timedelta(day), (*WINDOWS, "rolling_5", "since_2020-05-01")
    is_wanted = pl.col("session_date") >= since
    whole = build_volume_profiles(bars, windows).filter(is_wanted)
    assert_frame_equal(build_volume_profiles(bars, windows, since=since), whole, check_exact=True)
    anchor = anchors(
        *((FIRST + dt.timedelta(n), f"since_{FIRST + dt.timedelta(n)}", None, None) for n in (0, 250, 599))
    )
    pieces = pl.concat([anchor.with_columns(market=pl.lit(market)) for market in "AB"])
    grown = build_anchored_profiles(bars, pieces).filter(is_wanted)
    assert_frame_equal(build_anchored_profiles(bars, pieces, since=since), grown, check_exact=True)


def test_the_volume_of_a_session_is_not_in_its_profile() -> None:
    """It settles after the close: neither that nor whose it is changes the row, and the range is that of before."""
    bars = random_bars(3, 300)
    last = pl.int_range(pl.len()) == 299
    unsettled = bars.with_columns(pl.when(~last).then(pl.col("volume", "volume_symbol")).name.keep())
    anchor = anchors((FIRST, "since_2020-01-01", None, None))
    assert build_volume_profiles(unsettled).equals(build_volume_profiles(bars))
    assert build_anchored_profiles(unsettled, anchor).equals(build_anchored_profiles(bars, anchor))
    assert_frame_equal(
        build_anchored_profiles(unsettled, anchor), build_volume_profiles(bars, ("since_2020-01-01",)), check_exact=True
    )
    higher = bars.with_columns(pl.when(last).then(pl.col("high") * 1.5).otherwise("high").alias("high"))
    assert build_volume_profiles(higher, ("rolling_60",)).equals(build_volume_profiles(bars, ("rolling_60",)))


@settings(max_examples=12, deadline=None)
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


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([-700, 1, 450]))
def test_prices_scaled_by_whole_bins_scale_levels_and_volume_by_a_power_of_two_changes_none(
    seed: int, bins: int
) -> None:
    bars, scale = random_bars(seed), np.exp(bins * BIN_RATIO)
    profiles = build_volume_profiles(bars, ("rolling_30",))
    scaled = build_volume_profiles(bars.with_columns(pl.col("low", "high", "close") * scale), ("rolling_30",))
    levels = profiles.select(pl.col(LEVELS) * scale).fill_null(-1.0).to_numpy()
    np.testing.assert_allclose(scaled.select(LEVELS).fill_null(-1.0).to_numpy(), levels, rtol=1e-12)
    for power in (-3, 1, 10):
        assert build_volume_profiles(bars.with_columns(pl.col("volume") * 2.0**power), ("rolling_30",)).equals(profiles)


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


def test_a_window_without_volume_is_null_and_one_of_unknown_volume_is_time_at_price() -> None:
    bars = price_list({100: 0, 101: 0, 102: 5, 103: 5, 104: 5})
    rows = build_volume_profiles(bars, ("rolling_2",)).select("poc", "value_area_low", "method", "volume_symbol").rows()
    assert rows[0] == (None, None, "proxy_volume", "IWM")
    assert len(rows) == 4
    assert all(poc is not None for poc, *_ in rows[1:])

    volumes = pl.Series([None] * 20 + [7.0] * 20)
    unknown = random_bars(1, 40).with_columns(
        volume=volumes, volume_symbol=pl.when(volumes.is_not_null()).then(pl.lit("IWM"))
    )
    profiles = build_volume_profiles(unknown, ("rolling_10",))
    assert profiles["method"].to_list() == ["time_at_price"] * 19 + ["proxy_volume"] * 11  # from 9 known of 10 on
    assert profiles["volume_symbol"].to_list() == [None] * 19 + ["IWM"] * 11
    timed = build_volume_profiles(unknown.with_columns(volume=pl.lit(1.0)), ("rolling_10",))
    assert profiles.head(19).select(LEVELS + NODES).equals(timed.head(19).select(LEVELS + NODES))
    assert_fits(VolumeProfiles, profiles)


def test_one_missing_volume_keeps_the_proxy_and_its_name() -> None:
    traded = pl.int_range(40) != 30
    gap = random_bars(2, 40).with_columns(pl.when(traded).then(pl.col("volume", "volume_symbol")).name.keep())
    profiles = build_volume_profiles(gap, ("rolling_20",))
    assert set(profiles["method"]) == {"proxy_volume"}
    assert set(profiles["volume_symbol"]) == {"IWM"}


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_the_year_starts_at_its_latest_highest_high(seed: int) -> None:
    bars = random_bars(seed, 400).with_columns((pl.col("high") / 100).ceil() * 100)  # equal highs are common
    high, days = bars["high"].to_list(), bars["session_date"].to_list()
    starts = build_volume_profiles(bars, ("since_year_high",)).select("session_date", "start_date").rows()
    expected = []
    for t in range(251, 400):
        year = range(t - 251, t + 1)
        expected.append((days[t], days[max(year, key=lambda i: (high[i], i))]))
    assert starts == [(day, start) for day, start in expected if start < day]


def test_since_a_date_equals_its_anchor_up_to_the_grid() -> None:
    """Both start at the first session on or after the date; their bins are of another kind."""
    bars = pl.concat([random_bars(5, market="A"), random_bars(6, market="B")])
    since = build_volume_profiles(bars, ("since_2020-02-01",), bin_ratio=1e-5)
    anchor = pl.concat([anchors((dt.date(2020, 2, 1), "since_2020-02-01", None, None), market=m) for m in ("A", "B")])
    grown = build_anchored_profiles(bars, anchor, bin_points=0.02)
    assert since.select("market", "session_date", "start_date").equals(
        grown.select("market", "session_date", "start_date")
    )
    area = ["value_area_low", "value_area_high"]
    early = pl.col("session_date") < dt.date(2020, 2, 15)
    difference = since.filter(early).select(area).to_numpy() - grown.filter(early).select(area).to_numpy()
    assert np.nanmedian(np.abs(difference)) < 1.0


def test_anchored_rows_run_from_when_the_anchor_is_known_to_its_end() -> None:
    bars = random_bars(7, 60)
    day = [FIRST + dt.timedelta(i) for i in range(60)]
    pieces = anchors(
        (day[0], "consolidation_2020-01-01", day[20], day[29]), (day[10], "consolidation_2020-01-11", day[30], None)
    )
    rows = build_anchored_profiles(bars, pieces)
    assert rows.select("session_date", "start_date").rows() == [
        *((d, day[0]) for d in day[20:30]),
        *((d, day[10]) for d in day[30:]),
    ]
    alone = build_anchored_profiles(bars, pieces.tail(1))
    assert rows.filter(start_date=day[10]).equals(alone)
    assert_fits(VolumeProfiles, rows)
    with pytest.raises(
        ValueError, match=r"claim one session: \('RUT', datetime.date\(2020, 1, 21\), 'consolidation_2020-01-01'\)"
    ):
        build_anchored_profiles(bars, pl.concat([pieces, pieces.head(1)]))


def test_anchors_outside_the_bars() -> None:
    bars = random_bars(8, 30)
    later = build_anchored_profiles(bars, anchors((dt.date(2030, 1, 1), "since_2030-01-01", None, None)))
    assert later.is_empty()
    assert later.schema == build_anchored_profiles(bars, anchors((FIRST, "since_2020-01-01", None, None))).schema
    assert build_anchored_profiles(bars, anchors()).is_empty()
    with pytest.raises(ValueError, match=r"markets without bars: \['SPX'\]"):
        build_anchored_profiles(bars, anchors((FIRST, "since_2020-01-01", None, None), market="SPX"))


@pytest.mark.parametrize("window", ["rolling_0", "rolling", "since_yesterday"])
def test_unknown_windows_are_refused(window: str) -> None:
    with pytest.raises(ValueError, match=r"window '.*' is not rolling_N, since_year_high or since_YYYY-MM-DD"):
        build_volume_profiles(random_bars(9, 10), (window,))
    with pytest.raises(ValueError, match=r"month must be in 1\.\.12"):
        build_volume_profiles(random_bars(9, 10), ("since_2020-13-01",))


def test_a_bin_has_a_width() -> None:
    with pytest.raises(ValueError, match="bin width 0"):
        build_volume_profiles(random_bars(9, 10), ("rolling_2",), bin_ratio=0)


def test_five_minute_bars() -> None:
    start = dt.datetime(2025, 3, 13, 13, 30, tzinfo=dt.UTC)
    times = pl.Series([start + dt.timedelta(minutes=5 * i) for i in range(120)])
    profiles = build_volume_profiles(
        random_bars(10).with_columns(session_date=times), ("rolling_60",), bin_ratio=0.0002
    )
    assert profiles["session_date"].to_list() == times.to_list()[60:]
    assert profiles["start_date"].to_list() == times.to_list()[:60]
    whole_day = build_volume_profiles(random_bars(10).with_columns(session_date=times), ("since_2025-03-13",))
    assert whole_day["start_date"].unique().to_list() == [start]


def test_bins_of_five_minute_bars_are_a_quarter_of_a_bar_known_before() -> None:
    """The width that BIN_RATIO's text tells to take; by default a bin is higher than the bars."""
    start = dt.datetime(2025, 3, 13, 13, 30, tzinfo=dt.UTC)
    bars = random_bars(12, 600, sigma=0.0008, volumes=3).with_columns(
        session_date=pl.Series([start + dt.timedelta(minutes=5 * i) for i in range(600)])
    )
    before, bars = bars.head(300), bars.tail(300)
    ratio = before.select((pl.col("high") - pl.col("low")) / pl.col("close")).to_series().median()
    assert isinstance(ratio, float)
    ratio /= 4
    profiles, edges = build_volume_profiles(bars, ("rolling_60",), bin_ratio=ratio), log_edges(bars, ratio)
    for t, row in enumerate(profiles.iter_rows(named=True), start=60):
        expected = brute_force(histogram(bars[t - 60 : t], edges), edges)
        assert [row[name] for name in LEVELS] == pytest.approx(expected, rel=1e-12)
    bins_in = (pl.col("value_area_high") - pl.col("value_area_low")) / pl.col("bin_points")
    assert profiles.select(bins_in).to_series().quantile(0.05) > 10
    assert build_volume_profiles(bars, ("rolling_60",)).select(bins_in).to_series().median() < 4

    anchor = anchors((start.date(), "since_2025-03-13", None, None))
    grown = build_anchored_profiles(bars, anchor, bin_ratio=ratio)
    assert_frame_equal(grown, build_volume_profiles(bars, ("since_2025-03-13",), bin_ratio=ratio), check_exact=True)


@pytest.mark.parametrize("volume", [float("nan"), float("inf"), -5.0])
def test_a_volume_that_is_none_is_refused(volume: float) -> None:
    bars = random_bars(13, 40).with_columns(volume=pl.when(pl.int_range(40) == 7).then(volume).otherwise("volume"))
    said = rf"volume of RUT on 2020-01-08 is {volume}: a volume is finite and at least 0"
    with pytest.raises(ValueError, match=said):
        build_volume_profiles(bars, ("rolling_5",))
    with pytest.raises(ValueError, match=said):
        build_anchored_profiles(bars, anchors((FIRST, "since_2020-01-01", None, None)))


def test_two_threads_give_what_one_gives() -> None:
    one = random_bars(11, 1_000)
    many = pl.concat([one.with_columns(market=pl.lit(f"M{i:03d}")) for i in range(201)])
    profiles = build_volume_profiles(many, ("rolling_250",))
    alone = build_volume_profiles(one, ("rolling_250",)).drop("market")
    for market in ("M000", "M100", "M101", "M200"):
        assert profiles.filter(market=market).drop("market").equals(alone)


@pytest.fixture(scope="module")
def russell(real: Path) -> pl.DataFrame:
    """^RUT with IWM's volume."""
    price, proxy = (pl.read_csv(real / "prices" / f"{s}.csv", try_parse_dates=True) for s in ("^RUT", "IWM"))
    volumes = proxy.select("Date", pl.col("Volume").cast(pl.Float64).alias("volume"), volume_symbol=pl.lit("IWM"))
    return (
        price.join(volumes, on="Date", how="left", maintain_order="left")
        .select(
            pl.lit("RUT").alias("market"),
            "volume",
            "volume_symbol",
            session_date="Date",
            low="Low",
            high="High",
            close="Close",
        )
        .drop_nulls("close")
    )


@pytest.mark.parametrize("bin_points", [*range(1, 11), None])
def test_the_points_of_control_of_the_note(russell: pl.DataFrame, bin_points: float | None) -> None:
    """The POC at 2025-03-13 from daily bars, whatever the width of a bin."""
    ranges = {"2024-12-13": (2270, 2290), "2024-07-09": (2220, 2235), "2023-12-13": (2030, 2040)}
    since = anchors(*((dt.date.fromisoformat(day), f"since_{day}", None, None) for day in ranges))
    profiles = build_anchored_profiles(russell, since, bin_points).filter(session_date=dt.date(2025, 3, 13))
    poc = dict(profiles.select("profile_window", "poc").iter_rows())
    for day, (low, high) in ranges.items():
        assert low <= poc[f"since_{day}"] <= high, day
    assert bin_points is None or set(profiles["bin_points"].round(9)) == {bin_points}


def test_rolling_profiles_of_the_russell_are_those_of_the_definition(russell: pl.DataFrame) -> None:
    edges, rows = log_edges(russell), build_volume_profiles(russell, ("rolling_250",)).rows(named=True)
    for t in range(250, len(russell), 397):
        window, row = russell[t - 250 : t], rows[t - 250]
        weight = np.ones(250) if row["method"] == "time_at_price" else window["volume"].fill_null(0.0).to_numpy()
        expected = brute_force(histogram(window, edges, weight), edges)
        assert [row[name] for name in LEVELS] == pytest.approx(expected, rel=1e-12)
