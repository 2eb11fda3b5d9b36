"""Bars of a user's own: each function of the API takes them, or refuses them by column, market and session."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import r2k_pipeline as r2k

SESSIONS: Final = 300
BAD_DAY: Final = dt.date(2024, 4, 10)


def build_bars() -> pl.DataFrame:
    close = 100 * np.exp(np.random.default_rng(5).normal(0, 0.01, SESSIONS).cumsum())
    days = pl.date_range(dt.date(2024, 1, 1), dt.date(2025, 12, 31), eager=True)
    return pl.DataFrame(
        {
            "market": "MINE",
            "session_date": days.filter(days.dt.weekday() < 6).head(SESSIONS),
            "high": close + 1,
            "low": close - 1,
            "close": close,
            "volume": np.arange(SESSIONS) % 7 + 1.0,
            "volume_symbol": "ETF",
        }
    )


BARS: Final = build_bars()
TAKE: Final[dict[str, tuple[Callable[..., pl.DataFrame], tuple[str, ...]]]] = {
    "daily_indicators": (r2k.daily_indicators, ("high", "low", "close")),
    "weekly_indicators": (r2k.weekly_indicators, ("high", "low", "close")),
    "swing_pivots": (r2k.swing_pivots, ("high", "low")),
    "consolidations": (r2k.consolidations, ("close",)),
    "volume_profiles": (r2k.volume_profiles, ("high", "low", "close", "volume")),
    "anchored_vwaps": (r2k.anchored_vwaps, ("high", "low", "close", "volume")),
}
EACH: Final = pytest.mark.parametrize("name", TAKE)


def on_bad_day(column: str, value: Any) -> pl.DataFrame:
    is_day = pl.col("session_date") == BAD_DAY
    return BARS.with_columns(pl.when(is_day).then(pl.lit(value)).otherwise(column).alias(column))


@EACH
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -5.0, None])
def test_a_price_that_is_none_is_refused_by_name(name: str, value: float | None) -> None:
    take, columns = TAKE[name]
    for column in set(columns) - {"volume"}:
        with pytest.raises(ValueError, match=rf"^{column} of MINE on {BAD_DAY} is .*: a bar needs a positive number"):
            take(on_bad_day(column, value))


@EACH
def test_a_missing_column_is_named_with_the_one_most_like_it(name: str) -> None:
    take, columns = TAKE[name]
    for column in ("market", "session_date", *columns):
        with pytest.raises(ValueError, match=rf"^bars: no column {column}; next: rename {column.upper()} to it$"):
            take(BARS.rename({column: column.upper()}))


@EACH
@pytest.mark.parametrize(
    ("bars", "said"),
    [
        (BARS.to_pandas(), r"bars: a pandas DataFrame is no Polars frame; next: polars\.from_pandas\(bars\)"),
        (BARS.lazy(), r"bars: a polars LazyFrame .*; next: bars\.collect\(\)"),
        (None, r"bars: a NoneType .*; next: polars\.DataFrame"),
    ],
)
def test_what_is_no_frame_of_polars_is_refused_with_the_way_to_one(name: str, bars: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        TAKE[name][0](bars)


@EACH
def test_columns_of_another_type_are_refused_and_other_numbers_are_taken(name: str) -> None:
    take, columns = TAKE[name]
    with pytest.raises(ValueError, match=rf"^{columns[0]} is String, not numbers; next: .*cast\(polars.Float64\)"):
        take(BARS.with_columns(pl.col(columns[0]).cast(pl.String)))
    with pytest.raises(ValueError, match=r"^session_date is String, not days; next: .*str\.to_date\(\)"):
        take(BARS.with_columns(pl.col("session_date").cast(pl.String)))
    whole = BARS.with_columns(pl.col("high", "low", "close", "volume").round())
    for number in (pl.Float32, pl.Int32, pl.Decimal(18, 2)):
        assert_frame_equal(take(whole.with_columns(pl.col(columns).cast(number))), take(whole))


@EACH
def test_a_row_without_market_or_day_is_refused(name: str) -> None:
    for column in ("market", "session_date"):
        with pytest.raises(ValueError, match=rf"^{column} is null in row 72"):
            TAKE[name][0](on_bad_day(column, None))


@EACH
def test_bars_that_are_unsorted_or_there_twice_are_refused(name: str) -> None:
    for bars in (BARS.reverse(), pl.concat([BARS, BARS.tail(1)])):
        with pytest.raises(
            ValueError, match=r"market 'MINE' must be together, sorted by session_date, each session once"
        ):
            TAKE[name][0](bars)


@pytest.mark.parametrize("name", [name for name, (_, columns) in TAKE.items() if "low" in columns])
def test_a_low_above_the_high_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^low of MINE on {BAD_DAY} is 1000\.0, above the high"):
        TAKE[name][0](on_bad_day("low", 1000.0).with_columns(close=pl.col("close")))


@pytest.mark.parametrize("name", ["daily_indicators", "weekly_indicators", "volume_profiles", "anchored_vwaps"])
@pytest.mark.parametrize("since", ["2025-01-01", 5])
def test_since_is_a_day(name: str, since: Any) -> None:
    with pytest.raises(TypeError, match=rf"^since: {since!r} is no date; next: datetime\.date\("):
        TAKE[name][0](BARS, since=since)


def test_arguments_that_would_give_a_row_twice_or_none_are_refused() -> None:
    day = dt.date(2024, 4, 10)
    for days, said in (
        (day, r"days: .* is no list of dates"),
        (["2024-04-10"], r"days: '2024-04-10' is no date"),
        ([dt.datetime(2024, 4, 10)], r"days: .* is no date"),  # noqa: DTZ001  (what a user may write)
    ):
        with pytest.raises(TypeError, match=said):
            r2k.anchored_vwaps(BARS, days=days)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"days: 2024-04-10 is there twice"):
        r2k.anchored_vwaps(BARS, days=[day, day])
    with pytest.raises(ValueError, match=r"windows: rolling_60 is there twice"):
        r2k.volume_profiles(BARS, ("rolling_60", "rolling_60"))
    with pytest.raises(TypeError, match=r"windows: 'rolling_60' is no tuple of names; next: \('rolling_60',\)"):
        r2k.volume_profiles(BARS, "rolling_60")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"windows: none is named"):
        r2k.volume_profiles(BARS, ())
    with pytest.raises(ValueError, match=r"bin width inf"):
        r2k.volume_profiles(BARS, bin_ratio=float("inf"))
    with pytest.raises(ValueError, match=r"k = 2\.5"):
        r2k.swing_pivots(BARS, 2.5)  # type: ignore[arg-type]


def test_second_frames_are_checked_too() -> None:
    with pytest.raises(ValueError, match=r"^indicators: no column sma_20; .*r2k_pipeline\.daily_indicators"):
        r2k.moving_average_crosses(BARS)
    with pytest.raises(ValueError, match=r"^pivots: no column pivot_date"):
        r2k.anchored_vwaps(BARS, BARS)
    with pytest.raises(ValueError, match=r"^pivots: no bars of market 'OTHER'"):
        r2k.anchored_vwaps(BARS, r2k.swing_pivots(BARS).with_columns(market=pl.lit("OTHER")))
    sessions = BARS.select("market", "session_date")
    with pytest.raises(TypeError, match=r"^sessions: a pandas DataFrame is no Polars frame"):
        r2k.weekly_indicators(BARS, sessions.to_pandas())
    with pytest.raises(ValueError, match=r"^sessions: no column session_date"):
        r2k.weekly_indicators(BARS, sessions.rename({"session_date": "day"}))
    with pytest.raises(ValueError, match=r"^sessions: market is Categorical, in bars it is String"):
        r2k.weekly_indicators(BARS, sessions.with_columns(pl.col("market").cast(pl.Categorical)))
    with pytest.raises(ValueError, match=r"^sessions: none of MINE in the week of 2024-01-01"):
        r2k.weekly_indicators(BARS, sessions.with_columns(market=pl.lit("OTHER")))


def test_frames_of_pandas_converted_as_the_message_tells_are_right() -> None:
    frame: pd.DataFrame = BARS.to_pandas()
    bars = pl.from_pandas(frame)
    daily = r2k.daily_indicators(bars)
    expected = r2k.daily_indicators(BARS)
    assert_frame_equal(daily.with_columns(pl.col("session_date").cast(pl.Date)), expected)
    with pytest.raises(
        ValueError, match=r"^session_date is Datetime.*, a week needs days; next: .*cast\(polars\.Date\)"
    ):
        r2k.weekly_indicators(bars)
    weekly = r2k.weekly_indicators(bars.with_columns(pl.col("session_date").cast(pl.Date)))
    assert_frame_equal(weekly, r2k.weekly_indicators(BARS))
