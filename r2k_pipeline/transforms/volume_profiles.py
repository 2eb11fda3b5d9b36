"""Volume profiles: bars -> features.volume_profiles.

Belongs here: what a window is, whose volume fills it, and the rows that come out. Not here: bins and walks
(profile_kernels.py), which ranges are open (open_ranges.py), levels made out of profiles.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.bar_input import need_each_once, sound_bars
from r2k_pipeline.transforms.indicators import YEAR_SESSIONS
from r2k_pipeline.transforms.open_ranges import RANGE
from r2k_pipeline.transforms.row_ranges import Floats, Integers, column_array, rows_on, rows_since, symbol_offsets

WINDOWS = ("rolling_60", "rolling_250", "since_year_high")
BIN_RATIO = 0.0025
"""Default bin width, in log price: 5 points at 2000, a quarter of a daily bar of an index or so.

For bars of another size or market take about a quarter of the median bar's (high - low) / close. The caller must choose
it from bars known before the first profile: a width that depends on later bars would change earlier rows.
"""
VOLUME_COVERAGE = 0.9
"""Share of a window's sessions whose volume must be known for a profile of volume; below it, time at price."""
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
KEY = ("market", "session_date", "profile_window")


class _Windows(NamedTuple):
    """The profiles to make, each of the bars start..row - 1, as it stood at the session in `row`.

    Series i has those from offsets[i] to offsets[i + 1] - 1, all of one market, oldest first.
    """

    start: Integers
    row: Integers
    offsets: Integers


class _Bins(NamedTuple):
    """Width of a bin: in points if linear, else in log price."""

    width: float
    linear: bool


def build_volume_profiles(
    bars: pl.DataFrame,
    windows: tuple[str, ...] = WINDOWS,
    bin_ratio: float = BIN_RATIO,
    *,
    since: date | None = None,
) -> pl.DataFrame:
    """Profiles of every market at every session, one row per window; features.volume_profiles, sorted by its key.

    `bars`: market, session_date, low, high, close, volume, volume_symbol, of any bar size, sorted by market and date.
    A session's volume settles after its close, so the profile of a session holds the bars up to the one before it. Each
    bar's volume (1 a bar for time at price) is spread evenly over [low, high] into bins of one log grid for all,
    `bin_ratio` wide (BIN_RATIO says how to choose it): a row depends on the bars in its window alone. Windows count
    bars, whatever their size. `windows`: `rolling_N` (the N bars before the session, from the N + 1st on),
    `since_year_high` (since the latest highest high of 252 bars, this session's included, from the 252nd bar on; no row
    where that high is the session's own), `since_YYYY-MM-DD`. Rows come out from `since` on. Levels are null where the
    window's volume is zero. Raises ValueError for an unknown window, for rows out of order, and as sound_bars does.
    """
    if isinstance(windows, str):
        raise TypeError(f"windows: {windows!r} is no tuple of names; next: ({windows!r},)")
    if not windows:
        raise ValueError(f"windows: none is named; next: {WINDOWS}")
    need_each_once("windows", windows)
    bars = sound_bars(bars, "high", "low", "close", volume=True)
    offsets = symbol_offsets(bars)
    rows = rows_since(bars, since)
    parts = [_windows(bars, offsets, window, rows) for window in windows]
    names = pl.Series(windows).gather(np.repeat(np.arange(len(parts)), [part.row.size for part in parts]))
    profiles = _profile_rows(bars, _joined(parts), names, _Bins(bin_ratio, False))
    return profiles if len(windows) == 1 else profiles.sort(KEY)


def build_anchored_profiles(
    bars: pl.DataFrame,
    anchors: pl.DataFrame,
    bin_points: float | None = None,
    *,
    bin_ratio: float = BIN_RATIO,
    since: date | None = None,
) -> pl.DataFrame:
    """Profiles that grow from each anchor's date, one row per session; features.volume_profiles, sorted by its key.

    `bars`, `since` and what a session's profile holds as in `build_volume_profiles`. `anchors`: market, anchor_date
    (first session in the profile), name (the profile_window, e.g. `since_2024-07-09`, `consolidation_2024-07-09`),
    until (last session with a row; null = open), known_date (when the anchor itself was known: rows begin there; null =
    at the session after the anchor's, the first with a bar before it). `bin_points`: width of the bins, which begin at
    multiples of it less a half; default the log grid of `build_volume_profiles`. Raises ValueError for a market without
    bars, where two anchors of one name claim the same session of a market, and as sound_bars does.
    """
    bars = sound_bars(bars, "high", "low", "close", volume=True)
    start, first, end = _anchor_rows(bars, anchors, since)
    lengths = np.maximum(end - first, 0)
    offsets = np.concatenate([[0], lengths.cumsum()])
    rows = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], lengths)
    names = anchors.get_column("name").gather(np.repeat(np.arange(len(anchors)), lengths))
    bins = _Bins(bin_ratio, False) if bin_points is None else _Bins(float(bin_points), True)
    windows = _Windows(np.repeat(start, lengths), rows, offsets)
    profiles = _profile_rows(bars, windows, names, bins)
    key = profiles.select(KEY)
    if key.is_duplicated().any():
        raise ValueError(f"two anchors of one name claim one session: {key.filter(key.is_duplicated()).row(0)}")
    return profiles.sort(KEY)


def build_consolidation_profiles(
    bars: pl.DataFrame, open_ranges: pl.DataFrame, *, bin_ratio: float = BIN_RATIO, since: date | None = None
) -> pl.DataFrame:
    """Rows of features.volume_profiles with window `consolidation_START`, one for each row of `open_ranges`: since
    that range began, at each session at which it was known and open. Other arguments as of `build_volume_profiles`.
    """
    name = "consolidation_" + pl.col("start_date").dt.to_string("iso")
    anchors = open_ranges.group_by(RANGE, maintain_order=True).agg(
        known_date=pl.col("session_date").min(), until=pl.col("session_date").max()
    )
    named = anchors.select("market", "known_date", "until", anchor_date="start_date", name=name)
    return build_anchored_profiles(bars, named, bin_ratio=bin_ratio, since=since)


def _anchor_rows(bars: pl.DataFrame, anchors: pl.DataFrame, since: date | None) -> tuple[Integers, Integers, Integers]:
    """Per anchor the rows of `bars`: the anchor's, that of its first profile, one past that of its last."""
    offsets = symbol_offsets(bars)
    market = anchors.get_column("market")
    if unknown := set(market) - set(bars.get_column("market").gather(offsets[:-1])):
        raise ValueError(f"anchors name markets without bars: {sorted(unknown)}")
    anchor, known, until = (anchors.get_column(name) for name in ("anchor_date", "known_date", "until"))
    start, end = rows_on(bars, offsets, market, anchor), rows_on(bars, offsets, market, until, "right")
    known = known.fill_null(anchor)
    first_known = known if since is None else known.set(known < since, since)
    return start, np.maximum(rows_on(bars, offsets, market, first_known), start + 1), end


def _windows(bars: pl.DataFrame, offsets: Integers, window: str, rows: Integers) -> _Windows:
    """Of `rows` those that have a profile by the window's name, and where it starts."""
    from r2k_pipeline.transforms.profile_kernels import latest_highest  # noqa: PLC0415  (imports numba)

    begin = np.repeat(offsets[:-1], np.diff(offsets))[rows]
    if match := re.fullmatch(r"rolling_([1-9]\d*)", window):
        start = rows - int(match[1])
        is_there = start >= begin
    elif window == "since_year_high":
        start = latest_highest(column_array(bars, "high"), offsets, YEAR_SESSIONS)[rows]
        is_there = (rows - begin >= YEAR_SESSIONS - 1) & (start < rows)
    elif match := re.fullmatch(r"since_(\d{4}-\d{2}-\d{2})", window):
        is_before = np.ones(len(bars), np.int64)
        is_before[rows_since(bars, _day(match[1], window))] = 0
        start = begin + np.repeat(np.add.reduceat(is_before, offsets[:-1]), np.diff(offsets))[rows]
        is_there = start < rows
    else:
        raise ValueError(f"window {window!r} is not rolling_N, since_year_high or since_YYYY-MM-DD")
    row = rows[is_there]
    return _Windows(start[is_there], row, np.searchsorted(row, offsets))


def _day(text: str, window: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"window {window!r}: {error}") from error


def _joined(parts: list[_Windows]) -> _Windows:
    """The series of all parts."""
    start, row, offsets = zip(*parts, strict=True)
    begins = np.cumsum([0, *(part.row.size for part in parts)])
    places = [own[:-1] + begin for own, begin in zip(offsets, begins, strict=False)]
    return _Windows(np.concatenate(start), np.concatenate(row), np.concatenate([*places, begins[-1:]]))


def _profile_rows(bars: pl.DataFrame, windows: _Windows, names: pl.Series, bins: _Bins) -> pl.DataFrame:
    """A row for each of the windows, which have these names."""
    volume = bars.get_column("volume")
    timed = ~is_covered(volume, windows.start, windows.row)
    levels = np.full((len(LEVELS), windows.row.size), np.nan)
    _fill(levels, bars, volume.fill_null(0.0), windows, ~timed, bins)
    if timed.any():
        _fill(levels, bars, pl.repeat(1.0, len(bars), eager=True), windows, timed, bins)
    sessions, is_timed = bars.get_column("session_date"), pl.Series(timed, dtype=pl.Boolean)
    columns = {
        "market": bars.get_column("market").gather(windows.row),
        "session_date": sessions.gather(windows.row),
        "profile_window": names,
        "start_date": sessions.gather(windows.start),
        **dict(zip(LEVELS, levels, strict=True)),
        "volume_symbol": last_known_symbol(bars, windows.row).set(is_timed, None),
        "method": pl.Series(("proxy_volume", "time_at_price")).gather(timed.astype(np.uint32)),
    }
    return pl.DataFrame(columns, nan_to_null=True)


def is_covered(volume: pl.Series, start: Integers, row: Integers) -> NDArray[np.bool_]:
    """Whether enough of the bars start..row - 1 have a known volume."""
    known = np.concatenate([[0], volume.is_not_null().to_numpy().cumsum()])
    covered: NDArray[np.bool_] = known[row] - known[start] >= VOLUME_COVERAGE * (row - start)
    return covered


def last_known_symbol(bars: pl.DataFrame, row: Integers) -> pl.Series:
    """volume_symbol of the last bar before each `row` that has one; of a window with known volume one has."""
    symbol = bars.get_column("volume_symbol")
    known = np.where(symbol.is_not_null().to_numpy(), np.arange(len(bars)), 0)
    return symbol.gather(np.maximum.accumulate(known)[row - 1])


def _fill(
    levels: Floats, bars: pl.DataFrame, weight: pl.Series, windows: _Windows, wanted: NDArray[np.bool_], bins: _Bins
) -> None:
    """Run the kernel over all series, half of them in a second thread if they are many."""
    from r2k_pipeline.transforms.profile_kernels import Bars, Windows, fill_profiles  # noqa: PLC0415  (imports numba)

    if not 0 < bins.width < float("inf"):
        raise ValueError(f"bin width {bins.width}: give a positive number")
    weighted = bars.with_columns(weight.cast(pl.Float64).alias("volume"))
    low, high, close, own = (column_array(weighted, name) for name in ("low", "high", "close", "volume"))
    start, row, offsets = windows

    def fill(first: int, end: int) -> None:
        asked = Windows(start, row, close[row], wanted, offsets[first : end + 1])
        fill_profiles(levels, Bars(low, high, own), asked, bins.width, bins.linear)

    if row.size < THREADED_ROWS:
        fill(0, offsets.size - 1)
        return
    cuts = np.linspace(0, offsets.size - 1, 3).astype(int)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, cuts[:-1], cuts[1:]))
