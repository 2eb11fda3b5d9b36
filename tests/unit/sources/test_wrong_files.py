"""Price files that are wrong as a whole, bounds of single prices, and the names of factors."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from r2k_pipeline.sources.factors import name_factor, name_pattern
from r2k_pipeline.sources.prices import read_bars, screen_bars
from r2k_pipeline.sources.protocol import PriceAnswer, SourceError
from r2k_pipeline.sources.settlement import INDEX
from r2k_pipeline.sources.wrong_files import refuse_wrong_file, unread_actions
from tests.raw_story import Story, actions_of, bars_of, days_of, sessions

NOW: Final = datetime(2025, 12, 31, 23, tzinfo=UTC)
DAYS: Final = days_of(date(2024, 1, 2), 60)


def answer_of(days: list[date], **columns: str) -> PriceAnswer:
    """A file's answer: quiet bars on `days`, with further columns of one value."""
    bars = bars_of({day: 2000.0 + n for n, day in enumerate(days)})
    return PriceAnswer("IWM", "files:prices/IWM.csv", bars.with_columns(**{n: pl.lit(v) for n, v in columns.items()}),
                       actions_of())  # fmt: skip


def refuse(answer: PriceAnswer) -> None:
    refuse_wrong_file(answer, read_bars(answer, sessions(), INDEX, NOW).rows, sessions())


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        (DAYS[::5], "not daily: 44 of 56 sessions of its span have no row, its days are 2024-01-02, 2024-01-09"),
        (DAYS[::2], "not daily: 29 of 59 sessions"),
        (
            [day - timedelta(days=1) for day in DAYS],
            "on days without a session, e.g. Monday 2024-01-01, Sunday",
        ),
        ([day + timedelta(days=1) for day in DAYS], "on days without a session, e.g. Saturday 2024-01-06"),
    ],
    ids=["weekly", "every other day", "a day early", "a day late"],
)
def test_a_file_whose_days_are_wrong_is_named_with_the_way_out(days: list[date], rule: str) -> None:
    with pytest.raises(SourceError) as caught:
        refuse(answer_of(days))
    assert rule in caught.value.rule
    assert caught.value.remedy.startswith("download it again")


@pytest.mark.parametrize(
    "days",
    [DAYS, DAYS[:1], DAYS[:10] + DAYS[50:], DAYS[:20:2] + DAYS[20:], [*DAYS, date(2024, 1, 7), date(2024, 1, 15)]],
    ids=["daily", "one row", "a long gap", "ten sessions missing", "a Sunday and a holiday"],
)
def test_gaps_and_stray_days_are_no_fault_of_the_file(days: list[date]) -> None:
    refuse(answer_of(days))


def test_days_without_prices_are_no_rows() -> None:
    """Some vendors print every calendar day, blank where nothing traded."""
    blank = answer_of([DAYS[0] + timedelta(days=n) for n in range(60)])
    opened = pl.col("Date").is_in([str(day) for day in DAYS])
    bars = blank.bars.with_columns(pl.when(opened).then(pl.col("Close")).otherwise(pl.lit("")).alias("Close"))
    refuse(PriceAnswer(blank.symbol, blank.origin, bars, blank.actions))


def test_a_file_of_adjusted_prices_is_refused_with_the_way_out() -> None:
    adjusted = answer_of(DAYS, Dividends="0.5")
    with pytest.raises(SourceError, match=r"60 dividends and no Adj Close.*next: .*auto_adjust=False"):
        refuse(PriceAnswer(adjusted.symbol, adjusted.origin, adjusted.bars.drop("Adj Close"), adjusted.actions))
    refuse(adjusted)
    index = answer_of(DAYS, Dividends="0.0")
    refuse(PriceAnswer(index.symbol, index.origin, index.bars.drop("Adj Close"), index.actions))


def test_a_real_adjusted_file_is_refused(real: Path) -> None:
    file = real.parent / "faulty" / "prices" / "IWM_auto_adjusted_with_dividends.csv"
    if not file.is_file():
        pytest.skip("the small faulty price files are not here")
    with pytest.raises(SourceError, match="12 dividends and no Adj Close"):
        refuse(PriceAnswer("IWM", "files:prices/IWM.csv", pl.read_csv(file, infer_schema=False), actions_of()))


def test_dividends_that_are_not_read_are_told() -> None:
    alone = answer_of(DAYS, Dividends="0.5")
    assert unread_actions(alone) == "column Dividends is not read, because Stock Splits is missing: 60 amounts ignored"
    assert unread_actions(answer_of(DAYS, Dividends="0.0")) is None
    assert unread_actions(answer_of(DAYS, **{"Dividends": "0.5", "Stock Splits": "0.0"})) is None


@pytest.mark.parametrize(
    ("price", "volume", "rule"),
    [("1.1e7", "1", "price_possible"), ("1e-5", "1", "price_possible"), ("100", "2e13", "volume_possible"),
     ("9e6", "1", None), ("0.01", "1", None), ("100", "", None), ("100", "9e12", None)],
)  # fmt: skip
def test_a_number_beyond_all_prices_is_none(price: str, volume: str, rule: str | None) -> None:
    bars = answer_of(DAYS[:1]).bars.with_columns(
        Volume=pl.lit(volume), **{n: pl.lit(price) for n in ("Open", "High", "Low", "Close")}
    )
    found = screen_bars(
        [read_bars(PriceAnswer("IWM", "-", bars, actions_of()), sessions(), INDEX, NOW).rows],
        sessions(),
        {"IWM": "XNYS"},
    )
    assert found.refused["rule"].to_list() == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (0.5, "a split 2:1"),
        (2.0, "a split 1:2"),
        (2 / 3, "a split 3:2"),
        (100, "cents for dollars"),
        (0.01, "dollars for cents"),
        (0.997, "a dividend adjustment"),
        (0.8497, "a dividend adjustment"),
        (1.3, ""),
        (1.0, ""),
    ],
)
def test_factors_have_names(factor: float, name: str) -> None:
    assert name_factor(factor) == name


def revised(*factors: float) -> pl.DataFrame:
    rows = [(DAYS[n], 50.0 + n, (50.0 + n) * factor) for n, factor in enumerate(factors)]
    return pl.DataFrame(rows, schema=["session_date", "close_before", "close"], orient="row")


@pytest.mark.parametrize(
    ("factors", "pattern"),
    [
        ([0.997] * 20, "all by the factor 0.997: a dividend adjustment"),
        ([0.5] * 20, "all by the factor 0.5: a split 2:1"),
        ([1.31] * 20, "all by the factor 1.31"),
        ([0.97] * 8 + [0.98] * 8 + [0.99] * 8, "by factors that rise from 0.97 to 0.99: dividend-adjusted prices"),
        ([0.97, 1.02] * 10, ""),
        ([0.997] * 2, ""),
        ([0.997] * 10 + [1.0] * 10, ""),  # half of the rows changed in something else
    ],
)
def test_a_pattern_of_revised_closes_is_named(factors: list[float], pattern: str) -> None:
    assert name_pattern(revised(*factors)) == pattern


@pytest.mark.parametrize(("count", "status"), [(100, "held"), (4, "ok")])
def test_what_the_run_says_names_the_pattern(tmp_path: Path, count: int, status: str) -> None:
    story = Story.begin(tmp_path)
    closes = {day: 2000.0 + n for n, day in enumerate(days_of(date(2024, 1, 2), 100))}
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-05-27T22:00")
    adjusted = {day: close * 0.997 for day, close in list(closes.items())[:count]}
    story.desk.quote(bars_of(closes | adjusted))
    (row,) = story.fetch_prices("2024-05-28T22:00")[0].log.iter_rows(named=True)
    assert row["status"] == status
    assert "all by the factor 0.997: a dividend adjustment" in row["message"]
