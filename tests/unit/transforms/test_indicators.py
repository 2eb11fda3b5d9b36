"""features.daily_indicators: against TA-Lib on real prices, against plain sums, and as known at the time."""

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from benchmarks.universe import build_universe
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.transforms import market_batches
from r2k_pipeline.transforms.indicators import build_daily_indicators, moving_average_order
from tests.unit.known_rows import assert_fits

SYMBOLS = ("^RUT", "^GSPC", "^NDX", "^DJI", "^VIX", "IWM", "SPY", "QQQ", "DIA", "RTY=F")
RATIOS = ("return_1d", "realised_volatility_20d", "drawdown_ratio")
Floats = NDArray[np.float64]


def real_bars(real: Path, symbol: str) -> pl.DataFrame:
    """A vendor's file as market bars, the whole history, defects included."""
    columns = {"Date": pl.Date} | dict.fromkeys(("Open", "High", "Low", "Close", "Adj Close", "Volume"), pl.Float64)
    vendor = pl.read_csv(real / "prices" / f"{symbol}.csv", schema=columns)
    return vendor.select(
        pl.lit(symbol).alias("market"), pl.col("Date").alias("session_date"), pl.all().name.to_lowercase()
    )


def bars_of(close: list[float] | Floats, market: str = "M") -> pl.DataFrame:
    """Bars that are flat at their close, on consecutive days."""
    days = pl.date_range(date(2000, 1, 1), date(2000, 1, 1) + timedelta(days=len(close) - 1), eager=True)
    prices = dict.fromkeys(("open", "high", "low", "close"), pl.Series(close, dtype=pl.Float64))
    return pl.DataFrame({"session_date": days, **prices}).select(pl.lit(market).alias("market"), pl.all())


def talib_columns(bars: pl.DataFrame) -> dict[str, Floats]:
    """The same columns from TA-Lib, and from numpy where TA-Lib has no such function."""
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    macd, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    log_returns = np.diff(np.log(close))
    windows = np.lib.stride_tricks.sliding_window_view(log_returns, 20)
    return {
        "return_1d": np.append(np.nan, close[1:] / close[:-1] - 1),
        "rsi_14": talib.RSI(close, 14),
        **{f"sma_{bars}": talib.SMA(close, bars) for bars in (20, 50, 100, 200)},
        "ema_20": talib.EMA(close, 20),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "atr_14": talib.ATR(high, low, close, 14),
        "bollinger_upper": upper,
        "bollinger_lower": lower,
        "high_252d": talib.MAX(high, 252),
        "low_252d": talib.MIN(low, 252),
        "realised_volatility_20d": np.append(np.full(20, np.nan), windows.std(axis=1, ddof=1) * np.sqrt(252)),
        "drawdown_ratio": close / np.maximum.accumulate(close) - 1,
        **{f"ema_{bars}": talib.EMA(close, bars) for bars in (50, 200)},
        "adx_14": talib.ADX(high, low, close, 14),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
    }


def assert_columns(actual: pl.DataFrame, expected: dict[str, Floats]) -> None:
    for name, values in expected.items():
        assert actual[name].is_nan().sum() == 0, name
        np.testing.assert_allclose(actual[name].to_numpy(), values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_equals_talib_on_real_prices(real: Path, symbol: str) -> None:
    bars = real_bars(real, symbol)
    assert_columns(build_daily_indicators(bars), talib_columns(bars))


def test_the_notes_thirteenth_of_march(real: Path) -> None:
    rut = build_daily_indicators(real_bars(real, "^RUT"))
    rsi = rut.filter(pl.col("session_date").is_between(date(2025, 3, 12), date(2025, 3, 17)))["rsi_14"]
    assert rsi.round(2).to_list() == [26.84, 24.08, 35.14, 39.69]
    day = rut.row(by_predicate=pl.col("session_date") == date(2025, 3, 13), named=True)
    assert {name: round(day[name], 2) for name in ("close", "sma_50", "sma_100", "sma_200")} == {
        "close": 1993.69,
        "sma_50": 2219.87,
        "sma_100": 2271.05,
        "sma_200": 2203.02,
    }
    assert day["moving_average_order"] == "100>50>200"


def test_contract_and_one_row_per_bar(real: Path) -> None:
    bars = pl.concat([real_bars(real, "^RUT"), real_bars(real, "^NDX")])
    built = build_daily_indicators(bars)
    assert_fits(DailyIndicators, built)
    assert_frame_equal(built.select("market", "session_date", "close"), bars.select("market", "session_date", "close"))


@pytest.mark.parametrize("sessions", [0, 1, 2, 13, 14, 15, 19, 20, 21, 33, 34, 199, 200, 251, 252, 253])
def test_a_history_of_any_length_is_the_beginning_of_a_longer_one(sessions: int) -> None:
    whole = build_universe(1, 300, seed=1)
    built = build_daily_indicators(whole.head(sessions))
    assert_frame_equal(built, build_daily_indicators(whole).head(sessions), check_exact=True)


def test_each_market_stands_alone_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = pl.concat([part.head(100 + 37 * i) for i, part in enumerate(build_universe(9, 400).partition_by("market"))])
    together = build_daily_indicators(bars)
    apart = pl.concat([build_daily_indicators(part) for part in bars.partition_by("market")])
    assert_frame_equal(together, apart, check_exact=True)
    monkeypatch.setattr(market_batches, "BATCH_ROWS", 500)
    assert_frame_equal(together, build_daily_indicators(bars), check_exact=True)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=330), st.integers(-8, 8))
@settings(max_examples=60, deadline=None)
def test_windows_are_their_plain_sums_and_scale_with_the_price(cents: list[int], power: int) -> None:
    close = np.array(cents) / 100
    built = build_daily_indicators(bars_of(close))
    scaled = build_daily_indicators(bars_of(close * 2.0**power))
    for bars in (20, 50, 100, 200):
        plain = [None if i < bars - 1 else close[i + 1 - bars : i + 1].mean() for i in range(len(close))]
        np.testing.assert_allclose(built[f"sma_{bars}"].to_numpy(), np.array(plain, dtype=float), rtol=1e-13)
        assert_frame_equal(scaled.select(f"sma_{bars}") / 2.0**power, built.select(f"sma_{bars}"), check_exact=True)
    assert_frame_equal(scaled.select(RATIOS), built.select(RATIOS), check_exact=True)
    top = [None if i < 251 else close[i - 251 : i + 1].max() for i in range(len(close))]
    assert built["high_252d"].to_list() == top
    assert built["moving_average_order"].equals(scaled["moving_average_order"])


def test_nothing_drifts_at_high_prices() -> None:
    close = np.concatenate([np.full(50, 1e7), np.full(50_000, 123.25)])
    tail = build_daily_indicators(bars_of(close)).tail(1).row(0, named=True)
    assert {tail[f"sma_{bars}"] for bars in (20, 50, 100, 200)} == {123.25}
    assert tail["bollinger_upper"] == tail["bollinger_lower"] == 123.25
    assert tail["realised_volatility_20d"] == 0


@pytest.mark.parametrize("move", [1e-12, 1e-6, 0.01, 0.1, 0.13, 0.134, 0.14, 0.5, 3.0, 1e4])
@pytest.mark.parametrize("fall", [False, True])
def test_volatility_of_one_move_of_any_size_and_its_way_back(move: float, fall: bool) -> None:
    low, high = 100.0, 100.0 * (1 + move)
    close = [high, low] * 11 if fall else [low, high] * 11
    log_return = math.log1p((high - low) / low)
    for volatility in build_daily_indicators(bars_of(close))["realised_volatility_20d"][20:]:
        assert volatility == pytest.approx(log_return * math.sqrt(252 * 20 / 19), rel=2e-15)


def test_rsi_and_direction_of_a_flat_and_of_a_rising_market() -> None:
    flat = build_daily_indicators(bars_of([100.1] * 40))
    assert flat.select("rsi_14", "adx_14", "plus_di_14", "minus_di_14").null_count().row(0) == (40,) * 4
    rising = build_daily_indicators(bars_of([100.0 + day for day in range(40)])).tail(1)
    assert rising.select("adx_14", "plus_di_14", "minus_di_14").row(0) == pytest.approx((100, 100, 0))
    assert (
        build_daily_indicators(bars_of([100.1] * 20 + [100.2] * 20))["rsi_14"].to_list() == [None] * 20 + [100.0] * 20
    )


@pytest.mark.parametrize(
    ("averages", "order"),
    [
        ((3.0, 2.0, 1.0), "50>100>200"),
        ((2.0, 3.0, 1.0), "100>50>200"),
        ((1.0, 2.0, 3.0), "200>100>50"),
        ((2.0, 2.0 * (1 + 1e-12), 1.0), "50=100>200"),
        ((2.0, 1.0, 2.0), "50=200>100"),
        ((1.0, 2.0, 2.0), "100=200>50"),
        ((2.0, 2.0, 2.0), "50=100=200"),
        ((2.0, 1.0, np.nan), None),
    ],
)
def test_order_of_averages(averages: tuple[float, float, float], order: str | None) -> None:
    assert moving_average_order(*(np.array([value]) for value in averages)).to_list() == [order]


@pytest.mark.parametrize("column", ["high", "low", "close"])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, 0.0, -1.0])
def test_a_price_that_is_no_positive_number_is_refused_by_name(column: str, bad: Any) -> None:
    bars = build_universe(2, 30)
    at = (pl.col("market") == "S00001") & (pl.col("session_date") == date(2015, 1, 20))
    broken = bars.with_columns(pl.when(at).then(pl.lit(bad, dtype=pl.Float64)).otherwise(column).alias(column))
    with pytest.raises(ValueError, match=rf"{column} of S00001 on 2015-01-20 is"):
        build_daily_indicators(broken)


def test_bars_out_of_order_are_refused_by_name() -> None:
    bars = build_universe(3, 20)
    for broken in (bars.sort("session_date", "market"), bars.reverse(), pl.concat([bars, bars.tail(1)])):
        with pytest.raises(ValueError, match="S0000"):
            build_daily_indicators(broken)


def gappy(bars: pl.DataFrame, missing: set[int]) -> pl.DataFrame:
    """Bars with the numbers of their sessions, without those of the numbers in `missing`."""
    numbered = bars.with_columns(session_number=pl.int_range(pl.len()).over("market") + 7_000)
    return numbered.filter(~pl.col("session_number").is_in([7_000 + n for n in missing]))


def test_a_return_across_a_missing_session_is_null_and_the_year_says_how_many_are_missing() -> None:
    missing = {5, 100, 101, 399}
    bars = gappy(build_universe(2, 700), missing)
    built, plain = build_daily_indicators(bars), build_daily_indicators(bars.drop("session_number"))
    own = ("return_1d", "missing_sessions_252d")
    assert_frame_equal(built.drop(own), plain.drop(own), check_exact=True)
    assert plain["missing_sessions_252d"].unique().to_list() == [0]
    after = bars["session_number"].is_in([7_006, 7_102, 7_400])
    assert built.filter(after)["return_1d"].null_count() == after.sum() == 6
    assert_frame_equal(built.filter(~after).select("return_1d"), plain.filter(~after).select("return_1d"))
    for _, part in built.with_columns(bars["session_number"]).group_by("market"):
        numbers = part["session_number"].to_list()
        counted = [
            sum(n - 7_000 in missing for n in range(numbers[max(0, row - 251)], last))
            for row, last in enumerate(numbers)
        ]
        assert part["missing_sessions_252d"].to_list() == counted
        assert max(counted) == 3


@pytest.mark.parametrize("day", [-1, 0, 1, 13, 260, 398, 399, 400, 500])
def test_rows_since_a_session_are_the_last_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    bars = gappy(
        pl.concat([part.head(100 + 100 * i) for i, part in enumerate(build_universe(4, 400).partition_by("market"))]),
        {50, 390},
    )
    since = bars["session_date"].min() + timedelta(days=day)
    whole = build_daily_indicators(bars).filter(pl.col("session_date") >= since)
    assert_frame_equal(build_daily_indicators(bars, since=since), whole, check_exact=True)
    monkeypatch.setattr(market_batches, "BATCH_ROWS", 150)
    assert_frame_equal(build_daily_indicators(bars, since=since), whole, check_exact=True)
