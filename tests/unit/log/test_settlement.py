"""A day's values before and after they settled: what is a first value, what a revision, and what the log says of it."""

import re
from datetime import date, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.log.ingest import Intake, read_symbol
from r2k_pipeline.markets import read_catalogue
from r2k_pipeline.orchestration.jobs import refresh_after_close
from r2k_pipeline.sources.protocol import PriceAnswer
from r2k_pipeline.sources.settlement import LATE_QUOTES, SETTLEMENTS, settlement_of
from tests.raw_story import Story, at, bars_of, days_of, sessions

DAYS = days_of(date(2024, 3, 11), 30)
"""New York closes at 20:00 UTC."""
LAST = DAYS[20]
EVENING, MORNING = f"{LAST}T20:35", f"{LAST + timedelta(days=1)}T11:30"
HALF_DAY = date(2024, 11, 29)
CLOSES = {day: 2960.0 + 4 * n for n, day in enumerate(DAYS[:21])}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story.begin(tmp_path)


def _fetch(story: Story, moment: str, *, volume: int, close: float = CLOSES[LAST]) -> Intake:
    """What a fetch learns where the newest bar has this volume and close."""
    is_last = pl.col("Date") == str(LAST)
    bars = bars_of(CLOSES | {LAST: close})
    volumes = pl.when(is_last).then(pl.lit(str(volume))).otherwise("Volume")
    story.desk.quote(bars.with_columns(Volume=volumes))
    return story.fetch_prices(moment)[0]


def _last(story: Story) -> list[tuple[object, ...]]:
    rows = story.raw("price_bars").filter(session_date=LAST).sort("recorded_at")
    return rows.select("volume", "is_final", "is_settled").rows()


def _replace_log(story: Story, bars: pl.DataFrame) -> None:
    for file in story.lake.files("raw.price_bars"):
        file.unlink()
    story.lake.append(PriceBars, bars, bars["recorded_at"][0])


def _said(intake: Intake) -> tuple[object, ...]:
    return intake.log.select("status", "rows_written", "message").row(0)


def test_a_volume_that_settles_is_a_first_value(story: Story) -> None:
    assert _said(_fetch(story, EVENING, volume=0)) == ("ok", 21, None)
    assert story.raw("price_bars").filter(pl.col("session_date") < LAST)["is_settled"].all()
    assert _said(_fetch(story, MORNING, volume=5_000_000)) == ("ok", 1, None)
    assert _last(story) == [(0.0, True, False), (5_000_000.0, True, True)]
    assert _said(_fetch(story, f"{DAYS[21]}T19:00", volume=5_000_000)) == ("ok", 0, None)


def test_volumes_that_settle_are_never_too_many_revisions(tmp_path: Path) -> None:
    story = Story.begin(tmp_path, revision_share=0.0)
    closes = dict.fromkeys(days_of(date(2024, 1, 2), 60), 2000.0)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-01T22:00")
    _replace_log(story, story.raw("price_bars").with_columns(is_settled=pl.lit(False)))
    story.desk.quote(bars_of(closes).with_columns(Volume=pl.lit("7")))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert _said(bars) == ("ok", 60, None)


def test_a_volume_that_was_right_at_once_is_written_once_more_as_settled(story: Story) -> None:
    _fetch(story, EVENING, volume=7)
    assert _said(_fetch(story, f"{LAST}T23:00", volume=7)) == ("ok", 0, None)
    assert _said(_fetch(story, MORNING, volume=7)) == ("ok", 1, None)
    assert _last(story) == [(7.0, True, False), (7.0, True, True)]
    assert _said(_fetch(story, f"{DAYS[21]}T19:00", volume=7)) == ("ok", 0, None)


def test_a_settled_volume_that_changes_is_a_revision(story: Story) -> None:
    _fetch(story, MORNING, volume=7)
    story = Story(**{**vars(story), "settings": story.settings.model_copy(update={"revision_share": 0.0})})
    bars = _fetch(story, f"{DAYS[21]}T19:00", volume=8)
    assert _said(bars) == ("ok", 1, None)
    assert story.known("daily_prices", f"{DAYS[21]}T19:00").filter(session_date=LAST)["revision"].item() == 1


def test_a_close_that_was_none_is_a_revision_and_named(story: Story) -> None:
    _fetch(story, EVENING, volume=0, close=2997.7)
    bars = _fetch(story, MORNING, volume=5, close=3036.98)
    assert _said(bars) == ("ok", 1, f"^RUT {LAST} close 2997.70 -> 3036.98: the earlier answer was not the close")
    assert story.known("daily_prices", MORNING).filter(session_date=LAST)["close"].item() == 3036.98


def test_an_answer_that_knows_less_takes_nothing_back(story: Story) -> None:
    """A file that was saved earlier is put back: its newest bar had not settled, or the session had not ended."""
    _fetch(story, MORNING, volume=5)
    for earlier in (f"{LAST}T20:35", f"{LAST}T18:00"):
        assert _said(_fetch(story, earlier, volume=0))[:2] == ("ok", 0)
    assert _last(story) == [(5.0, True, True)]


def test_a_log_from_before_this_was_kept_is_not_written_again(story: Story) -> None:
    _fetch(story, MORNING, volume=5)
    _replace_log(story, story.raw("price_bars").drop("is_settled"))
    assert story.raw("price_bars")["is_settled"].null_count() == 21
    assert _said(_fetch(story, f"{DAYS[21]}T19:00", volume=5)) == ("ok", 0, None)
    assert story.known("daily_prices", f"{DAYS[21]}T19:00").height == 21


def test_a_symbol_of_several_roles_settles_with_the_latest() -> None:
    assert settlement_of(["index", "future"]) == SETTLEMENTS["future"]
    assert settlement_of(["index"]).price < settlement_of(["future"]).price


@pytest.mark.parametrize(
    ("market", "symbol", "until"),
    [
        ("RUT", "^RUT", "18:00"),
        ("RUT", "^VIX", "19:00"),  # a context symbol may be anything
        ("VX", "^VIX", "18:15"),
        ("ZN", "^TNX", "19:00"),
        ("GC", "GLD", "18:00"),
    ],
)
def test_a_half_days_bar_is_live_until_its_index_is_no_longer_computed(market: str, symbol: str, until: str) -> None:
    """Shares close at 13:00 New York, VIX a quarter of an hour later, Treasury yields an hour."""
    quotes_come = LATE_QUOTES.seconds // 60
    stamp = at(f"{HALF_DAY}T{until}") + timedelta(minutes=quotes_come)
    of_it = read_catalogue().markets[market]
    for moment, is_final in ((stamp - timedelta(minutes=1), False), (stamp, True)):
        answer = PriceAnswer(symbol, "desk", bars_of({HALF_DAY: 4.0}), None, asked_at=moment)
        assert read_symbol([of_it], sessions(), moment, answer).rows["is_final"].to_list() == [is_final]


def test_the_schedule_is_after_prices_and_again_after_volumes_settled() -> None:
    """New York closes at 16:00; the run of the morning is before the next open at 9:30."""
    hours = [re.match(r"(\d+) (\d+) \* \* 1-5$", line) for line in refresh_after_close.cron_schedule]
    morning, evening = sorted(time(int(found[2]), int(found[1])) for found in hours if found)
    since_close = timedelta(hours=evening.hour - 16, minutes=evening.minute)
    assert settlement_of(["index", "proxy", "volatility", "context", "yield"]).price <= since_close
    since_close = timedelta(hours=8 + morning.hour, minutes=morning.minute)
    assert max(settlement_of([role]).volume for role in SETTLEMENTS) <= since_close
    assert morning < time(9, 30)
