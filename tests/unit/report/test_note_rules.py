"""The rules of the note on facts written by hand: what is said, what is not, what is dropped, how often it is true."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from r2k_pipeline.errors import R2kError
from r2k_pipeline.report.note.compose import Note, build_note
from r2k_pipeline.report.note.facts import Facts, read_facts, true_rules
from r2k_pipeline.report.note.rules import read_rules, rules_of
from r2k_pipeline.report.note.since import changes
from r2k_pipeline.report.note.words import fill, numbers_in, write
from r2k_pipeline.snapshot import of_this_version, open_snapshot
from tests.documents import PROJECT
from tests.unit.published import mart_row, publish

NoteOf = Callable[..., Note]
PAGE: Final = (PROJECT / "docs" / "note.md").read_text("utf-8")
WEEK: Final = {
    "report_date": date(2025, 3, 11),
    "released_at": datetime(2025, 3, 14, 19, 30, tzinfo=UTC),
    "report_age_days": 3,
    "trend": "down",
    "return_1d": 0.0253,
    "flow_rank_percentile": 66.0,
    "level_rank_percentile": 50.0,
}
MANAGERS: Final = {
    "institution_trader_group": "asset_manager",
    "institution_net_contracts": 48_030.0,
    "institution_before_net_contracts": 72_008.0,
    "institution_net_share_oi": 0.101,
    "institution_before_net_share_oi": 0.162,
    "institution_net_change_ratio": -0.333,
    "institution_flow_share_oi": -0.0506,
    "institution_flow_percentile": 6.0,
    "institution_net_percentile_156w": 64.8,
    "institution_net_weeks_156w": 145,
}
HIGHEST: Final = {"institution_net_percentile_156w": 100.0, "institution_net_weeks_156w": 150}
FUNDS: Final = {
    "speculator_trader_group": "leveraged_funds",
    "speculator_flow_share_oi": 0.0558,
    "speculator_flow_percentile": 98.6,
}


@pytest.fixture(scope="module")
def note_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoteOf]:
    """Makes the note of a market of which nothing is known but its close, and what a test says."""
    lake = publish(tmp_path_factory.mktemp("note"), [mart_row("RUT", "2025-03-14", close=2044.1)])
    with open_snapshot(lake) as snapshot:
        (bare,) = read_facts(snapshot, ["RUT"], read_rules())

        def note(**known: Any) -> Note:
            assert not known.keys() - bare.values.keys(), "no such fact"
            values = {**bare.values, **known}
            frame = pl.DataFrame({name: [value] for name, value in values.items()})
            (held,) = true_rules(snapshot.connection, frame, read_rules())
            return build_note(Facts(values, bare.sources, held), snapshot.generation)

        yield note


def test_a_market_of_which_nothing_is_known_has_a_note(note_of: NoteOf) -> None:
    text = note_of().text()
    assert "No report on positions is known at this close." in text
    assert text.index("No report") < text.index("**")
    assert "SAMPLE" in text.splitlines()[0]
    assert "SAMPLE" in text.splitlines()[-1]


def test_opposite_unusual_flows_lead(note_of: NoteOf) -> None:
    assert note_of(**WEEK, **MANAGERS, **FUNDS).headline.startswith(
        "Asset managers sell, leveraged funds take the other"
    )
    usual = note_of(**WEEK, **MANAGERS, **(FUNDS | {"speculator_flow_percentile": 85.0}))
    assert usual.headline.startswith("Nothing stands out in positions: a week like this")


def test_a_week_that_is_too_old_does_not_lead(note_of: NoteOf) -> None:
    old = note_of(**(WEEK | {"report_age_days": 30}), **MANAGERS, **FUNDS)
    assert old.headline.startswith("Positions cannot be ranked at this close.")
    assert "shrank" not in old.text()
    assert "The positions are 30 days old" in old.text()


def test_by_a_third_is_said_of_a_large_net_that_keeps_its_side(note_of: NoteOf) -> None:
    shrank = "Asset managers' net long shrank by a third in a week, to 48,030 contracts"
    assert shrank in note_of(**WEEK, **MANAGERS).text()
    assert shrank not in note_of(**WEEK, **(MANAGERS | {"institution_before_net_share_oi": 0.04})).text()
    assert shrank not in note_of(**WEEK, **(MANAGERS | {"institution_before_net_contracts": -72_008.0})).text()


def test_flows_of_a_roll_week_are_not_told(note_of: NoteOf) -> None:
    rolled = dict.fromkeys(("institution_flow_share_oi", "institution_flow_percentile", "flow_rank_percentile"))
    text = note_of(**(WEEK | MANAGERS | rolled | {"institution_is_roll_week": True})).text()
    assert "The report's week has the quarterly roll: flows are left out." in text
    assert "net long 48,030 contracts" in text
    assert "shrank" not in text


def test_trends_and_oversold_mean_nothing_of_an_index_of_volatility(note_of: NoteOf) -> None:
    known = {"rsi_14": 24.0, "before_rsi_14": 31.0, "drawdown_ratio": -0.5, **dict.fromkeys(("sma_50", "sma_100"), 1e5)}
    assert "oversold" in note_of(**WEEK, **known).text()
    assert "bounce" in note_of(**WEEK, **known).text()
    of_volatility = note_of(**WEEK, **known, is_volatility=True)
    assert not re.search("oversold|off the high|average|trend", of_volatility.text())


def test_an_rsi_is_not_rounded_to_the_limit_that_its_sentence_is_about(note_of: NoteOf) -> None:
    back = note_of(**WEEK, rsi_14=30.2, before_rsi_14=29.8, before_weekday="Thursday").text()
    assert "RSI 30.2: no longer oversold, after 29.8 on Thursday." in back
    assert "RSI 30.2: weak, not oversold." in note_of(**WEEK, rsi_14=30.2, before_rsi_14=33.0).text()


def test_setups_that_are_too_few_are_not_counted(note_of: NoteOf) -> None:
    """Those of the last sessions, and those close to others, are not among the independent events."""
    text = note_of(**WEEK, setup="long_liquidation", independent_events=0).text()
    assert "Too few such setups (long liquidation) came before for a statistic." in text


def test_the_first_close_has_none_before_that_could_be_missing(note_of: NoteOf) -> None:
    assert "Close 2,044.10; the session before is missing." in note_of(drawdown_ratio=0.0, trend="mixed").text()
    first = note_of(drawdown_ratio=0.0, trend="mixed", is_first=True).text()
    assert "Close 2,044.10, the first on file." in first
    assert "highest" not in first


def test_a_day_is_named_by_its_weekday_where_that_is_no_other_day(note_of: NoteOf) -> None:
    """Four sessions before a Friday is a Friday too, where a holiday lies between."""
    low = {"low_20d": 1984.92, "low_20d_sessions_ago": 4}
    said = "Monday's low, 1,984.92, is the lowest of twenty sessions."
    assert said in note_of(**WEEK, **low, low_20d_date=date(2025, 3, 10)).text()
    assert "lowest of twenty" not in note_of(**WEEK, **low, low_20d_date=date(2025, 3, 7)).text()
    assert "The year's high" not in note_of(**WEEK, high_252d=2466.49, high_252d_date=date(2025, 3, 7)).text()


@pytest.mark.parametrize(
    ("before", "day", "said"),
    [
        (0.0260, -0.0237, "Friday took back Thursday's rise."),
        (0.0682, -0.0424, "Friday took back most of Thursday's rise."),
        (-0.0250, 0.0140, "Friday took back most of Thursday's fall."),
        (-0.0250, 0.0400, "Friday took back Thursday's fall."),
        (-0.0250, 0.0120, None),
        (0.0100, -0.0100, None),
    ],
)
def test_a_day_takes_back_what_it_takes_back(note_of: NoteOf, before: float, day: float, said: str | None) -> None:
    """By points: a fall of 2.5 % and a rise of 2.5 % leave a gap."""
    known = {"before_return_1d": before, "taken_back_ratio": -day * (1 + before) / before, "before_weekday": "Thursday"}
    headline = note_of(**(WEEK | {"trend": "mixed", "return_1d": day}), **known).headline
    assert headline.endswith(said) if said else "took back" not in headline


@pytest.mark.parametrize(("side", "what"), [("low", "support that became"), ("high", "resistance that became")])
def test_a_broken_swing_is_not_called_the_low_of_its_month(note_of: NoteOf, side: str, what: str) -> None:
    """In about half of the cases the month had a lower low (a higher high)."""
    text = note_of(**WEEK, **{f"broken_{side}": 42_939.0, f"broken_{side}_date": date(2024, 11, 12)}).text()
    assert f"A swing {side} of November, 42,939, is broken: {what}" in text


def test_an_old_week_has_no_rank(note_of: NoteOf) -> None:
    ranked = {name: 100.0 if name.endswith("net_percentile_156w") else value for name, value in MANAGERS.items()}
    assert "the highest net in the known weeks of three years" in note_of(**WEEK, **ranked).text()
    whole = ranked | {"institution_net_weeks_156w": 156}
    assert "That is the highest net in three years." in note_of(**WEEK, **whole).text()
    old = note_of(**(WEEK | {"report_age_days": 30}), **ranked).text()
    assert not re.search("three years|percentile", old)


def test_a_net_short_is_not_called_held(note_of: NoteOf) -> None:
    """Asset managers were net short at their extremes of 2022; swap dealers nearly always are."""
    lowest = {"institution_net_percentile_156w": 0.6, "institution_net_weeks_156w": 156}
    highest = {"institution_net_percentile_156w": 100.0, "institution_net_weeks_156w": 156}
    for side, least, most, beside in (
        (1, "held so little", "held so much", "they hold 29 % of open interest"),
        (-1, "been so short", "been so little short", "they are net short 29 % of open interest"),
    ):
        known = WEEK | {"institution_trader_group": "swap_dealer", "institution_net_contracts": side * 13_198.0}
        assert f"Swap dealers have not {least} in three years." in note_of(**known, **lowest).headline
        assert f"Swap dealers have not {most} in three years." in note_of(**known, **highest).headline
        some = {"institution_net_weeks_156w": 150}
        known_weeks = f"Swap dealers have not {most} in the known weeks of three years."
        assert known_weeks in note_of(**known, **(highest | some)).headline
        share = {"neutral_but_large": "SI", "neutral_but_large_share_oi": side * 0.29}
        assert f"Swap dealers in SI are neutral by rank only: {beside}." in note_of(**known, **share).text()


def test_levels_of_a_low_index_have_decimals(note_of: NoteOf) -> None:
    known = {"close": 14.95, "support_low": 13.42, "support_high": 14.13, "is_volatility": True}
    text = note_of(**WEEK, **known, strength_60d_ratio=-0.1, strength_against="SPX").text()
    assert "Support 13.42 to 14.13." in text
    assert "behind" not in text


def test_the_sentence_that_is_kept_least_goes_first(note_of: NoteOf) -> None:
    prices = dict.fromkeys(("support_low", "support_high", "resistance_low", "resistance_high"), 2000.0)
    full = note_of(
        **(WEEK | MANAGERS | FUNDS),
        **prices | {"support_low": 1990.0, "resistance_high": 2100.0, "structural_support_price": 1914.0},
        **{"structural_resistance_price": 2114.0, "broken_low": 2050.0, "broken_low_date": date(2025, 2, 27)},
        **{"volume_symbol": "IWM", "poc_250": 2230.0, "poc_250_distance_ratio": 0.09},
    )
    (dropped,) = full.dropped
    assert dropped.rule == "heaviest_volume"
    assert full.numbers <= read_rules().limits.numbers


def test_a_sentence_does_not_go_on_with_one_that_is_not_said(note_of: NoteOf) -> None:
    alone = note_of(**WEEK, **HIGHEST)
    assert "That is" not in alone.text()


def test_what_changed_since(note_of: NoteOf) -> None:
    now, before = note_of(**WEEK, **MANAGERS), note_of(**WEEK)
    found = changes(before, now)
    assert found.facts[0].as_dict() == {"what": "Net of asset managers", "before": "not known", "now": "+48,030"}
    assert [sentence.rule for sentence in found.new] == ["net_shrank.institution"]
    assert not changes(now, now).facts + changes(now, now).new
    assert "Nothing that the note tells has changed." in changes(now, now).text()


def test_a_change_that_goes_on_with_an_old_sentence_says_of_whom(note_of: NoteOf) -> None:
    flow = {"institution_flow_share_oi": 0.02, "institution_dominant_flow": "new_longs"}
    longs = {"institution_long_contracts_change_1w": 9_262.0, "institution_short_contracts_change_1w": -41.0}
    stood = {
        "institution_trader_group": "swap_dealer",
        "institution_net_contracts": 5.0,
        "institution_net_share_oi": 0.1,
    }
    before, now = note_of(**WEEK, **stood), note_of(**WEEK, **stood, **flow, **longs, **HIGHEST)
    said = "Of swap dealers: that is the highest net in the known weeks of three years. The week was mostly new longs"
    assert said in changes(before, now).text()
    assert said in changes(now, before).text()


@pytest.mark.parametrize(
    ("value", "how", "text"),
    [
        (-0.3329, "fraction", "a third"),
        (64.83, "th", "65th"),
        (0.4, "th", "1st"),
        (12.0, "th", "12th"),
        (-0.0002, "+.1%", "0.0 %"),
        (-24_000.0, "|,.0f", "24,000"),
        (-13.3, "points", "13"),
        (-0.95, "fraction", "nine tenths or more"),
        (0.95, "fraction", "as much again"),
        (-0.0007, "share", "less than 1 %"),
        (-0.157, "share", "16 %"),
        (0.0234, "points", "0.023"),
        (35.14, "rsi", "35"),
        (30.26, "rsi", "30.3"),
        (69.96, "rsi", "69.96"),
        (30.0, "rsi", "30"),
        (9.97, "points", "10"),
        (1, "session/sessions", "session"),
        (0.02, "bought/sold", "bought"),
        ("50x200 down", "cross", "the 50-day went below the 200-day"),
        (
            "100x200 up, 50x100 down",
            "cross",
            "the 100-day went above the 200-day, the 50-day went below the 100-day",
        ),
    ],
)
def test_formats(value: Any, how: str, text: str) -> None:
    assert write(value, how) == text


def test_a_fact_that_the_published_macros_lack_is_one_of_another_version(tmp_path: Path) -> None:
    of_another = pytest.raises(R2kError, match="published by another version: no column here_alone of a macro note_")
    with of_another, of_this_version(tmp_path / "warehouse.duckdb"):
        fill("{here_alone}", Facts({}, {}, frozenset()))


def test_names_are_no_numbers() -> None:
    assert numbers_in("Russell 2000, the 50-day: RSI 35, +2.5 %, 2,044.10") == 3


def test_a_rule_in_no_section_is_refused() -> None:
    said = {"limits": {"words": 1, "numbers": 1}, "sections": {}, "terms": {}, "since": {}}
    with pytest.raises(ValueError, match="no section nowhere"):
        rules_of({**said, "rules": {"one": {"section": "nowhere", "keep": 1, "when": "true", "words": ""}}})


def documented() -> dict[str, float]:
    """The rules that the page lists and in what percent of notes they are true."""
    rows = re.findall(r"^\| `([\w.]+)` \| \w+ \| \d+ \| (\d+) % \|", PAGE, re.MULTILINE)
    return {name: float(share) for name, share in rows}


def test_every_rule_is_on_the_page_with_its_base_rate() -> None:
    assert list(documented()) == [rule.name for rule in read_rules().rules], (
        "run: python benchmarks/note_base_rates.py --lake LAKE, and put its table into docs/note.md"
    )


def test_nothing_that_is_true_in_half_of_all_weeks_leads() -> None:
    quiet = ("lead_nothing", "lead_no_level", "lead_no_week")
    leads = {name: share for name, share in documented().items() if name.startswith("lead_") and name not in quiet}
    assert leads
    assert sum(leads.values()) < 50
