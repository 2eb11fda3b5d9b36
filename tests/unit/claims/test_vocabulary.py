"""Claims in one line: every relation on a few rows by hand, what words leave open, holes, and mistakes by line."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from r2k_pipeline.claims.note import Note, read_note
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.claims.verdict import Verdict, last_story
from r2k_pipeline.claims.verdicts import judge
from r2k_pipeline.claims.vocabulary.choices import of_group
from r2k_pipeline.claims.vocabulary.derived import DERIVED
from r2k_pipeline.claims.vocabulary.measures import columns
from r2k_pipeline.claims.vocabulary.printed_numbers import read_number
from r2k_pipeline.claims.vocabulary.relations import COMPARISONS, OTHERS
from r2k_pipeline.claims.vocabulary.relations import ROWS as ROWS_WORDS
from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.contracts.marts import Markets, PositioningVintages, Sessions
from r2k_pipeline.contracts.prices import MarketBars, PriceVintages
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.report.check_note import TEMPLATE
from r2k_pipeline.report.vocabulary import build_page
from r2k_pipeline.report_types import FAMILIES, family_of
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.anchored_vwaps import AnchoredVwaps
from r2k_pipeline.tables.claims import READABLE
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.indicators import DailyIndicators, MovingAverageCrosses
from r2k_pipeline.tables.levels import LevelEvidence, Levels
from r2k_pipeline.tables.weekly_indicators import WeeklyIndicators
from tests.documents import PROJECT
from tests.pipeline.command_line import r2k
from tests.sql.rows import Given, Row
from tests.unit.sandboxed import sandboxed

LATER = datetime(2030, 1, 1, tzinfo=UTC)
NEAR_THE_END = datetime(2025, 3, 27, tzinfo=UTC)
HEAD = '[note]\ntitle = "a note"\nmoment = 2025-03-14\nmarket = "RUT"\n[claims]\n'
DAYS = [day for day in (date(2025, 3, 3) + timedelta(n) for n in range(26)) if day.weekday() < 5]
CLOSED_IN_LONDON = date(2025, 3, 13)
BARS = {  # open, high, low, close
    "2025-03-03": (2100.0, 2110.0, 2090.0, 2100.0),
    "2025-03-04": (2100.0, 2105.0, 2048.0, 2060.0),
    "2025-03-05": (2060.0, 2090.0, 2055.0, 2080.0),
    "2025-03-06": (2080.0, 2085.0, 2050.0, 2066.0),
    "2025-03-07": (2066.0, 2080.0, 2040.0, 2075.0),
    "2025-03-10": (2060.0, 2062.0, 2000.0, 2019.0),
    "2025-03-11": (2019.0, 2040.0, 2001.0, 2023.0),
    "2025-03-12": (2023.0, 2050.0, 2012.0, 2026.0),
    "2025-03-13": (2026.0, 2031.0, 1984.92, 1993.69),
    "2025-03-14": (1995.0, 2045.0, 1990.0, 2044.0),
    "2025-03-17": (2041.0, 2074.0, 2040.0, 2068.0),
    "2025-03-18": (2061.0, 2061.0, 2043.0, 2050.0),
    "2025-03-19": (2051.0, 2092.0, 2051.0, 2082.0),
    "2025-03-20": (2068.0, 2090.0, 2060.0, 2068.63),
}
RSI = {"2025-03-12": 26.84, "2025-03-13": 24.08, "2025-03-14": 33.29, "2025-03-17": 52.0}
LONGS = [200.0 + week for week in range(60)]


def _of_reports() -> list[Row]:
    """Sixty weeks of two groups to 11 March; the shorts of asset managers jump in the last."""
    rows: list[Row] = []
    for week in range(60):
        day = date(2025, 3, 11) - timedelta(weeks=59 - week)
        released = datetime(day.year, day.month, day.day, 19, 30, tzinfo=UTC) + timedelta(days=3)
        for group, shorts, before in (
            ("asset_manager", 100.0 + (500.0 if week == 59 else week % 5), 100.0 + (week - 1) % 5),
            ("leveraged_funds", 300.0 - week, 301.0 - week),
        ):
            net = LONGS[week] - shorts
            rows.append(
                {
                    "market": "RUT",
                    "report_type": "tff_futures",
                    "report_date": day.isoformat(),
                    "trader_group": group,
                    "known_at": released.isoformat(),
                    "released_at": released.isoformat(),
                    "long_contracts": LONGS[week],
                    "short_contracts": shorts,
                    "net_contracts": net,
                    "open_interest_contracts": 1_000.0,
                    "net_share_oi": net / 1_000,
                    "long_contracts_change_1w": 1.0 if week else None,
                    "short_contracts_change_1w": shorts - before if week else None,
                    "net_contracts_change_1w": 1.0 - (shorts - before) if week else None,
                    "positioning_state": "neutral" if week == 59 else "long",
                }
            )
    return rows


def _released() -> list[Row]:
    times = {row["report_date"]: row["released_at"] for row in _of_reports()}
    return [{"report_date": day, "released_at": at, "scheduled_at": at} for day, at in times.items()]


def _bar(market: str, day: str, open_: float, high: float, low: float, close: float) -> Row:
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {"market": market, "session_date": day, "known_at": f"{day}T20:00Z", **prices}


def _vintage(day: str) -> Row:
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    return {"symbol": "^RUT", "session_date": day, "known_at": f"{day}T20:00Z", **prices}


ROWS: Given = {
    Markets: [
        {
            **{"market": m, "name": m, "index_symbol": f"^{m}", "price_series": "index", "calendar": "XNYS"},
            **({"name": "Russell 2000", "proxy_symbol": "IWM"} if m == "RUT" else {}),
            "primary_report_type": report_type,
        }
        for m, report_type in (("RUT", "tff_futures"), ("SPX", "tff_futures"), ("GC", "disaggregated_futures"))
    ]
    + [
        {
            **{"market": "FTSE", "name": "FTSE", "index_symbol": "^FTSE", "price_series": "index", "calendar": "XLON"},
            "primary_report_type": "tff_futures",
        }
    ],
    Sessions: [
        {"calendar": "XNYS", "session_date": f"{day}", "open_at": f"{day}T13:30Z", "close_at": f"{day}T20:00Z"}
        for day in DAYS
    ]
    + [
        {"calendar": "XLON", "session_date": f"{day}", "open_at": f"{day}T08:00Z", "close_at": f"{day}T16:30Z"}
        for day in DAYS
        if day != CLOSED_IN_LONDON
    ],
    MarketBars: [_bar("RUT", day, *prices) for day, prices in BARS.items()]
    + [_bar("FTSE", day, *prices) for day, prices in BARS.items() if day != f"{CLOSED_IN_LONDON}"],
    PriceVintages: [_vintage(day) for day in BARS]
    + [{**_vintage(day), "symbol": "^FTSE"} for day in BARS if day != f"{CLOSED_IN_LONDON}"],
    DailyIndicators: [
        {
            "market": "RUT",
            "session_date": day,
            "close": BARS[day][3],
            "return_1d": -0.0065,
            "rsi_14": rsi,
            "atr_14": 40.0,
            "sma_50": 2201.63,
            "sma_200": 2203.09,
            "rsi_30_trigger_close": 2013.69,
            "moving_average_order": "100>50>200",
            "drawdown_ratio": -0.16,
        }
        for day, rsi in RSI.items()
    ],
    WeeklyIndicators: [
        {"market": "RUT", "session_date": day, "close": BARS[day][3], "rsi_14w": rsi, "missing_sessions": 0}
        for day, rsi in (("2025-03-07", 50.0), ("2025-03-14", 45.5))
    ],
    AnchoredVwaps: [
        {
            "market": "RUT",
            "session_date": "2025-03-14",
            "anchor": "since_2025-03-03",
            "anchor_date": "2025-03-03",
            "vwap": 2100.5,
            "sessions": 9,
            "volume_symbol": "IWM",
        }
    ],
    MovingAverageCrosses: [
        {"market": "RUT", "session_date": day, "fast": fast, "slow": slow, "direction": way, "close": 2000.0}
        for day, fast, slow, way in (
            ("2025-03-03", 100, 200, "up"),
            ("2025-03-05", 50, 100, "down"),
            ("2025-03-20", 50, 200, "down"),
        )
    ],
    Levels: [
        {
            "market": "RUT",
            "session_date": "2025-03-14",
            "level_id": "one",
            "price": 1990.0,
            "low": 1984.92,
            "high": 2000.0,
            "kind": "swing_low",
            "role": "support",
            "distance_atr": -1.35,
            "nearness": 1,
            "born_date": "2025-03-10",
            "confirmed_date": "2025-03-10",
        }
    ],
    LevelEvidence: [
        {
            "market": "RUT",
            "level_id": "one",
            "kind": "swing_low",
            "born_date": "2025-03-10",
            "confirmed_date": "2025-03-10",
            "filed_date": "2025-03-10",
            "price": 1990.0,
        }
    ],
    PositioningVintages: _of_reports(),
    CotReleases: _released(),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("lake"), ROWS) as opened:
        yield opened


def _note(folder: Path, *lines: str) -> Note:
    file = folder / "note.toml"
    file.write_text(HEAD + "\n".join(lines), "utf-8")
    return read_note(file)


def _judged(sandbox: Sandbox, folder: Path, words: str) -> dict[str, Verdict]:
    """The verdicts on one claim by alternative."""
    note = _note(folder, f'C1 = {{ says = "it is so", {words} }}')
    assert note.mistakes == ()
    return {verdict.definition.alternative: verdict for verdict in judge(note, sandbox, LATER)}


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("rsi_14.is = 33.29", "holds"),
        ("rsi_14.is = 33.3", "holds"),
        ("rsi_14.is = 33.290", "holds"),
        ("rsi_14.is = 33.2", "fails"),
        ("rsi_14.is = 33.291", "fails"),
        ("rsi_14.is = 33.29, rsi_14.below = 30", "fails"),
        ("rsi_14.above = 30, rsi_14.between = [30, 40]", "holds"),
        ("rsi_14.is = 24.08, rsi_14.on = 2025-03-13", "holds"),
        ("rsi_14.before = 24.08", "holds"),
        ("rsi_14.crossed_above = 30", "holds"),
        ("rsi_14.crossed_above = 50", "fails"),
        ("rsi_14.crossed_above = 50, rsi_14.within = 1", "holds"),
        ("rsi_14.change_is = 9.21", "holds"),
        ("rsi_14.below = 30, rsi_14.since = 2025-03-12", "holds"),
        ("rsi_14.below = 40, rsi_14.for = 3", "holds"),
        ("rsi_14.below = 30, rsi_14.for = 3", "fails"),
        ("rsi_14.highest_since = 2025-03-11", "holds"),
        ("rsi_14.lowest_since = 2025-03-11", "fails"),
        ("rsi_14.highest_since = 2025-03-13", "undetermined"),
        ("rsi_14.lowest_since = 2025-04-01", "undetermined"),
        ('rsi_14.highest_since = "2025-03"', "undetermined"),
        ("rsi_14.above = 30, rsi_14.first_since = 2025-03-13", "undetermined"),
        ("rsi_14.above = 30, rsi_14.first_since = 2025-03-11", "holds"),
        ("rsi_14.above = 26, rsi_14.first_since = 2025-03-11", "fails"),
        ("rsi_14.rank_above = 50", "undetermined"),
        ('close.change_is = "2.5 %"', "holds"),
        ("close.change_is = 50.31", "holds"),
        ('return_1d.is = "-0.7 %"', "holds"),
        ('return_1d.is = "-0.6 %"', "holds"),
        ('close.below = ["sma_50", "sma_200"]', "holds"),
        ('close.above = "sma_50"', "fails"),
        ('close.above = "before"', "holds"),
        ('close.above = "SPX"', "undetermined"),
        ("close.between = [1927, 2117]", "holds"),
        ("close.is = 2060, close.on = 2025-03-04", "holds"),
        ("low.is = 1984.92, low.on = 2025-03-13, low.lowest_since = 2025-03-03", "holds"),
        ("low.at = 2050, low.since = 2025-03-03", "holds"),
        ("high.record_since = 2025-03-03", "fails"),
        ("close.lowest_since = 2025-03-03, close.on = 2025-03-13", "holds"),
        ('close.lowest_since = "2025-02", close.on = 2025-03-13', "holds"),
        ('close.lowest_since = "ever", close.on = 2025-03-13', "holds"),
        ("close.is = 2000, close.on = 2025-03-15", "undetermined"),
        ("close.is = 2000, close.on = 2025-03-17", "undetermined"),
        ('close.above = "now", close.throughout = 4', "holds"),
        ("close.above = 2060, close.throughout = 4", "fails"),
        ("close.above = 2060, close.within = 8", "undetermined"),
        ("sma_3.is = 2021.2", "holds"),
        ("ema_2.above = 2020", "holds"),
        ('moving_average_order.is = "100>50>200"', "holds"),
        ('moving_average_order.is = "200>100>50"', "fails"),
        ('drawdown_ratio.is = "-16 %"', "holds"),
        ('bar.is = "outside", bar.on = 2025-03-05', "fails"),
        ('bar.is = "inside", bar.on = 2025-03-06', "fails"),
        ('bar.is = "down", bar.on = 2025-03-10', "holds"),
        ("level.at = 1989, level.role = \"support\"", "holds"),
        ("level.at = 1900", "fails"),
        ("level.at = 0", "fails"),
        ("level.at = 1989, level.role = \"resistance\"", "fails"),
        ('cross.is = "50x200 down", cross.on = 2025-03-13', "fails"),
        ('cross.is = "50x100 down"', "holds"),
        ('cross.is = "50x100 down", cross.on = 2025-03-05', "holds"),
        ('cross.is = "down", cross.since = 2025-03-01', "holds"),
        ('cross.is = "50x200 down", cross.on = 2025-03-20', "undetermined"),
        ('cross.is = "50x200 down", cross.since = 2025-03-17', "undetermined"),
        ('cross.is = "50x200 down", cross.within = 4', "holds"),
        ('cross.is = "50x100", cross.count_is = 1', "holds"),
        ("cross.count_is = 2, cross.on = 2025-03-05", "holds"),
        ("cross.count_is = 2, cross.on = 2025-03-13", "fails"),
        ("cross.on = 2025-03-03", "holds"),
        ('cross.is = "down", cross.on = 2025-03-03', "fails"),
        ('move.from = 2025-03-03, move.to = 2025-03-13, move.is = "-5.93 %"', "holds"),
        ('move.from = 2025-03-03, move.below = "-3 %"', "holds"),
        ("range.from = 2025-03-03, range.to = 2025-03-13, range.low = 1996, range.high = 2100", "holds"),
        ("range.from = 2025-03-03, range.to = 2025-03-13, range.low = 0", "fails"),
        ('anchor_date.is = 2025-03-03, anchor_date.anchor = "since_2025-03-03"', "holds"),
        ('anchor_date.is = 2025-03-04, anchor_date.anchor = "since_2025-03-03"', "fails"),
        ("rsi_14.is = 0", "fails"),
        ("rsi_14.is = 100", "fails"),
        ("poc.since = 2025-03-03, poc.near = 2000", "undetermined"),
        ("net.is = -341, group = \"asset_manager\"", "holds"),
        ('positioning_state.is = "neutral", positioning_state.was = "long", group = "asset_manager"', "holds"),
        ("short_contracts.is = 600, short_contracts.before = 103, group = \"asset_manager\"", "holds"),
        ("net.is = 0.018, in = \"thousand\", group = \"leveraged_funds\"", "holds"),
        ("net.above = 0, net.for = 10, group = \"leveraged_funds\"", "fails"),
        ('net.change_is = "5.9 %", in = "thousand", group = "leveraged_funds"', "fails"),
        ('net.change_is = "12.5 %", in = "thousand", group = "leveraged_funds"', "holds"),
        ('rsi_14.is = "33.29 %"', "holds"),
        ('rsi_14.below = "30 %"', "fails"),
        ('short.change_rank_above = "99 %", in = "contracts", group = "asset_manager"', "holds"),
        ('short.change_rank_below = "90 %", in = "contracts", group = "asset_manager"', "fails"),
        ('net.is = "-34.1 %", in = "share", group = "asset_manager"', "holds"),
        ("long.change_above = 0, long.for = 20, group = \"leveraged_funds\"", "holds"),
        ("if = { rsi_14.below = 30 }, close.above = 2000", "undetermined"),
        ("if = { rsi_14.above = 30 }, close.above = 2000", "holds"),
        ("flow.is = \"mixed\", group = \"asset_manager\"", "holds"),
        ("rsi_14.is = 52, until = 2025-03-17", "holds"),
        ("rsi_14w.is = 45.5, rsi_14w.change_is = -4.5", "holds"),
        ("rsi_14w.below = 51, rsi_14w.for = 2", "holds"),
        ("rsi_14w.lowest_since = 2025-03-06", "holds"),
        ('vwap.is = 2100.5, vwap.anchor = "since_2025-03-03"', "holds"),
        ('vwap.above = "close", vwap.anchor = "high_252d"', "undetermined"),
    ],
)  # fmt: skip
def test_what_a_line_says_is_judged(sandbox: Sandbox, tmp_path: Path, words: str, verdict: str) -> None:
    note = _note(tmp_path, f'C1 = {{ says = "it is so", as_of = 2025-03-14T20:00:00Z, {words} }}')
    assert note.mistakes == ()
    found = list(judge(note, sandbox, LATER))
    assert [each.error for each in found] == [None] * len(found)
    assert found[0].finding.verdict == verdict, found[0].finding
    assert (found[0].finding.reason is None) == (verdict != "undetermined")


def test_sessions_are_those_of_the_markets_own_exchange(sandbox: Sandbox, tmp_path: Path) -> None:
    """London's holiday is no missing session, although New York traded."""
    london = 'market = "FTSE", as_of = 2025-03-14T20:00:00Z'
    for words in ("close.change_is = 18", "close.highest_since = 2025-03-10", 'close.above = "before"'):
        (found,) = _judged(sandbox, tmp_path, f"{london}, {words}").values()
        assert found.finding.verdict == "holds", found.finding
    ahead = 'market = "FTSE", as_of = 2025-03-12T20:00:00Z, close.above = 2040, close.within = 1'
    found = _judged(sandbox, tmp_path, ahead)["as_it_says"]
    assert found.definition.judged_until == datetime(2025, 3, 14, 16, 30, tzinfo=UTC)


def test_each_group_and_the_hour_are_readings_told_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    found = _judged(sandbox, tmp_path, 'short.change_above = 100, group = ["asset_manager", "leveraged_funds"]')
    assert {name: verdict.finding.verdict for name, verdict in found.items()} == {
        "asset_manager": "holds",
        "asset_manager_before_release": "fails",
        "leveraged_funds": "fails",
        "leveraged_funds_before_release": "fails",
    }
    story = "true of asset managers, false of leveraged funds; before that day's report came out: false"
    assert last_story([*found.values()]) == story
    assert found["asset_manager_before_release"].story == "false in each of 2 readings"
    value = found["asset_manager"].row()
    assert (value["computed_value"], str(value["value_date"])) == (497.0, "2025-03-11")


@pytest.mark.parametrize("group", TRADER_GROUPS)
def test_a_claim_may_name_every_group_and_means_a_report_that_prints_it(
    sandbox: Sandbox, tmp_path: Path, group: str
) -> None:
    assert _judged(sandbox, tmp_path, f'net.above = 0, group = "{group}", as_of = 2025-03-14T20:00:00Z')
    meant = of_group(group, None, "tff_futures").sets["report_type"]
    assert group in FAMILIES[family_of(meant)].groups.values()


@pytest.mark.parametrize(
    ("report_type", "groups"),
    [
        ("tff_combined", {"of asset managers", "of leveraged funds"}),
        ("legacy_futures", {"of noncommercial traders"}),
        ("disaggregated_futures", {"of managed money"}),
    ],
)
def test_a_claim_without_a_group_means_the_speculators_of_its_report(
    sandbox: Sandbox, tmp_path: Path, report_type: str, groups: set[str]
) -> None:
    words = f'net.above = 0, report_type = "{report_type}", as_of = 2025-03-14T20:00:00Z'
    assert {verdict.definition.reading for verdict in _judged(sandbox, tmp_path, words).values()} == groups


@pytest.mark.parametrize(
    ("market", "of", "report_type"),
    [
        ("RUT", {"of asset managers", "of leveraged funds", "of noncommercial traders"}, "tff_futures"),
        ("GC", {"of managed money", "of noncommercial traders"}, "disaggregated_futures"),
    ],
)
def test_a_claim_that_names_neither_means_the_speculators_of_its_markets_primary_report(
    sandbox: Sandbox, tmp_path: Path, market: str, of: set[str], report_type: str
) -> None:
    words = f'net.above = 0, market = "{market}", as_of = 2025-03-14T20:00:00Z'
    assert {verdict.definition.reading for verdict in _judged(sandbox, tmp_path, words).values()} == of
    assert of_group("nonreportable", None, report_type).sets["report_type"] == report_type


def test_a_rank_is_judged_in_contracts_and_by_open_interest_unless_it_says_which(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    words = 'short.rank_above = 99, group = "asset_manager", as_of = 2025-03-14T20:00:00Z'
    assert set(_judged(sandbox, tmp_path, words)) == {"asset_manager", "asset_manager_share"}
    assert set(_judged(sandbox, tmp_path, f'{words}, in = "contracts"')) == {"asset_manager"}


def test_a_printed_number_says_which_group_it_is_of(sandbox: Sandbox, tmp_path: Path) -> None:
    assert set(_judged(sandbox, tmp_path, "net.is = 18, as_of = 2025-03-14T20:00:00Z")) == {"leveraged_funds"}
    assert len(_judged(sandbox, tmp_path, "net.is = 77, as_of = 2025-03-14T20:00:00Z")) == 3
    found = _judged(sandbox, tmp_path, "net.is = 18")
    assert {name for name in found if not name.endswith("before_release")} == {"leveraged_funds"}
    assert {verdict.finding.verdict for name, verdict in found.items() if name.endswith("before_release")} == {
        "fails",
        "undetermined",
    }


def test_a_price_is_judged_during_the_day_and_at_the_close(sandbox: Sandbox, tmp_path: Path) -> None:
    found = _judged(sandbox, tmp_path, "price.above = 2090, price.within = 3")
    assert {name: verdict.finding.verdict for name, verdict in found.items()} == {
        "during_the_day": "holds",
        "at_the_close": "fails",
    }
    (verdict, *_) = found.values()
    assert verdict.known_at == datetime(2025, 3, 19, 20, tzinfo=UTC)
    assert "% of prices near the close pass" in str(verdict.finding.computed_text)


def test_a_vendors_cents_and_a_price_of_the_day_are_tried_where_the_printed_number_fails(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    assert set(_judged(sandbox, tmp_path, "close.is = 2044.15")) == {"within_a_vendors_cents"}
    assert set(_judged(sandbox, tmp_path, "close.is = 2045.15")) == {"as_it_says"}
    found = _judged(sandbox, tmp_path, "rsi_14.is = 30.1")
    assert {name: verdict.finding.verdict for name, verdict in found.items()} == {
        "as_it_says": "fails",
        "during_the_day": "holds",
    }


def test_the_hour_before_the_data_ends_and_the_hour_after(sandbox: Sandbox, tmp_path: Path) -> None:
    """A reading at a moment whose session is missing is undetermined; of later data nothing is used."""
    (verdict,) = _judged(sandbox, tmp_path, "close.above = 1, as_of = 2025-03-25").values()
    due = "session 2025-03-21 was due 2025-03-21 20:00 UTC, 3 are missing since"
    assert verdict.finding.reason == f"the prices of ^RUT end at 2025-03-20: {due}"
    note = _note(tmp_path, 'C1 = { says = "it is so", close.above = 1, close.within = 4 }')
    (early,) = judge(note, sandbox, datetime(2025, 3, 19, tzinfo=UTC))
    assert early.finding.reason == "judged at 2025-03-20 20:00 UTC: not known yet"
    for words in ("until = 2025-04-30", "close.within = 100", "as_of = 2025-04-30"):
        (beyond,) = judge(_note(tmp_path, f'C1 = {{ says = "so", close.above = 1, {words} }}'), sandbox, NEAR_THE_END)
        assert beyond.error is None
        assert str(beyond.finding.reason).endswith("not known yet"), words


def test_an_extreme_that_spans_a_missing_report_names_it(tmp_path: Path) -> None:
    missing = next(row["report_date"] for row in reversed(_of_reports()[:-8]))
    kept = [row for row in _of_reports() if row["report_date"] != missing]
    with sandboxed(tmp_path / "lake", {**ROWS, PositioningVintages: kept}) as box:
        words = 'long.highest_since = "ever", group = "asset_manager", in = "contracts", as_of = 2025-03-14T20:00:00Z'
        (found,) = _judged(box, tmp_path, words).values()
        (fails,) = _judged(box, tmp_path, words.replace("highest", "lowest")).values()
    assert found.finding.verdict == "undetermined"
    assert str(found.finding.reason).startswith(f"the report of {missing} is missing")
    assert fails.finding.verdict == "fails"


def test_a_row_that_decides_is_told_and_no_answer_rests_on_a_missing_one(tmp_path: Path) -> None:
    """A streak with a known exception is none, whatever is missing; that no row fits is sure only of all rows."""
    missing = next(row["report_date"] for row in reversed(_of_reports()[:-8]))
    kept = [row for row in _of_reports() if row["report_date"] != missing]
    asked = {
        "long.above = 259, long.for = 20": "fails",
        "long.above = 0, long.for = 20": "undetermined",
        "long.above = 0, long.for = 2": "holds",
        "long.above = 258, long.since = 2025-01-01": "holds",
        "long.above = 259, long.since = 2025-01-01": "undetermined",
        f"long.above = 259, long.since = {date.fromisoformat(missing) + timedelta(1)}": "fails",
        'positioning_state.is = "neutral", positioning_state.was = "short", positioning_state.since = 2025-01-01': (
            "undetermined"
        ),
    }
    with sandboxed(tmp_path / "lake", {**ROWS, PositioningVintages: kept}) as box:
        found = {
            words: _judged(box, tmp_path, f'{words}, group = "asset_manager", as_of = 2025-03-14T20:00:00Z')
            for words in asked
        }
    verdicts = {words: verdict.finding.verdict for words, readings in found.items() for verdict in readings.values()}
    assert verdicts == asked
    unknown = [
        v.finding.reason for each in found.values() for v in each.values() if v.finding.verdict == "undetermined"
    ]
    assert all(str(reason).startswith(f"the report of {missing} is missing") for reason in unknown)


def test_a_bare_ratio_is_told_as_the_percentage_that_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    (found,) = _judged(sandbox, tmp_path, "drawdown_ratio.below = -0.5, as_of = 2025-03-14T20:00:00Z").values()
    assert "drawdown_ratio.below = -0.5 (-50 %)" in str(found.finding.judged)


def test_some_day_since_another_is_told_as_such(sandbox: Sandbox, tmp_path: Path) -> None:
    """`since` asks for one day; read as "on each day", low.above = 2000 would be a false statement that holds."""
    words = "low.above = 2000, low.since = 2025-03-13, as_of = 2025-03-17T20:00:00Z"
    (found,) = _judged(sandbox, tmp_path, words).values()
    assert str(found.finding.judged).startswith(
        "low.above = 2000 on some day since then: 2,040.00 points on 2025-03-17"
    )


def test_an_anchor_that_is_none_is_answered_with_those_that_there_are(sandbox: Sandbox, tmp_path: Path) -> None:
    (found,) = _judged(sandbox, tmp_path, 'vwap.above = "close", vwap.anchor = "high"').values()
    assert found.finding.verdict == "undetermined"
    assert found.finding.reason == 'no rows of vwap of RUT with anchor = "high"; there are: since_2025-03-03'


@pytest.mark.parametrize(
    ("words", "word", "reason"),
    [
        ("rsi_41.is = 3", "rsi_41", "no such measure; next: rename it to rsi_14"),
        ("rsi_14.iz = 3", "iz", "no such relation of rsi_14; next: rename it to is"),
        ("level.above = 3", "above", "next: rename it to one of those in docs/claims.md, such as at"),
        ('rsi_14.is = "low"', "is", 'rsi_14.is = "low": should be a number, such as 33.29 or "-0.7 %"'),
        ("rsi_14.is = true", "is", "rsi_14.is = true: should be a number"),
        ("rsi_14.is = nan", "is", "rsi_14.is = NaN: should be a number"),
        ("rsi_14.is = [3, 4]", "is", "rsi_14.is = [3, 4]: should be a number"),
        ('rsi_14.is = 35, group = "dealer"', "group", "no measure of this claim is of positions; next: leave it out"),
        ('rsi_14.is = 35, report_type = "legacy_futures"', "report_type", "is of positions; next: leave it out"),
        ('rsi_14.is = 35, in = "thousand"', "in", "is of positions; next: leave it out"),
        ("rsi_14 = 3", "rsi_14", "should have relations: MEASURE.RELATION = VALUE"),
        ("drawdown_ratio.below = -10", "below", 'a ratio, 1 = 100 %: -10 is -1,000 %; next: give "-10 %"'),
        ("net_share_oi.is = 48030", "is", '48030 is 4,803,000 %; next: give "48030 %"'),
        ("net_share_oi.between = [0.1, 20]", "between", '20 is 2,000 %; next: give "20 %"'),
        ("drawdown_ratio.change_above = 1", "change_above", '1 is 100 %; next: give "1 %"'),
        ('net.is = 10, in = "share"', "is", '10 is 1,000 %; next: give "10 %"'),
        ("move.from = 2025-03-03, move.below = -14", "below", '-14 is -1,400 %; next: give "-14 %"'),
        (
            "retracement.from = 2025-03-03, retracement.to = 2025-03-13, retracement.is = 2, retracement.ratio = 38.2",
            "ratio",
            '38.2 is 3,820 %; next: give "38.2 %"',
        ),
        ('net.is = "10 %"', "is", 'contract equivalents; next: give it without %, or in = "share" for a share of'),
        ('net_contracts.is = "10 %"', "is", "the unit is today's contract equivalents; next: give it without %"),
        ('close.above = ["sma_50", "2 %"]', "above", "the unit is index points; next: give it without %"),
        ('support_distance_atr.below = "50 %"', "below", "the unit is ATR; next: give it without %"),
        ('rsi_14.on = "2025-03-13", rsi_14.is = 24', "on", "next: give 2025-03-13, without quotes"),
        ('close.lowest_since = "2025-03-03"', "lowest_since", "next: give 2025-03-03, without quotes"),
        ('net.is = "48k"', "is", 'next: give 48 with in = "thousand"'),
        ("rsi_14.between = [3]", "between", "should be a list of two"),
        ("rsi_14.above = []", "above", "should not be empty"),
        (f"rsi_14.is = {'9' * 5_000}", "is", '"a number of 5,000 digits": should be a number'),
        (f"rsi_14.is = 0.{'9' * 5_000}", "is", "has 5,000 digits: give at most 15"),
        ("rsi_14.is = 1e999999999", "is", "digits: give at most 15"),
        ("rsi_14.on = 2025-03-14T20:00:00Z", "on", "should be a day, such as 2025-03-13"),
        ("level.role = \"support\"", "level", "level lacks at"),
        ('level.at = 1, level.role = "floor"', "role", 'should be as in level.role = "support"'),
        ('cross.is = "golden"', "is", 'should be as in cross.is = "50x200 down"'),
        ("move.from = 2025-03-03, move.to = 2025-03-13", "move", "move lacks is, above or below"),
        ("range.from = 2025-03-03, range.to = 2025-03-13", "range", "range lacks low or high"),
        ("poc.since = 2025-03-03", "poc", "poc lacks near, above or below"),
        ("rsi_14.on = 2025-03-13", "rsi_14", "lacks a comparison, such as `is` or `above`"),
        ("close.lowest_since = [2025-03-03, 2025-03-04]", "lowest_since", "should be one, not a list"),
        ("net.slower_than = 5", "slower_than", "should be `before`, or a market"),
        ("relative_strength_20d_ratio.below = 0", "relative_strength_20d_ratio", "lacks against"),
        ("vwap.above = 2000", "vwap", "vwap lacks anchor"),
        ("rsi_14.for = 0", "for", "should be a number from 1 to 2,600"),
        ('close.lowest_since = "2017-13"', "lowest_since", 'should be a day, a month as "2017-09", or "ever"'),
        ('close.above = "sma50"', "above", "no such measure; next: give sma_50, or a market in capitals"),
        ('moving_average_order.above = "100"', "above", "is a text: only `is` and `was` compare it"),
        ("technical_state.at = 5", "at", "technical_state is a text: only `is` and `was` compare it"),
        ("technical_state.crossed_above = 5", "crossed_above", "is a text: only `is` and `was` compare it"),
        ('technical_state.change_is = "rally"', "change_is", "is a text: only `is` and `was` compare it"),
        ('flow.slower_than = "before"', "slower_than", "flow is a text: only `is` and `was` compare it"),
        ("last_cross_date.change_is = 2025-01-02", "change_is", "is a day: only `is` and `was` compare it"),
        ('dominant_flow.is = "new_short"', "is", "no such value; next: give new_shorts"),
        ('net.is = 3, group = "hedge_funds"', "group", "'hedge_funds' is none; next: give leveraged_funds"),
        ('net.is = 3, group = "CTAs"', "group", "'CTAs' is none; next: give leveraged_funds or managed_money"),
        ('net.is = 3, group = "fast_money"', "group", "next: give leveraged_funds or managed_money"),
        ('net.is = 3, group = "Real Money"', "group", "next: give asset_manager"),
        ('net.is = 3, group = "large specs"', "group", "next: give noncommercial, leveraged_funds or managed_money"),
        ('net.is = 3, group = "retail"', "group", "next: give nonreportable"),
        ('net.is = 3, group = "AMs"', "group", "next: give asset_manager"),
        ('net.is = 3, report_type = "tff"', "report_type", "'tff' is none"),
        ('net.is = 3, in = "dozens"', "in", "'dozens' is none"),
        ("net.is = 3, as_of = 2025-03-14T20:00:00", "as_of", "should be a day, or an instant with its zone"),
        ('not_checkable = ""', "not_checkable", "should be a text that says why"),
        ('not_checkable = "x", rsi_14.is = 3', "not_checkable", "stand without measures"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_claim_and_word_and_leaves_the_others(
    tmp_path: Path, words: str, word: str, reason: str
) -> None:
    note = _note(tmp_path, 'good = { says = "it is so", rsi_14.above = 1 }', f'C1 = {{ says = "so", {words} }}')
    assert [claim.id for claim in note.claims] == ["good"]
    (mistake,) = note.mistakes
    assert mistake.startswith(f"{tmp_path / 'note.toml'}:7: claim 'C1': "), mistake
    assert word in mistake
    assert reason in mistake
    assert len(mistake) < 500


def test_an_instant_without_seconds_is_answered_with_the_form_that_toml_has(tmp_path: Path) -> None:
    """The command line takes 15:00-04:00; TOML has no such instant."""
    file = tmp_path / "note.toml"
    file.write_text(HEAD.replace("2025-03-14", "2025-03-14T15:00-04:00") + "good = { says = 'so' }", "utf-8")
    with pytest.raises(
        MistakesError, match=r"note.toml:3: 2025-03-14T15:00 has no seconds; next: give 2025-03-14T15:00:00"
    ):
        read_note(file)
    examples = [(PROJECT / "docs/claims.md").read_text("utf-8"), TEMPLATE.read_text("utf-8")]
    assert not [text for text in examples if re.search(r"T\d\d:\d\d(?!:)", text)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('market = "RUTT", close.above = 1', "no market 'RUTT'; next: give RUT"),
        ('close.above = "SPXX"', "no market 'SPXX'; next: give SPX"),
        ('market = "rut", close.above = 1', "no market 'rut'; next: give RUT"),
        ('market = "Russell 2000", close.above = 1', "no market 'Russell 2000'; next: give RUT"),
        ('market = "iwm", close.above = 1', "no market 'iwm'; next: give RUT"),
        ('market = "VIX", close.above = 1', "no market 'VIX'; next: r2k markets add VX, or give FTSE, GC, RUT, SPX"),
        ("as_of = 2025-03-15, close.above = 1", "as_of = 2025-03-15: the exchange is closed on 2025-03-15; next: give"),
        ("until = 2025-03-16, close.above = 1", "until = 2025-03-16: the exchange is closed on 2025-03-16"),
        ("until = 2025-03-13, close.above = 1", "until: must come after the claim's moment"),
        ("as_of = 1890-01-02, close.above = 1", "1890-01-02 is outside of the calendar"),
        ("net.for = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], net.rank_above = 1", "has 132 readings, at most 60"),
    ],
)  # fmt: skip
def test_a_market_and_a_day_that_are_not_there_are_named_and_the_others_judged(
    sandbox: Sandbox, tmp_path: Path, words: str, reason: str
) -> None:
    note = _note(tmp_path, f'C1 = {{ says = "so", {words} }}', 'good = { says = "it is so", rsi_14.above = 1 }')
    assert note.mistakes == ()
    wrong, good = judge(note, sandbox, LATER)
    assert (wrong.finding.verdict, good.finding.verdict) == ("undetermined", "holds")
    assert str(wrong.error).startswith(f"{tmp_path / 'note.toml'}:6: claim 'C1': ")
    assert reason in str(wrong.error)


@pytest.mark.parametrize("says", ["- 5 % by Thursday", "+15,949 contracts", "=1+1", "@home"])
def test_what_a_spreadsheet_would_compute_is_kept_and_escaped_in_the_table(
    sandbox: Sandbox, tmp_path: Path, says: str
) -> None:
    (verdict,) = judge(_note(tmp_path, f'C1 = {{ says = "{says}", rsi_14.above = 1 }}'), sandbox, LATER)
    assert verdict.claim.claim == says
    assert verdict.row()["claim"] == f"'{says}"


def test_what_no_table_bears_out_and_what_has_no_word_are_counted(sandbox: Sandbox, tmp_path: Path) -> None:
    note = _note(
        tmp_path,
        'A = { says = "it is so", rsi_14.above = 1 }',
        'B = { says = "credit is tight", not_checkable = "no such series" }',
        'C = { says = "a channel holds it" }',
        'D = { says = "it is so", rsi.above = 1 }',
    )
    assert note.coverage() == "4 statements: 1 checked, 1 not checkable, 1 without a word, 1 with a mistake"
    assert [(each.finding.verdict, each.story) for each in judge(note, sandbox, LATER)] == [
        ("holds", "true"),
        ("undetermined", "not checkable: no such series"),
        ("undetermined", "without a word: no measure is given"),
    ]


def test_sql_stands_beside_words_and_names_its_value_and_its_parameters(sandbox: Sandbox, tmp_path: Path) -> None:
    note = _note(
        tmp_path,
        """[claims.S]
says = "it closed above 2000"
as_of = 2025-03-14T20:00:00Z
sql = "select close, session_date from latest() where market = $market"
value = "close"
unit = "index points"
parameters = { market = "RUT", price = 2000 }
holds_when = "close > $price"
""",
    )
    assert note.mistakes == ()
    verdicts = list(judge(note, sandbox, LATER))
    assert {(each.definition.alternative, each.finding.verdict) for each in verdicts} == {
        ("as_it_says", "undetermined"),
    }
    assert verdicts[0].error is None
    assert str(verdicts[0].finding.reason).startswith("no rows of market = RUT")


def test_several_moments_are_readings(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "note.toml"
    head = HEAD.replace("moment = 2025-03-14", "moments = [2025-03-13, 2025-03-14T20:00:00Z]")
    file.write_text(head + 'C1 = { says = "it is oversold", rsi_14.below = 30 }', "utf-8")
    found = {each.definition.alternative: each for each in judge(read_note(file), sandbox, LATER)}
    assert {name: each.finding.verdict for name, each in found.items()} == {
        "at_2025_03_13": "holds",
        "at_2025_03_14": "fails",
    }
    story = "true at the close of 2025-03-13, false at 2025-03-14 20:00 UTC"
    assert last_story([*found.values()]) == story


@pytest.mark.parametrize(
    ("said", "value", "half"),
    [(1924, 1924.0, 0.5), ("12,345", 12_345.0, 0.5), ("-0.70 %", -0.007, 0.00005), ("-40.0", -40.0, 0.05)],
)
def test_a_number_means_what_is_printed(said: object, value: float, half: float) -> None:
    number = read_number(said)
    assert (number.value, number.half) == (pytest.approx(value), pytest.approx(half))


EXAMPLES = [
    relation.example
    for relations in (COMPARISONS, OTHERS, *(measure.own_relations or {} for measure in DERIVED.values()))
    for relation in relations.values()
]


@pytest.mark.parametrize("example", [*EXAMPLES, *(relation.example for relation in ROWS_WORDS.values())])
def test_each_example_of_the_documents_is_a_relation(tmp_path: Path, example: str) -> None:
    """Some are half a claim: then the mistake is what they lack, and no other."""
    note = _note(tmp_path, f'C1 = {{ says = "it is so", {example} }}')
    assert all(" lacks " in mistake for mistake in note.mistakes), note.mistakes


def test_of_a_market_without_bars_and_reports_nothing_is_judged(sandbox: Sandbox, tmp_path: Path) -> None:
    """A first run that got no prices of one market goes on, and its notes say so."""
    whole = [
        "poc.since = 2025-03-03, poc.near = 2284",
        "level.at = 1989, level.role = 'support'",
        "move.from = 2025-03-03, move.below = '-3 %'",
        "retracement.from = 2025-03-03, retracement.to = 2025-03-13, retracement.ratio = 0.5, retracement.is = 2050",
        "range.from = 2025-03-03, range.to = 2025-03-13, range.low = 1996",
    ]
    said = [*EXAMPLES, *whole]
    note = _note(
        tmp_path, *(f'C{i} = {{ says = "it is so", market = "SPX", {words} }}' for i, words in enumerate(said))
    )
    found = {verdict.claim.id: verdict.finding.verdict for verdict in judge(note, sandbox, LATER)}
    assert len(found) + len(note.mistakes) == len(said)
    assert {said[int(name[1:])]: verdict for name, verdict in found.items() if verdict != "undetermined"} == {}


def test_the_page_of_words_is_what_the_code_says() -> None:
    written = (PROJECT / "docs" / "vocabulary.md").read_text("utf-8")
    assert written == build_page(), "run: python -m r2k_pipeline.report.vocabulary > docs/vocabulary.md"


def test_every_column_with_a_market_and_a_day_is_a_measure() -> None:
    tables = {measure.table for measure in columns().values()}
    assert {"marts.weekly_positioning", "features.daily_indicators", "marts.cross_market", "staging.market_bars"} <= {
        table.dotted() for table in tables if table is not None
    }
    assert tables <= {*READABLE}
    assert columns()["rsi_14"].table is TABLES["features.daily_indicators"]


def test_a_new_note_is_a_filled_template_and_never_written_over_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "my note.toml"
    said = r2k(tmp_path, "check-note", "--new", file)
    assert (said.exit_code, said.output) == (0, f"{file} is a note to fill in; next: r2k check-note '{file}'\n")
    note = read_note(file)
    assert note.mistakes == ()
    assert note.coverage() == "12 statements: 10 checked, 1 not checkable, 1 without a word"
    assert [each.error for each in judge(note, sandbox, LATER) if each.error] == []
    again = r2k(tmp_path, "check-note", "--new", file)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert "nowhere" in r2k(tmp_path, "check-note", "--new", tmp_path / "nowhere" / "mine.toml").stderr


@pytest.mark.parametrize(
    ("words", "is_missing"),
    [("setup.is = 'squeeze_risk'", True), ("speculator_net_share_oi.above = 0", True), ("trend.is = 'up'", False)],
)
def test_positions_of_the_mart_rest_on_the_primary_report_of_their_market(
    tmp_path: Path, words: str, *, is_missing: bool
) -> None:
    ended = [
        {**row, "market": "GC", "report_type": "disaggregated_futures", "trader_group": "managed_money"}
        for row in _of_reports()[:-4]
        if row["trader_group"] == "leveraged_funds"
    ]
    with sandboxed(tmp_path / "lake", {**ROWS, PositioningVintages: [*_of_reports(), *ended]}) as box:
        (found,) = _judged(box, tmp_path, f'{words}, market = "GC"').values()
    assert str(found.finding.reason).startswith("the reports of GC (disaggregated_futures) end at") == is_missing
    assert found.row()["market"] == "GC"


def test_a_percentage_of_volume_is_a_change_in_percent(tmp_path: Path) -> None:
    """Its unit, shares or contracts, is no share of anything."""
    volumes = {"2025-03-13": 200.0, "2025-03-14": 250.0}
    bars = [
        {**row, "volume": volumes.get(str(row["session_date"])), "volume_known_at": row["known_at"]}
        for row in ROWS[MarketBars]
    ]
    with sandboxed(tmp_path / "lake", {**ROWS, MarketBars: bars}) as box:
        rises, doubles = (
            _judged(box, tmp_path, f'volume.change_is = "{percent} %"')["as_it_says"].finding for percent in (25, 100)
        )
    assert (rises.verdict, rises.computed_value) == ("holds", 0.25)
    assert doubles.verdict == "fails"
