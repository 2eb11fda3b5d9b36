"""Documented corrections: where they apply, when they are known, when they lapse, and mistakes in the file."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from r2k_pipeline.errors import MistakesError
from r2k_pipeline.log.acceptance import accept_held
from r2k_pipeline.log.ingest import Intake
from r2k_pipeline.sources.corrections import CORRECTIONS_FILE, read_corrections
from r2k_pipeline.sources.files import FilePrices, FileReports
from tests.raw_story import Story, at, bars_of, days_of

DAY = date(2024, 2, 1)
ENTRY = """
[[bar]]
symbol = "^RUT"
session_date = {day}
field = "{field}"
was = {was}
value = {value}
reason = "a bad tick"
evidence = "5-minute bars"
"""


@pytest.fixture
def closes() -> dict[date, float]:
    """Sixty sessions of 2024: the high of each is its close and one."""
    return dict.fromkeys(days_of(date(2024, 1, 2), 60), 2000.0)


@pytest.fixture
def story(tmp_path: Path, closes: dict[date, float]) -> Story:
    """The high of DAY, 2001, is corrected to 2000.5."""
    story = Story.begin(tmp_path, corrections=tmp_path / "corrections.toml")
    _write(story, ENTRY.format(day=DAY, field="high", was=2001, value=2000.5))
    story.desk.quote(bars_of(closes))
    return story


def _write(story: Story, text: str) -> None:
    assert story.settings.corrections is not None
    story.settings.corrections.write_text(text)


def _account(intake: Intake) -> tuple[object, ...]:
    rows = intake.log.filter(item="corrections")
    return rows.select("status", "rows_read", "rows_written", "rows_quarantined", "rows_identical").row(0)


def _bar(story: Story, moment: str, column: str = "high") -> tuple[object, ...]:
    """(value, revision) of DAY's bar as known at a moment."""
    return story.known("daily_prices", moment).filter(session_date=DAY).select(column, "revision").row(0)


def test_a_correction_is_a_vintage_known_from_when_it_was_applied(story: Story) -> None:
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert _account(bars) == ("ok", 1, 1, 0, 0)
    assert _bar(story, "2024-04-01T22:00") == (2001.0, 0)
    assert _bar(story, "2024-04-01T22:01") == (2000.5, 1)
    rows = story.raw("price_bars").filter(session_date=DAY).sort("recorded_at")
    assert rows["source"].to_list() == ["desk:prices/^RUT.csv", "corrections: a bad tick"]


def test_a_correction_is_not_undone_and_redone_at_each_fetch(story: Story) -> None:
    story.fetch_prices("2024-04-01T22:00")
    for day in (2, 3, 4):
        bars, _ = story.fetch_prices(f"2024-04-0{day}T22:00")
        assert bars.total("rows_written") == 0
        assert _account(bars) == ("ok", 1, 0, 0, 1)
    assert story.raw("price_bars").height == 61


def test_where_the_vendor_changes_the_bar_the_vendor_stands(story: Story, closes: dict[date, float]) -> None:
    story.fetch_prices("2024-04-01T22:00")
    story.desk.quote(bars_of(closes | {DAY: 1990.0}))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert _bar(story, "2024-04-02T22:00") == (1991.0, 2)
    assert bars.log.filter(item="corrections")["message"].item() == (
        "^RUT 2024-02-01 high: the vendor says 1991.0, not 2001.0"
    )
    story.desk.quote(bars_of(closes))
    story.fetch_prices("2024-04-03T22:00")
    assert _bar(story, "2024-04-03T23:00") == (2000.5, 4), "the vendor's old value again: corrected again"


def test_an_entry_that_is_not_listed_for_one_run_undoes_nothing(story: Story) -> None:
    story.fetch_prices("2024-04-01T22:00")
    unset = replace(story, settings=story.settings.model_copy(update={"corrections": None}))
    for day in (2, 3, 4, 5):
        bars, _ = (unset if day % 2 else story).fetch_prices(f"2024-04-0{day}T22:00")
        assert bars.total("rows_written") == 0
        assert bars.failures["item"].to_list() == (["corrections"] if day % 2 else [])
        assert bool(story.lake.held()) == bool(day % 2)
    assert "^RUT 2024-02-01: the log has a correction that no entry lists any more" in bars.failures["message"].item()
    assert "r2k accept corrections --source files" in bars.failures["message"].item()
    assert story.raw("price_bars").height == 61
    assert _bar(story, "2024-04-06") == (2000.5, 1)


def test_an_entry_that_is_taken_out_gives_the_bar_back_to_the_vendor_once_accepted(story: Story) -> None:
    story.fetch_prices("2024-04-01T22:00")
    _write(story, "")
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert _account(bars) == ("held", 2, 0, 0, 1)
    story.clock.moment = at("2024-04-02T23:00")
    assert "1 held rows of raw.price_bars accepted" in accept_held(story, "corrections")
    assert _bar(story, "2024-04-02T22:59") == (2000.5, 1)
    assert _bar(story, "2024-04-02T23:00") == (2001.0, 2)
    again = story.fetch_prices("2024-04-03T22:00")[0]
    assert (again.total("rows_written"), again.failures.height) == (0, 0)


def test_a_correction_that_is_not_listed_stays_while_the_vendors_volume_changes(
    story: Story, closes: dict[date, float]
) -> None:
    story.fetch_prices("2024-04-01T22:00")
    _write(story, "")
    is_day = pl.col("Date") == str(DAY)
    volume = pl.when(is_day).then(pl.lit("2000000")).otherwise("Volume")
    story.desk.quote(bars_of(closes).with_columns(Volume=volume))
    bars, _ = story.fetch_prices("2024-04-02T22:00")
    assert _account(bars) == ("held", 2, 1, 0, 0)
    assert (_bar(story, "2024-04-03"), _bar(story, "2024-04-03", "volume")[0]) == ((2000.5, 3), 2_000_000.0)


def test_two_values_of_one_bar_are_one_row(story: Story) -> None:
    low = ENTRY.format(day=DAY, field="low", was=1999.0000001, value=1998.0)
    _write(story, ENTRY.format(day=DAY, field="high", was=2001, value=2000.5) + low)
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert _account(bars) == ("ok", 1, 1, 0, 0)
    assert (_bar(story, "2024-04-02")[0], _bar(story, "2024-04-02", "low")[0]) == (2000.5, 1998.0)


def test_a_correction_that_makes_no_bar_is_refused_and_fails_the_fetch(story: Story) -> None:
    _write(story, ENTRY.format(day=DAY, field="high", was=2001, value=1500))
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert _account(bars) == ("failed", 1, 0, 1, 0)
    assert "high_not_below_low" in bars.failures["message"].item()
    assert _bar(story, "2024-04-02") == (2001.0, 0)
    assert story.raw("refused_rows")["source"].to_list() == ["corrections: a bad tick"]


@pytest.mark.parametrize(("symbol", "day"), [("^RUT", date(2024, 2, 3)), ("^RTU", DAY)])
def test_an_entry_for_a_bar_that_is_not_there_failed(story: Story, symbol: str, day: date) -> None:
    _write(story, ENTRY.format(day=day, field="high", was=2001, value=2000.5).replace("^RUT", symbol))
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert bars.failures.select("item", "status", "message").rows() == [
        ("corrections", "failed", f"corrections: {symbol} {day} high: no such bar; next: fix corrections.toml")
    ]


def test_an_entry_for_a_symbol_that_failed_to_load_is_no_mistake(story: Story) -> None:
    story.desk.prices.clear()
    bars, _ = story.fetch_prices("2024-04-01T22:00")
    assert bars.failures["item"].to_list() == ["^RUT"]
    assert bars.log.filter(item="corrections")["message"].item() == "^RUT 2024-02-01 high: no such bar"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY.format(day=DAY, field="hihg", was=1, value=2), r"\[\[bar\]\] 1 field = 'hihg'.*allowed: symbol"),
        (ENTRY.format(day=DAY, field="high", was='"2001"', value=2), r"was = '2001': should be a valid number"),
        (ENTRY.format(day='"2024"', field="high", was=1, value=2), r"session_date = '2024'"),
        (ENTRY.format(day=DAY, field="high", was=1, value=2) + "color = 1", "color: no such key"),
        ("[[bars]]\n", r"only entries \[\[bar\]\] are allowed, found bars"),
        ("bar = 1", r"found 1"),
        ("[[bar", r"not TOML"),
        ("[[bar]]\n", "symbol: is missing"),
    ],
)
def test_mistakes_are_named_with_file_entry_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(MistakesError, match=rf"(?s)mine\.toml.*{said}"):
        read_corrections(own)


def test_the_shipped_file_has_no_entries_but_an_example_that_is_sound(tmp_path: Path) -> None:
    assert read_corrections() == ()
    own = tmp_path / "example.toml"
    example = CORRECTIONS_FILE.read_text("utf-8").partition("# [[bar]]")[2]
    own.write_text("[[bar]]" + example.replace("\n# ", "\n"))
    (entry,) = read_corrections(own)
    assert str(entry) == "^RUT 2025-09-08 close"
    with pytest.raises(MistakesError, match="set R2K_CORRECTIONS"):
        read_corrections(tmp_path / "none.toml")


def test_the_bad_bar_of_2024_07_19(story: Story, real: Path) -> None:
    """Open and high are copies of the day before; the maximum of the 5-minute bars is 2198.3, near the open."""
    story = replace(story, desk=(FilePrices(real), FileReports(real)))
    high = ENTRY.format(day="2024-07-19", field="high", was=2261.16, value=2198.3)
    _write(story, high)
    bars, _ = story.fetch_prices("2026-01-05T12:00")
    assert "open_within_range" in bars.failures["message"].item(), "a high below the open is no bar"
    _write(story, high + ENTRY.format(day="2024-07-19", field="open", was=2233.97, value=2198.3))
    bars, _ = story.fetch_prices("2026-01-06T12:00")
    assert _account(bars) == ("ok", 1, 1, 0, 0)
    rows = story.raw("price_bars").filter(session_date=date(2024, 7, 19)).sort("recorded_at")
    assert rows.select(pl.col("open", "high").round(2)).rows() == [(2233.97, 2261.16), (2198.3, 2198.3)]
    assert rows["recorded_at"].max() > at("2026-01-06T12:00")


def test_a_folder_is_no_corrections_file(tmp_path: Path) -> None:
    with pytest.raises(MistakesError, match="unreadable: Is a directory; set R2K_CORRECTIONS"):
        read_corrections(tmp_path)
