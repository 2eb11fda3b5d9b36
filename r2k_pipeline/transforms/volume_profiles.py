"""Volume profiles: bars -> features.volume_profiles.

Belongs here: what a window is, whose volume fills it, and the rows that come out. Not here: bins and walks
(profile_kernels.py), levels made out of profiles.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.contracts.profiles import VolumeProfiles
from r2k_pipeline.transforms.replay import built_columns
from r2k_pipeline.transforms.symbols import Floats, Integers, column_array, symbol_offsets

WINDOWS = ("rolling_60", "rolling_250", "since_year_high")
YEAR_SESSIONS = 252
BIN_RATIO = 0.0025
"""Default bin width, in log price: 5 points at 2000, a quarter of a daily bar of an index or so.

For bars of another size or market take about a quarter of the median bar's (high - low) / close. That is the caller's
to say, from bars known before the first profile: a width that later bars decide would change earlier rows.
"""
VOLUME_COVERAGE = 0.9
"""Share of a window's sessions whose volume must be known for a profile of volume; below it, time at price."""
LATEST = np.iinfo(np.int64).max
THREADED_ROWS = 200_000
"""From this many rows on, two threads cost less than they save."""

LEVELS = (
    "poc",
    "value_area_low",
    "value_area_high",
    "bin_points",
    "high_node_below",
    "high_node_above",
    "low_node_below",
    "low_node_above",
)
"""The kernel's outputs, in its order."""


class _Windows(NamedTuple):
    """Per row of a batch: the row at which its window starts, and whether it is to have a profile."""

    start: Integers
    wanted: NDArray[np.bool_]


class _Bins(NamedTuple):
    """Width of a bin: in points if linear, else in log price."""

    width: float
    linear: bool


def build_volume_profiles(
    bars: pl.DataFrame, windows: tuple[str, ...] = WINDOWS, bin_ratio: float = BIN_RATIO
) -> pl.DataFrame:
    """Profiles of every market at every session, one row per window; features.volume_profiles, sorted by its key.

    `bars`: market, session_date, low, high, close, volume, volume_symbol, of any bar size, sorted by market and date.
    Each bar's volume (1 a bar for time at price) is spread evenly over [low, high] into bins of a log grid, `bin_ratio`
    wide (BIN_RATIO says how to choose it), that has the market's first close at the centre of a bin: scaling prices
    scales all levels. Windows count bars, whatever their size. `windows`:
    `rolling_N` (from the Nth bar on), `since_year_high` (since the latest highest high of 252 bars, from the 252nd bar
    on), `since_YYYY-MM-DD`. Levels are null where the window's volume is zero. Raises ValueError for an unknown window,
    for rows out of order and for a volume that is not finite or below 0.
    """
    offsets = symbol_offsets(bars)
    _refuse_strange_volumes(bars)
    parts = [
        _profile_rows(bars, offsets, _windows(bars, offsets, window), _Bins(bin_ratio, False)).with_columns(
            profile_window=pl.lit(window)
        )
        for window in windows
    ]
    profiles = pl.concat(parts).select(built_columns(VolumeProfiles))
    return profiles if len(windows) == 1 else profiles.sort(VolumeProfiles.primary_key())


def build_anchored_profiles(
    bars: pl.DataFrame, anchors: pl.DataFrame, bin_points: float | None = None, *, bin_ratio: float = BIN_RATIO
) -> pl.DataFrame:
    """Profiles that grow from each anchor's date, one row per session; features.volume_profiles, sorted by its key.

    `bars` as in `build_volume_profiles`. `anchors`: market, anchor_date (first session in the profile), name (the
    profile_window, e.g. `since_2024-07-09`, `consolidation_2024-07-09`), until (last session; null = open), known_date
    (when the anchor itself was known: rows begin there; null = at once). `bin_points`: width of the bins; default a log
    grid of `bin_ratio` as in `build_volume_profiles`. The anchor's first close is at the centre of a bin. Raises
    ValueError for a market without bars, where two anchors of one name claim the same session of a market, and for a
    volume that is not finite or below 0.
    """
    _refuse_strange_volumes(bars)
    first, known, end = _anchor_rows(bars, anchors)
    lengths = end - first
    offsets = np.concatenate([[0], lengths.cumsum()])
    rows = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], lengths)
    windows = _Windows(np.repeat(offsets[:-1], lengths), rows >= np.repeat(known, lengths))
    names = anchors.get_column("name").gather(np.repeat(np.arange(len(anchors)), lengths)[windows.wanted])
    bins = _Bins(bin_ratio, False) if bin_points is None else _Bins(float(bin_points), True)
    profiles = _profile_rows(bars[rows], offsets, windows, bins).with_columns(names.alias("profile_window"))
    key = profiles.select(VolumeProfiles.primary_key())
    if key.is_duplicated().any():
        raise ValueError(f"two anchors of one name claim one session: {key.filter(key.is_duplicated()).row(0)}")
    return profiles.select(built_columns(VolumeProfiles)).sort(VolumeProfiles.primary_key())


def _anchor_rows(bars: pl.DataFrame, anchors: pl.DataFrame) -> Integers:
    """Per anchor the rows of `bars`: first in the profile, first that is known, and one past the last (3 x anchors)."""
    offsets = symbol_offsets(bars)
    markets = dict(zip(bars.get_column("market").gather(offsets[:-1]), pairwise(offsets), strict=True))
    if unknown := set(anchors.get_column("market")) - set(markets):
        raise ValueError(f"anchors name markets without bars: {sorted(unknown)}")
    sessions = bars.get_column("session_date")
    days = anchors.select(
        pl.col("anchor_date", "known_date", "until").cast(sessions.dtype).to_physical().cast(pl.Int64)
    ).with_columns(pl.col("known_date").fill_null(pl.col("anchor_date")), pl.col("until").fill_null(LATEST))
    physical = sessions.to_physical().to_numpy()
    found = np.empty((3, len(anchors)), np.int64)
    for i, market in enumerate(anchors.get_column("market")):
        begin, end = markets[market]
        anchor, known, until = days.row(i)
        found[:2, i] = begin + np.searchsorted(physical[begin:end], [anchor, known])
        found[2, i] = max(begin + np.searchsorted(physical[begin:end], until, side="right"), found[0, i])
    return found


def _refuse_strange_volumes(bars: pl.DataFrame) -> None:
    """Raise ValueError for NaN, infinite and negative volumes: they would stay in the bins of all later rows."""
    is_volume = pl.col("volume").is_between(0, float("inf"), closed="left")
    strange = bars.lazy().filter(~is_volume).select("market", "session_date", "volume").head(1).collect()
    for market, session, volume in strange.iter_rows():
        raise ValueError(f"{market} at {session}: volume {volume} is not finite and at least 0")


def _windows(bars: pl.DataFrame, offsets: Integers, window: str) -> _Windows:
    """Resolve a window's name; starts never move back within a market."""
    from r2k_pipeline.transforms.profile_kernels import latest_highest  # noqa: PLC0415  (imports numba)

    rows = np.arange(len(bars))
    begin = np.repeat(offsets[:-1], np.diff(offsets))
    if match := re.fullmatch(r"rolling_([1-9]\d*)", window):
        start = rows - (int(match[1]) - 1)
        return _Windows(start, start >= begin)
    if window == "since_year_high":
        start = latest_highest(column_array(bars, "high"), offsets, YEAR_SESSIONS)
        return _Windows(start, rows - begin >= YEAR_SESSIONS - 1)
    if match := re.fullmatch(r"since_(\d{4}-\d{2}-\d{2})", window):
        sessions = bars.get_column("session_date")
        after = (sessions >= pl.Series([date.fromisoformat(match[1])]).cast(sessions.dtype)).to_numpy()
        first = begin + np.repeat(np.add.reduceat((~after).astype(np.int64), offsets[:-1]), np.diff(offsets))
        return _Windows(first, after)
    raise ValueError(f"window {window!r} is not rolling_N, since_year_high or since_YYYY-MM-DD")


def _profile_rows(bars: pl.DataFrame, offsets: Integers, windows: _Windows, bins: _Bins) -> pl.DataFrame:
    """The wanted rows: market, session_date, start_date, levels, volume_symbol, method."""
    volume = bars.get_column("volume")
    timed = windows.wanted & ~_is_covered(volume, windows.start)
    of_volume = _Windows(windows.start, windows.wanted & ~timed)
    levels = np.full((len(LEVELS), len(bars)), np.nan)
    _fill(levels, bars.with_columns(volume.fill_null(0.0)), offsets, of_volume, bins)
    if timed.any():
        _fill(levels, bars.with_columns(volume=pl.lit(1.0)), offsets, _Windows(windows.start, timed), bins)
    is_timed = pl.lit(pl.Series(timed))
    return (
        bars.select("market", "session_date", _last_known_symbol(bars, offsets))
        .with_columns(
            bars.get_column("session_date").gather(windows.start.clip(0, len(bars) - 1)).alias("start_date"),
            *(pl.Series(name, column, nan_to_null=True) for name, column in zip(LEVELS, levels, strict=True)),
            volume_symbol=pl.when(~is_timed).then("volume_symbol"),
            method=pl.when(is_timed).then(pl.lit("time_at_price")).otherwise(pl.lit("proxy_volume")),
        )
        .filter(pl.Series(windows.wanted))
    )


def _is_covered(volume: pl.Series, start: Integers) -> NDArray[np.bool_]:
    """Whether enough of each row's window has a known volume."""
    known = np.concatenate([[0], volume.is_not_null().to_numpy().cumsum()])
    rows = np.arange(len(volume))
    covered: NDArray[np.bool_] = known[rows + 1] - known[start.clip(0, len(volume))] >= VOLUME_COVERAGE * (
        rows + 1 - start
    )
    return covered


def _last_known_symbol(bars: pl.DataFrame, offsets: Integers) -> pl.Series:
    """volume_symbol of the row, or of the market's last row that has one."""
    symbol = bars.get_column("volume_symbol")
    if not symbol.null_count():
        return symbol
    market = pl.Series(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)))
    return bars.select(pl.col("volume_symbol").forward_fill().over(market)).to_series()


def _fill(levels: Floats, bars: pl.DataFrame, offsets: Integers, windows: _Windows, bins: _Bins) -> None:
    """Run the kernel over all symbols, half of them in a second thread if they are many."""
    from r2k_pipeline.transforms.profile_kernels import Batch, fill_profiles  # noqa: PLC0415  (imports numba)

    if not bins.width > 0:
        raise ValueError(f"bin width {bins.width}: a bin must have one")
    low, high, close, weight = (column_array(bars, name) for name in ("low", "high", "close", "volume"))
    batch = Batch(low, high, close, weight, windows.start, windows.wanted)
    workers = 2 if len(bars) >= THREADED_ROWS else 1
    cuts = np.linspace(0, len(offsets) - 1, workers + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(fill_profiles, levels, batch, offsets[a : b + 1], bins.width, bins.linear)
            for a, b in pairwise(cuts)
        ]
    for job in jobs:
        job.result()
