"""Anchored averages of price weighted by volume: bars and pivots -> features.anchored_vwaps.

Belongs here: where each anchor is, and the average since it. Not here: whose volume it is (staging.market_bars), volume
at price (volume_profiles.py).
"""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl

from r2k_pipeline.transforms.bar_input import need_columns, need_days, sound_bars
from r2k_pipeline.transforms.indicators import YEAR_SESSIONS
from r2k_pipeline.transforms.pivots import build_swing_pivots
from r2k_pipeline.transforms.row_ranges import (
    Floats,
    Integers,
    column_array,
    physical_array,
    rows_on,
    rows_since,
    symbol_offsets,
)
from r2k_pipeline.transforms.volume_profiles import is_covered, last_known_symbol

ANCHORS = ("swing_high", "swing_low", "high_252d", "low_252d", "year")
NONE = -1
"""The anchor's row at a bar that has none yet."""


def build_anchored_vwaps(
    bars: pl.DataFrame, pivots: pl.DataFrame | None = None, days: Sequence[date] = (), *, since: date | None = None
) -> pl.DataFrame:
    """The volume-weighted average price since each anchor at every session; features.anchored_vwaps, sorted by its key.

    `bars`: market, session_date, high, low, close, volume, volume_symbol, sorted by market and session_date; `pivots`:
    market, pivot_date, kind, confirmed_date, by default the swing pivots of these bars. The average of the typical
    prices (high + low + close) / 3 of the bars from the anchor's to the one before the session, weighted by volume:
    that of the session itself settles after its close. No row where there is no such bar, where less than
    VOLUME_COVERAGE of them have a known volume, or where none traded; bars of unknown volume are left out of the
    average. Anchors: the swing high (low) that was confirmed last, the highest high (lowest low) of 252 bars, the
    latest of equals, this session's included; the first bar of the year, if the bars begin before that; `since_DAY`:
    the first bar from each of `days` on. Rows come out from the session `since` on. Raises ValueError for rows out of
    order, for pivots of a market without bars, for a day that is there twice, and as sound_bars does.
    """
    need_days("days", days)
    bars = sound_bars(bars, "high", "low", "close", volume=True)
    pivots = build_swing_pivots(bars) if pivots is None else pivots
    need_columns(pivots, "pivots", ("market", "pivot_date", "kind", "confirmed_date"))
    offsets = symbol_offsets(bars)
    if unknown := sorted({*pivots["market"].unique()} - {*bars["market"].gather(offsets[:-1])}):
        raise ValueError(f"pivots: no bars of market {unknown[0]!r}; next: leave its pivots out")
    rows = rows_since(bars, since)
    own = np.repeat(offsets[:-1], np.diff(offsets))
    parts = []
    for name, anchor in _anchors(bars, offsets, own, pivots, days):
        is_there = (anchor[rows] >= own[rows]) & (anchor[rows] < rows)
        row, start = rows[is_there], anchor[rows][is_there]
        covered = is_covered(bars["volume"], start, row)
        parts.append(_averages(bars, name, start[covered], row[covered]))
    return pl.concat(parts).sort("market", "session_date", "anchor")


def _anchors(
    bars: pl.DataFrame, offsets: Integers, own: Integers, pivots: pl.DataFrame, days: Sequence[date]
) -> Iterator[tuple[str, Integers]]:
    """The row of each anchor at every bar; below `own`, the first row of the bar's market, where there is none."""
    from r2k_pipeline.transforms.profile_kernels import latest_highest  # noqa: PLC0415  (imports numba)

    for kind in ("high", "low"):
        yield f"swing_{kind}", _last_confirmed(bars, offsets, pivots.filter(kind=kind))
    every = np.arange(bars.height)
    is_year = every - own >= YEAR_SESSIONS - 1
    for name, prices in (("high_252d", column_array(bars, "high")), ("low_252d", -column_array(bars, "low"))):
        yield name, np.where(is_year, latest_highest(prices, offsets, YEAR_SESSIONS), NONE)
    year = physical_array(bars["session_date"].dt.year())
    begins = np.append(True, np.diff(year) != 0)
    begins[offsets[:-1]] = False
    yield "year", np.maximum.accumulate(np.where(begins, every, NONE))
    names = bars["market"].gather(offsets[:-1])
    for day in days:
        first = rows_on(bars, offsets, names, pl.repeat(day, len(names), dtype=pl.Date, eager=True))
        yield f"since_{day}", np.repeat(first, np.diff(offsets))


def _last_confirmed(bars: pl.DataFrame, offsets: Integers, pivots: pl.DataFrame) -> Integers:
    """At every bar the row of the latest pivot confirmed by then."""
    rows = np.full(bars.height, NONE)
    confirmed, pivot = (
        rows_on(bars, offsets, pivots["market"], pivots[f"{which}_date"]) for which in ("confirmed", "pivot")
    )
    rows[confirmed] = pivot
    return np.maximum.accumulate(rows)


def _averages(bars: pl.DataFrame, anchor: str, start: Integers, row: Integers) -> pl.DataFrame:
    """The averages of the bars start..row - 1, as they stood at the session in `row`."""
    volume = bars["volume"].fill_null(0.0).to_numpy()
    typical = bars.select((pl.col("high") + pl.col("low") + pl.col("close")) / 3).to_series().to_numpy()
    traded = _sums(volume, start, row)
    sessions = bars["session_date"]
    found = {
        "market": bars["market"].gather(row),
        "session_date": sessions.gather(row),
        "anchor": pl.repeat(anchor, row.size, eager=True),
        "anchor_date": sessions.gather(start),
        "vwap": pl.Series(_sums(typical * volume, start, row) / np.where(traded > 0, traded, np.nan), nan_to_null=True),
        "sessions": row - start,
        "volume_symbol": last_known_symbol(bars, row),
    }
    return pl.DataFrame(found).drop_nulls("vwap")


def _sums(values: Floats, start: Integers, row: Integers) -> Floats:
    """The sums of values[start:row], each of its own values alone: none depends on what came before."""
    if not row.size:
        return np.empty(0)
    sums: Floats = np.add.reduceat(np.append(values, 0.0), np.stack([start, row], axis=1).ravel())[::2]
    return sums
