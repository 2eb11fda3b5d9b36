"""features.weekly_indicators: against TA-Lib on real weeks, and through holidays and holes."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from polars.testing import assert_frame_equal

from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables.weekly_indicators import WeeklyIndicators
from r2k_pipeline.transforms.weekly_indicators import build_weekly_indicators
from tests.unit.known_rows import assert_fits
from tests.unit.transforms.test_indicators import real_bars

XNYS = build_sessions(["XNYS"], date(2026, 12, 31))


def sessions_of(*markets: str) -> pl.DataFrame:
    return pl.DataFrame({"market": markets}).join(XNYS.select("session_date"), how="cross")


def walk(first: date, last: date, seed: int = 0, market: str = "M") -> pl.DataFrame:
    """A bar for every session of New York from the one day to the other."""
    days = XNYS.filter(pl.col("session_date").is_between(first, last))["session_date"]
    close = 2000 * np.exp(0.01 * np.random.default_rng(seed).standard_normal(len(days)).cumsum())
    prices = {"high": close * 1.01, "low": close * 0.99, "close": close}
    return pl.DataFrame({"session_date": days, **prices}).select(pl.lit(market).alias("market"), pl.all())


@pytest.mark.parametrize("symbol", ["^RUT", "^GSPC"])
def test_equals_talib_on_the_last_closes_of_real_weeks(real: Path, symbol: str) -> None:
    bars = real_bars(real, symbol)
    built = build_weekly_indicators(bars, sessions_of(symbol))
    last: dict[tuple[int, int], float] = {}
    for day, price in bars.select("session_date", "close").iter_rows():
        last[day.isocalendar()[:2]] = price
    weeks = [day.isocalendar()[:2] for day in built["session_date"]]
    close = np.array(list(last.values()))
    expected = {"rsi_14w": talib.RSI(close, 14), **{f"sma_{n}w": talib.SMA(close, n) for n in (50, 100, 200)}}
    at = {week: place for place, week in enumerate(last)}
    assert len(weeks) > 0.98 * len(last), "before 1970 the vendor has no last session of one week in forty"
    for name, values in expected.items():
        found = built[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        np.testing.assert_allclose(found, values[[at[week] for week in weeks]], rtol=1e-9, err_msg=name)
    assert_fits(WeeklyIndicators, built)


def test_a_week_is_complete_at_the_last_session_of_the_calendar() -> None:
    """Good Friday, Independence Day on a Friday, a Friday's half-day; a running week has no row."""
    bars = walk(date(2025, 4, 7), date(2025, 7, 9))
    days = build_weekly_indicators(bars, sessions_of("M"))["session_date"].to_list()
    assert days[:3] == [date(2025, 4, 11), date(2025, 4, 17), date(2025, 4, 25)]
    assert days[-2:] == [date(2025, 6, 27), date(2025, 7, 3)]


def test_without_a_calendar_the_days_of_the_bars_are_the_sessions() -> None:
    """A last bar on a Friday ends its week, one on a Thursday does not: the Friday may still come."""
    bars = walk(date(2025, 4, 7), date(2025, 7, 18))
    whole = build_weekly_indicators(bars, sessions_of("M"))
    assert_frame_equal(build_weekly_indicators(bars), whole)
    thursday = bars.filter(pl.col("session_date") < date(2025, 7, 18))
    assert_frame_equal(build_weekly_indicators(thursday), whole[:-1])
    holiday = bars.filter(pl.col("session_date") <= date(2025, 4, 17))
    assert build_weekly_indicators(holiday)["session_date"].to_list() == [date(2025, 4, 11)]


def test_a_hole_is_counted_and_the_week_whose_last_session_is_missing_has_no_row() -> None:
    bars = walk(date(2025, 1, 6), date(2025, 2, 28))
    missing = [date(2025, 1, 15), date(2025, 1, 24), date(2025, 2, 3), *(date(2025, 2, day) for day in range(10, 15))]
    built = build_weekly_indicators(bars.filter(~pl.col("session_date").is_in(missing)), sessions_of("M"))
    by_day = {row[0]: row[1:] for row in built.select("session_date", "return_1w", "missing_sessions").iter_rows()}
    assert {str(day): row[1] for day, row in by_day.items()} == {
        **{"2025-01-10": 0, "2025-01-17": 1, "2025-01-31": 0, "2025-02-07": 1, "2025-02-21": 0, "2025-02-28": 0}
    }
    unknown = {str(day) for day, row in by_day.items() if row[0] is None}
    assert unknown == {"2025-01-10", "2025-01-31", "2025-02-21"}, (
        "the week before is the first, has no close, is missing"
    )
    close = dict(bars.select("session_date", "close").iter_rows())
    assert by_day[date(2025, 2, 28)][0] == close[date(2025, 2, 28)] / close[date(2025, 2, 21)] - 1


@pytest.mark.parametrize("since", [date(2022, 6, 3), date(2022, 6, 4), date(2024, 1, 1)])
def test_rows_since_a_session_and_of_a_shorter_history_are_those_of_the_whole(since: date) -> None:
    first, last = date(2020, 1, 2), date(2023, 3, 30)
    bars = pl.concat([walk(first, last, 1, "A"), walk(date(2021, 5, 5), last, 2, "B")])
    calendar = sessions_of("A", "B")
    whole = build_weekly_indicators(bars, calendar)
    assert whole["sma_100w"].count()
    is_wanted = pl.col("session_date") >= since
    assert_frame_equal(build_weekly_indicators(bars, calendar, since=since), whole.filter(is_wanted), check_exact=True)
    cut = build_weekly_indicators(bars.filter(~is_wanted), calendar)
    assert_frame_equal(cut, whole.filter(~is_wanted), check_exact=True)
