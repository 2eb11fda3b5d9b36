"""What failed for a day leaves the last good data in place, all of it, and nobody has to accept anything afterwards."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.log.acceptance import accept_held
from r2k_pipeline.settings import Settings
from tests.lived.events import NoAnswer
from tests.lived.generation_rows import copy_of_raw, differences, published_tables
from tests.lived.life import Clock, Life, markets_of, new_york
from tests.lived.refresh import build, fetch
from tests.lived.vendor import Desk, Truth, Vendor
from tests.raw_story import Story, actions_of, bars_of, days_of

WEEK = ("2024-05-24", "2024-05-31", "2024-06-03")
"""The report of Tuesday the 28th is released on Friday the 31st."""


def test_symbols_that_failed_for_a_day_are_published_with_the_next_one(tmp_path: Path) -> None:
    """A whole market, of which a report comes before the price of its day, and the proxy of another one."""
    markets, clock = markets_of("RUT", "NDX"), Clock(new_york(WEEK[0]))
    silent = NoAnswer(new_york(WEEK[1]), new_york(WEEK[2]), start=("^NDX", "QQQ", "IWM"))
    desk = Desk(Vendor(Truth.of_sample(markets, date(2024, 1, 2), date(2024, 6, 3)), (silent,)), clock)
    life = Life(Settings(source="live", lake=tmp_path / "life"), markets, clock, desk=(desk, desk))
    failed = []
    for day in WEEK:
        clock.moment = new_york(day)
        failed.append(len(fetch(life.run())))
        assert build(life.run()) == []
    assert failed == [0, 6, 0], "bars and actions of each"
    rebuilt = copy_of_raw(life.lake, tmp_path / "rebuilt")
    assert build(life.run(rebuilt)) == []
    assert not differences(published_tables(life.lake), published_tables(rebuilt))


def test_a_report_that_failed_on_the_day_of_its_release_is_in_the_row_of_the_next_session(tmp_path: Path) -> None:
    markets, clock = markets_of("RUT"), Clock(new_york("2024-05-30"))
    silent = NoAnswer(new_york("2024-05-31"), new_york("2024-06-01"), start="fut_fin")
    desk = Desk(Vendor(Truth.of_sample(markets, date(2024, 1, 2), date(2024, 6, 5)), (silent,)), clock)
    life = Life(Settings(source="live", lake=tmp_path / "life"), markets, clock, desk=(desk, desk))
    for day in ("2024-05-30", "2024-05-31", "2024-06-01", "2024-06-03"):
        clock.moment = new_york(day)
        assert bool(fetch(life.run())) == (day == "2024-05-31")
        assert build(life.run()) == []
    tables = published_tables(life.lake)
    mart = tables["marts.positioning_vs_technicals"].sort("session_date").tail(2)
    assert mart.select("session_date", "report_date").rows() == [
        (date(2024, 5, 31), date(2024, 5, 21)),
        (date(2024, 6, 3), date(2024, 5, 28)),
    ]
    (release,) = tables["staging.cot_releases"].filter(report_date=date(2024, 5, 28)).to_dicts()
    assert release["released_at"] == new_york("2024-05-31", "15:30"), "a failure shows nothing of the release itself"
    history = tables["staging.cot_position_vintages"].filter(pl.col("report_date") < date(2024, 5, 28))
    assert (history["known_at"] == history["released_at"]).all()


@pytest.mark.parametrize(("lost", "status"), [(8, "ok"), (30, "failed")])
def test_an_answer_that_ends_long_before_the_log_does_has_failed_and_makes_no_session_late(
    tmp_path: Path, lost: int, status: str
) -> None:
    story = Story.begin(tmp_path)
    sessions = days_of(date(2024, 1, 2), 61)
    closes = {day: 2000.0 + 4 * n for n, day in enumerate(sessions)}
    answers = (60, "2024-03-27T22:00"), (60 - lost, "2024-03-28T22:00"), (61, "2024-04-01T22:00")
    logs = []
    for count, moment in answers:
        story.desk.quote(bars_of(dict(list(closes.items())[:count])))
        logs.append(story.fetch_prices(moment)[0].log.row(0, named=True))
    assert [log["status"] for log in logs] == ["ok", status, "ok"]
    assert (logs[1]["shows_until"] is None) == (status == "failed")
    if status == "failed":
        said = f"the answer ends on {sessions[29]}, and bars to {sessions[59]} are recorded: it is cut off; next: run"
        assert said in logs[1]["message"]


@pytest.mark.parametrize(("broken", "status"), [(lambda _: -5.0, "failed"), (lambda close: close + 7, "held")])
def test_of_a_symbol_whose_bars_are_not_taken_no_action_is_taken_either(
    tmp_path: Path, broken: Callable[[float], float], status: str
) -> None:
    story = Story.begin(tmp_path)
    sessions = days_of(date(2024, 1, 2), 60)
    closes = {day: 2000.0 + 4 * n for n, day in enumerate(sessions)}
    story.desk.quote(bars_of(closes), actions_of((str(sessions[10]), "1.5", "0")))
    story.fetch_prices("2024-04-01T22:00")
    told = story.raw("price_actions")
    wrong = {day: broken(close) if n > 5 else close for n, (day, close) in enumerate(closes.items())}
    story.desk.quote(bars_of(wrong), actions_of((str(sessions[40]), "9.5", "0")))
    bars, actions = story.fetch_prices("2024-04-02T22:00")
    assert bars.log["status"].to_list() == actions.log["status"].to_list() == [status]
    assert story.raw("price_actions").equals(told), "neither a new one nor the withdrawal of the old one"
    assert actions.log["shows_until"].to_list() == ([None] if status == "failed" else bars.log["shows_until"].to_list())
    if status == "held":
        accept_held(story, "^RUT")
        assert story.raw("price_actions").height == told.height + 2
        return
    story.desk.quote(bars_of(closes), actions_of((str(sessions[10]), "1.5", "0"), (str(sessions[40]), "9.5", "0")))
    _, actions = story.fetch_prices("2024-04-03T22:00")
    assert actions.log.select("status", "rows_written", "rows_withdrawn").row(0) == ("ok", 1, 0)
