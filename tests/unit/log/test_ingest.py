"""Stories of fetches: what the raw log gets, what its account says, what staging knew before and after."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.log.ingest import ingest_prices
from r2k_pipeline.markets import read_catalogue
from r2k_pipeline.sources.files import FilePrices, FileReports
from r2k_pipeline.sources.protocol import PriceAnswer
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.tables.reference import Sessions
from tests.raw_story import RUT, Clock, Desk, Story, actions_of, at, bars_of, days_of, zip_of

BAR = "Date,Open,High,Low,Close,Volume\n2024-01-02,1,1,1,1,1\n"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story.begin(tmp_path)


@pytest.fixture(scope="module")
def days() -> list[date]:
    """The sessions from 2024-01-02 on."""
    return days_of(date(2024, 1, 2), 100)


def _closes(days: list[date], count: int = 60) -> dict[date, float]:
    return {day: 2000.0 + 4 * n for n, day in enumerate(days[:count])}


def test_a_bar_corrected_a_day_later_is_known_from_then(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-01T22:00")
    day = days[58]
    story.desk.quote(bars_of(closes | {day: 1950.0}))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert bars.log.select("status", "rows_read", "rows_written", "rows_identical").row(0) == ("ok", 60, 1, 59)
    assert story.raw("price_bars").height == 61
    before = story.known("daily_prices", "2024-04-02T21:59").filter(pl.col("session_date") == day)
    after = story.known("daily_prices", "2024-04-02T22:00").filter(pl.col("session_date") == day)
    assert before.select("close", "revision").row(0) == (closes[day], 0)
    assert after.select("close", "revision", "known_at").row(0) == (1950.0, 1, at("2024-04-02T22:00"))


def test_a_refetch_and_a_rebased_adjusted_series_add_no_rows(story: Story, days: list[date]) -> None:
    story.desk.quote(bars_of(_closes(days)))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of(_closes(days), adjusted=0.97))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert bars.log.select("rows_written", "rows_identical", "rows_held").row(0) == (0, 60, 0)
    assert story.raw("price_bars").height == 60


def test_a_live_bar_that_becomes_final_is_no_revision(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    last = days[59]
    live = f"{last}T18:00"
    story.desk.quote(bars_of(closes | {last: 2111.0}))
    story.fetch_prices(live)
    assert story.known("daily_prices", f"{last}T23:59")["session_date"].max() == days[58], "no live bar in staging"
    story.desk.quote(bars_of(closes))
    story.fetch_prices(f"{days[60]}T06:00")
    bar = story.known("daily_prices", f"{days[60]}T06:00").filter(pl.col("session_date") == last)
    assert bar.select("close", "revision").row(0) == (closes[last], 0)
    assert story.raw("price_bars").filter(pl.col("session_date") == last)["is_final"].to_list() == [False, True]


def test_a_clock_that_runs_backwards_adds_no_past(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of(closes | {days[30]: 1900.0}))
    story.fetch_prices("2024-03-01T22:00")
    stamps = story.raw("price_bars")["recorded_at"].unique().sort().to_list()
    assert stamps[0] == at("2024-04-01T22:00")
    assert stamps[1] > stamps[0]
    known = story.known("daily_prices", "2024-04-01T22:00").filter(pl.col("session_date") == days[30])
    assert known["close"].item() == closes[days[30]]


def test_a_session_that_is_dropped_stays_and_is_named(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of({day: close for day, close in closes.items() if day != days[30]}))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert str(days[30]) in bars.log["message"].item()
    assert bars.log.select("status", "rows_withdrawn").row(0) == ("ok", 0)
    assert story.raw("price_bars").height == 60
    assert story.known("daily_prices", "2024-04-03").height == 60


def test_a_refused_bar_is_not_missing(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of(closes | {days[30]: -5.0}))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert bars.log.select("rows_quarantined", "message").row(0) == (1, None)


def test_a_symbol_that_fails_leaves_its_rows(story: Story, days: list[date]) -> None:
    story.desk.quote(bars_of(_closes(days)))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.prices.clear()
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert bars.failures["item"].to_list() == ["^RUT"]
    assert story.known("daily_prices", "2024-04-03").height == 60


@pytest.mark.parametrize("has_actions", [True, False])
def test_a_split_that_vanishes_is_withdrawn_where_the_vendor_tells_actions(
    story: Story, days: list[date], has_actions: bool
) -> None:
    bars = bars_of(_closes(days))
    story.desk.quote(bars, actions_of((str(days[20]), "0", "2.0"), (str(days[40]), "1.5", "0")))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars, actions_of((str(days[40]), "1.5", "0")))
    if not has_actions:  # a file without those columns says nothing of them
        story.desk.prices["^RUT"] = PriceAnswer("^RUT", story.desk.prices["^RUT"].origin, bars, None)
    _, actions = story.fetch_prices("2024-04-02T22:00")
    assert actions.log["rows_withdrawn"].item() == int(has_actions)
    latest = story.raw("price_actions").sort("recorded_at").unique("kind", keep="last").sort("kind")
    assert latest["is_withdrawn"].to_list() == [False, has_actions]
    assert latest.filter(kind="split")["amount"].item() == 2.0, "a tombstone repeats the last value"


def test_an_action_outside_the_answer_is_not_missing(story: Story, days: list[date]) -> None:
    story.desk.quote(bars_of(_closes(days)), actions_of((str(days[5]), "1.5", "0")))
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of({day: close for day, close in _closes(days).items() if day > days[10]}))
    _, actions = story.fetch_prices("2024-04-02T22:00")
    assert actions.log["rows_withdrawn"].item() == 0


@settings(max_examples=5, deadline=None)
@given(st.lists(st.dictionaries(st.integers(1, 11), st.integers(1, 3), max_size=8), min_size=2, max_size=4))
def test_the_log_rebuilds_what_the_vendor_said_at_every_moment(answers: list[dict[int, int]]) -> None:
    """Whatever comes, changes and goes: the last vintages by the moment of a fetch, less tombstones, are its answer."""
    days = days_of(date(2024, 1, 2), 13)
    with TemporaryDirectory() as folder:
        story = Story.begin(Path(folder))
        for n, answer in enumerate(answers, 1):
            actions = actions_of(*((str(days[day]), str(amount), "0") for day, amount in answer.items()))
            story.desk.quote(bars_of(_closes(days)), actions)
            story.fetch_prices(f"2024-05-{n:02}T22:00")
        log = story.raw("price_actions")
    for n, answer in enumerate(answers, 1):
        known = log.filter(pl.col("recorded_at") <= at(f"2024-05-{n:02}T22:00")).sort("recorded_at")
        standing = known.unique("action_date", keep="last").filter(~pl.col("is_withdrawn"))
        assert dict(standing.select("action_date", "amount").rows()) == {days[day]: x for day, x in answer.items()}


def test_two_vintages_of_the_2024_file(story: Story, real: Path) -> None:
    """Mid-June's file and the whole year's: no row of the first half was changed, so none is written again."""
    name = "fut_fin_txt_2024.zip"
    story.desk.documents[name] = (real / "cot_vintages" / "fut_fin_txt_2024_as_of_2024-06-14.zip").read_bytes()
    first = story.fetch_reports("2024-06-14T20:00")
    assert first.log.select("rows_read", "rows_written").row(0) == (1408, 1408)
    story.desk.documents[name] = (real / "cot" / name).read_bytes()
    second = story.fetch_reports("2025-01-10T20:00")
    assert second.log.select("rows_read", "rows_written", "rows_identical").row(0) == (3163, 1755, 1408)
    assert story.raw("cot_reports").height == 3163
    june, new_year = story.known("cot_positions", "2024-06-14T20:00"), story.known("cot_positions", "2025-01-10T21:00")
    assert june["report_date"].max() == date(2024, 6, 11)
    assert new_year["report_date"].max() == date(2024, 12, 31)
    assert june.equals(new_year.filter(pl.col("report_date") <= date(2024, 6, 11)))


def test_a_file_that_is_no_report_is_a_failure(story: Story) -> None:
    story.desk.documents["fut_fin_txt_2024.zip"] = zip_of(["<html>"])
    assert "HTML" in story.fetch_reports("2024-06-15T20:00").failures["message"][0]
    assert story.raw("cot_reports").is_empty()


def test_an_index_that_another_market_has_for_context_is_required(story: Story, days: list[date]) -> None:
    own = RUT.model_copy(update={"market": "OWN", "index": "OWN", "context": ("^RUT",)})
    story.desk.quote(bars_of(_closes(days)), symbol="OWN")
    bars, _ = replace(story, markets=(RUT, own)).fetch_prices("2024-04-01T22:00")
    assert bars.failures["item"].to_list() == ["^RUT"]


def test_only_an_optional_symbol_that_was_never_there_is_absent(tmp_path: Path) -> None:
    vendor, markets = tmp_path / "vendor", (RUT.model_copy(update={"future": "RTY=F"}),)
    (vendor / "prices").mkdir(parents=True)
    story = replace(Story.begin(tmp_path), markets=markets, desk=(FilePrices(vendor), FileReports(vendor)))
    (vendor / "prices" / "^RUT.csv").write_text(BAR)
    future = vendor / "prices" / "RTY=F.csv"

    def status(moment: str) -> str:
        bars, _ = story.fetch_prices(moment)
        return bars.log.filter(item="RTY=F")["status"].item()

    assert status("2024-04-01T22:00") == "absent"
    future.write_text("<html>Service unavailable</html>")
    assert status("2024-04-02T22:00") == "failed"
    future.write_text(BAR)
    assert status("2024-04-03T22:00") == "ok"
    future.unlink()
    assert status("2024-04-04T22:00") == "failed"


def test_a_market_that_is_not_required_goes_on_without_prices(tmp_path: Path) -> None:
    """It has positions alone, and one line says so; prices that come later are no correction of anything."""
    vendor, gold = tmp_path / "vendor", read_catalogue().markets["GC"]
    (vendor / "prices").mkdir(parents=True)
    (vendor / "prices" / "^RUT.csv").write_text(BAR)
    story = replace(Story.begin(tmp_path), markets=(RUT, gold), desk=(FilePrices(vendor), FileReports(vendor)))
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert bars.failures.is_empty()
    said = "only positions, no prices, of GC (GLD): the source has none of these symbols"
    assert bars.notes == (said,)
    sample = replace(story, settings=story.settings.model_copy(update={"source": "sample"}))
    assert sample.fetch_prices("2024-04-01T22:00")[0].notes == (
        "the sample has neither prices nor positions of GC; next: r2k run --source live",
    )
    (vendor / "prices" / "GLD.csv").write_text(BAR)
    story = replace(story, desk=(FilePrices(vendor), FileReports(vendor)))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert bars.notes == ()
    assert story.raw("price_bars")["symbol"].to_list() == ["^RUT", "GLD"]


@dataclass
class SlowDesk(Desk):
    """Takes a quarter of an hour to answer."""

    clock: Clock | None = None

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        assert self.clock is not None
        self.clock.moment += timedelta(minutes=15)
        return super().fetch_prices(symbol)


def test_a_bar_asked_for_before_the_close_settled_is_live_however_long_the_answer_takes(
    story: Story, days: list[date]
) -> None:
    last = days[59]  # closes at 20:00 UTC
    slow = replace(story, desk=SlowDesk(clock=story.clock))
    slow.desk.quote(bars_of(_closes(days)))
    slow.fetch_prices(f"{last}T20:10")
    bar = story.raw("price_bars").filter(session_date=last)
    assert bar.select("recorded_at", "is_final").row(0) == (at(f"{last}T20:25"), False)


def test_a_clock_that_was_once_ahead_makes_no_live_bar_final(story: Story, days: list[date]) -> None:
    closes = _closes(days)
    story.desk.quote(bars_of({day: closes[day] for day in days[:59]}))
    story.fetch_prices("2027-01-01T12:00")
    story.desk.quote(bars_of(closes))
    story.fetch_prices(f"{days[59]}T16:00")
    assert not story.raw("price_bars").filter(session_date=days[59])["is_final"].item()


def test_a_bar_on_a_day_that_only_another_exchange_was_open_is_refused(story: Story) -> None:
    """Thanksgiving 2024: New York was closed, London open."""
    london = RUT.model_copy(update={"market": "FTSE", "index": "^FTSE", "calendar": "XLON"})
    both = replace(story, markets=(RUT, london))
    both.lake.write(Sessions, build_sessions(["XLON", "XNYS"], date(2025, 12, 31)))
    for symbol in ("^RUT", "^FTSE"):
        both.desk.quote(bars_of({date(2024, 11, 27): 2400.0, date(2024, 11, 28): 2400.0}), symbol=symbol)
    both.clock.moment = at("2024-12-02T12:00")
    ingest_prices(both, both.lake.read(Sessions))
    assert both.raw("refused_rows").select("row_key", "rule").rows() == [("^RUT 2024-11-28", "not_a_trading_day")]
    assert both.raw("price_bars").height == 3
