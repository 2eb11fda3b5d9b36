"""Weekly indicators: daily bars -> features.weekly_indicators.

Belongs here: which sessions are a week, when it is complete. Not here: the arithmetic, which is that of daily bars
(indicators.py).
"""

from datetime import date, timedelta

import polars as pl

from r2k_pipeline.transforms.bar_input import KEY, need_columns, need_date, sound_bars
from r2k_pipeline.transforms.indicators import build_daily_indicators
from r2k_pipeline.transforms.row_ranges import symbol_offsets

WEEK = pl.col("session_date").dt.truncate("1w").alias("week")
OF_WEEKS = {"rsi_14": "rsi_14w", **{f"sma_{weeks}": f"sma_{weeks}w" for weeks in (50, 100, 200)}}
"""Columns of the daily indicators -> their names for weekly bars."""
OWN_COLUMNS = ("close", "return_1w", *OF_WEEKS.values(), "missing_sessions")


def build_weekly_indicators(
    bars: pl.DataFrame, sessions: pl.DataFrame | None = None, *, since: date | None = None
) -> pl.DataFrame:
    """One row for each complete week of `bars`, dated by its last session; as `features.weekly_indicators`.

    A week runs from Monday to Sunday; its bar closes with the last session in it. It is complete at the close of the
    last session that the exchange's calendar has in it. `sessions`: market, session_date of that calendar, beyond the
    last bar; without it the days of `bars` are the sessions, and the week of a market's last bar is complete if that is
    a Friday's or later. `bars`: market, session_date, high, low, close, sorted by market and session_date. A week whose
    last session is missing has no row, and its last known close counts in later averages. Rows come out from the
    session `since` on. Raises ValueError as build_daily_indicators does, and where `sessions` lack a week of the bars.
    """
    if since is not None:
        need_date("since", since)
    bars = sound_bars(bars, "high", "low", "close")
    symbol_offsets(bars)  # refuses bars out of order, which a week would hide
    if bars.schema["session_date"] != pl.Date:
        problem = f"session_date is {bars.schema['session_date']}, a week needs days"
        raise ValueError(f"{problem}; next: polars.col('session_date').cast(polars.Date)")
    sessions = _sessions_of(bars) if sessions is None else _sound_sessions(sessions, bars)
    own = _weekly_bars(bars, sessions)
    if own["last_date"].null_count():
        market, week = own.filter(pl.col("last_date").is_null()).row(0)[:2]
        raise ValueError(f"sessions: none of {market} in the week of {week}, which has bars; next: add the calendar's")
    is_complete = own["session_date"] == own["last_date"]
    is_wanted = is_complete if since is None else is_complete & (own["session_date"] >= since)
    return (
        build_daily_indicators(own)
        .rename(OF_WEEKS)
        .with_columns(
            return_1w=pl.when(is_complete.shift()).then("return_1d"),
            missing_sessions=(own["sessions"] - own["there"]).cast(pl.Int64),
        )
        .filter(is_wanted)
        .select("market", "session_date", *OWN_COLUMNS)
    )


def _weekly_bars(bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """One bar a week, with the last date, the number and the place of its week in the calendar; null without one."""
    weeks = (
        sessions.group_by("market", WEEK)
        .agg(last_date=pl.col("session_date").max(), sessions=pl.len())
        .sort("market", "week")
        .with_columns(session_number=pl.int_range(pl.len()).over("market"))
    )
    return (
        bars.group_by("market", WEEK, maintain_order=True)
        .agg(pl.col("session_date", "close").last(), pl.col("high").max(), pl.col("low").min(), there=pl.len())
        .join(weeks, on=["market", "week"], how="left", maintain_order="left")
    )


def _sound_sessions(sessions: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The sessions, with columns of the types that they have in `bars`. Raises TypeError and ValueError."""
    need_columns(sessions, "sessions", KEY)
    for name in KEY:
        if sessions.schema[name] != bars.schema[name]:
            problem = f"{name} is {sessions.schema[name]}, in bars it is {bars.schema[name]}"
            raise ValueError(f"sessions: {problem}; next: cast one of them")
    return sessions


def _sessions_of(bars: pl.DataFrame) -> pl.DataFrame:
    """The days of bars, and the Friday after a last bar that is earlier in its week."""
    days = bars.select("market", "session_date")
    friday = pl.col("session_date").dt.truncate("1w") + timedelta(days=4)
    last = days.group_by("market").agg(pl.max("session_date")).with_columns(pl.max_horizontal("session_date", friday))
    return pl.concat([days, last]).unique()
