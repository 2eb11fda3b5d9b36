"""The brief on a few rows written by hand: what it says, what it says where something is not known, what it cites."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from r2k_pipeline.contracts.cot import CotPositions
from r2k_pipeline.contracts.marts import CrossMarket, Markets, PositioningVintages, Sessions
from r2k_pipeline.contracts.prices import PriceVintages
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.report.brief import Page
from r2k_pipeline.report.brief_statements import Row, say
from r2k_pipeline.report.note.compose import read_notes
from r2k_pipeline.report.status import read_status
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import open_snapshot
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.level_outcomes import LevelOutcomes
from r2k_pipeline.tables.levels import Levels
from r2k_pipeline.warehouse import open_warehouse
from tests.snapshots import read_brief
from tests.snapshots import said as section
from tests.sql.rows import Given
from tests.sql.rows import Row as GivenRow
from tests.unit.published import SAMPLE, mart_row, publish

FULL = mart_row(
    "RUT",
    "2025-03-13",
    close=1993.69,
    return_1d=-0.016166,
    rsi_14=24.08,
    sma_20=2148.4,
    sma_50=2219.87,
    sma_200=2203.02,
    macd=-60.0,
    macd_signal=-47.655,
    macd_histogram=-12.345,
    bollinger_lower=2000.0,
    bollinger_upper=2300.0,
    drawdown_ratio=-0.1833,
    moving_average_order="100>50>200",
    last_cross="50x100 down",
    last_cross_date="2025-02-19",
    range_start_date="2025-03-03",
    range_floor=1980.0,
    range_ceiling=2080.0,
    range_core_low=1985.0,
    range_core_high=2070.0,
    range_position_ratio=0.1369,
    poc_250=2064.0,
    value_area_low_250=1990.5,
    value_area_high_250=2235.25,
    volume_symbol="IWM",
    report_date="2025-03-04",
    released_at="2025-03-07T20:30Z",
    report_age_days=9,
    institution_label="asset managers",
    speculator_label="leveraged funds",
    speculator_net_percentile_156w=88.46,
    speculator_positioning_state="long",
    technical_state="oversold_downtrend",
    alignment="flow_with_trend",
    setup="squeeze_risk",
    setup_fact_1="one",
    setup_fact_2="two",
    setup_fact_3="three",
)
OLD = mart_row(
    "RUT",
    "2025-03-12",
    close=2026.46,
    sma_20=2026.45,
    return_1d=0.0000049,
    technical_state="no_trend",
    report_date="2025-02-25",
    released_at="2025-02-28T20:30Z",
    report_age_days=15,
    speculator_net_share_oi=-0.07,
    speculator_net_contracts_change_1w=0.0,
)
"""A close whose newest report is older than 14 days: its week of no change is nobody's last week."""


def positions(day: str, known_at: str, net: float, **more: object) -> GivenRow:
    """Leveraged funds' row of one report of RUT."""
    row = {"market": "RUT", "report_type": "tff_futures", "report_date": day, "trader_group": "leveraged_funds"}
    shares = {"net_contracts": net, "net_share_oi": net / 450_000, "open_interest_contracts": 450_000.0}
    return {**row, "contract_codes": "239742", "released_at": known_at, "known_at": known_at, **shares, **more}


MORE: Given = {
    Markets: [
        {
            "market": "RUT",
            "name": "Russell 2000",
            "index_symbol": "^RUT",
            "price_series": "index",
            "calendar": "XNYS",
            "contract_codes": "239742",
        },
        {"market": "SPX", "name": "S&P 500", "index_symbol": "^GSPC", "price_series": "index", "calendar": "XNYS"},
    ],
    DailyIndicators: [
        {
            "market": "RUT",
            "session_date": "2025-03-13",
            "close": 1993.69,
            "drawdown_ratio": -0.1833,
            "rsi_14": 24.08,
            "sma_50": 2219.87,
            "sma_200": 2203.02,
            "atr_14": 42.0,
            "rsi_30_trigger_close": 2020.0,
            "rsi_70_trigger_close": 2417.53,
        }
    ],
    Levels: [
        {
            "market": "RUT",
            "session_date": "2025-03-13",
            "level_id": f"{kind}-2024-02-05",
            "price": price,
            "low": price - 10,
            "high": price + 10,
            "kind": kind,
            "role": role,
            "touches": 9,
            "holds": 6,
            "breaks": 2,
            "undecided": 1,
            "breaks_untouched": 3,
            "born_date": "2024-02-05",
            "confirmed_date": "2024-02-12",
            "last_touch_date": "2025-03-12",
            "distance_atr": distance,
            "nearness": nearness,
            "evidence": f"{kind} 2024-02-05 at {price}",
        }
        for kind, role, price, distance, nearness in (
            ("swing_low", "support", 1922.0, -1.57, 1),
            ("poc_rolling_60", "support", 1900.0, -2.05, 2),
            ("swing_high", "resistance", 2035.5, 0.92, 1),
        )
    ]
    + [
        {
            "market": "RUT",
            "session_date": session,
            "level_id": "swing_low-2024-02-05",
            "price": 2030.0,
            "low": 2026.46,
            "high": 2033.0,
            "kind": "swing_low",
            "role": "around",
            "touches": touches,
            "holds": touches,
            "last_touch_date": touched,
            **dict.fromkeys(("born_date", "confirmed_date"), "2024-02-05"),
            "distance_atr": 0.084,
            "nearness": 1,
            "evidence": "e",
        }
        for session, touches, touched in (("2025-03-11", 0, None), ("2025-03-12", 1, "2025-03-11"))
    ],
    CrossMarket: [
        {
            "market": "RUT",
            "other_market": "SPX",
            "session_date": "2025-03-13",
            "known_at": "2025-03-13T20:00Z",
            "institution_net_share_spread": -0.2704,
            "speculator_net_share_spread": 0.117,
            "institution_percentile_difference": 6.94,
            "speculator_percentile_difference": 0.0,
        }
    ],
    LevelOutcomes: [
        {
            "market": "RUT",
            "kind": "swing_low",
            "role": "support",
            "horizon_sessions": 10,
            "touches": 10,
            "held": 6,
            "broken": 3,
            "undecided": 1,
            "first_session_date": "1990-01-02",
            "last_session_date": "2025-02-03",
        }
    ],
    PositioningVintages: [
        positions(
            "2025-02-25",
            "2025-02-28T20:30Z",
            -31_498.0,
            **dict.fromkeys((f"{side}_contracts_change_1w" for side in ("net", "long", "short", "open_interest")), 0.0),
            positioning_state="neutral",
            net_percentile_156w=50.0,
            net_weeks_156w=156,
        ),
        positions(
            "2025-03-04",
            "2025-03-07T20:30Z",
            11_308.0,
            net_contracts_change_1w=20_190.0,
            long_contracts_change_1w=28_652.0,
            short_contracts_change_1w=8_462.0,
            dominant_flow="new_longs",
            net_percentile_156w=88.46,
            net_weeks_156w=145,
            cot_index_156w=100.0,
            positioning_state="long",
            superseded_at="2025-03-20T20:00Z",
        ),
        positions("2025-03-04", "2025-03-20T20:00Z", 99_999.0),
        positions("2025-03-11", "2025-03-14T19:30Z", 15_124.0),
    ],
    CotReleases: [
        {"report_date": day, "released_at": at, "scheduled_at": at, "release_basis": "scheduled"}
        for day, at in (("2025-03-04", "2025-03-07T20:30Z"), ("2025-03-11", "2025-03-14T19:30Z"))
    ],
}
"""What is behind the mart row, with a revision and a report that nobody knew at its close."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = [FULL, OLD, mart_row("SPX", "2025-03-13", close=5521.52)]
    return publish(tmp_path_factory.mktemp("published"), rows, more=MORE)


def page_of(lake: Lake, market: str, moment: datetime | None = None) -> Page:
    (page,) = read_brief(lake, market, moment).pages
    return page


def test_positions_are_those_known_at_the_close(lake: Lake) -> None:
    assert section(page_of(lake, "RUT"), "Positioning") == [
        "Report of 2025-03-04, released 2025-03-07 20:30 UTC, 9 days old at the close.",
        "Leveraged funds | +11,308 | +2.5 % | +20,190 | +28,652 | +8,462 | new longs | 88.5 | 145 | long",
        "Largest move of the week: leveraged funds, +20,190 contracts.",
        "Leveraged funds turned from net short 31,498 on 2025-02-25 to net long 11,308.",
        "By percentile leveraged funds went from neutral to long.",
        "Net of leveraged funds is the highest of 145 weeks, COT index 100.0.",
        "The change of open interest in the week is not known.",
    ]


def test_an_old_report_is_told_as_old_and_names_no_setup(lake: Lake) -> None:
    page = page_of(lake, "RUT", datetime(2025, 3, 12, 21, tzinfo=UTC))
    assert section(page, "Positioning") == [
        "Report of 2025-02-25, released 2025-02-28 20:30 UTC, 15 days old at the close:"
        " too old to speak of the last week.",
        "Not the newest: the report of 2025-03-04 came out 2025-03-07 20:30 UTC and is not here.",
        "Leveraged funds | -31,498 | -7.0 % | 0 | 0 | 0 | not known | 50.0 | 156 | neutral",
        "Largest move of that week: leveraged funds, 0 contracts.",
        "Open interest 450,000 contracts, 0 in that week.",
    ]
    assert section(page, "Setup and what followed")[:2] == [
        "Technical state: no trend.",
        "Setup and alignment: not known: the report of 2025-02-25 is 15 days old.",
    ]


def test_a_market_without_its_reports_says_what_had_come_out(tmp_path: Path) -> None:
    given = {Markets: MORE[Markets][:1], CotReleases: MORE[CotReleases]}
    bare = publish(tmp_path, [mart_row("RUT", "2025-03-06"), mart_row("RUT", "2025-03-13")], more=given)
    assert section(page_of(bare, "RUT"), "Positioning") == [
        "No COT report of this market is here at this close; that of 2025-03-04 came out 2025-03-07 20:30 UTC."
    ]
    assert section(page_of(bare, "RUT", datetime(2025, 3, 6, 21, tzinfo=UTC)), "Positioning") == [
        "No COT report is known at this close."
    ]


def test_positions_of_other_weeks_are_dated(lake: Lake) -> None:
    found = section(page_of(lake, "SPX"), "Against other markets")
    assert found[0] == "COT reports: SPX none, RUT of 2025-03-04 (9 days old)."


def test_a_market_against_a_benchmark(lake: Lake) -> None:
    assert section(page_of(lake, "RUT"), "Against other markets")[-6:] == [
        "Asset managers, percentile points | +6.9",
        "Leveraged funds, percentile points | 0.0",
        "Asset managers, net of open interest | -27.0 %",
        "Leveraged funds, net of open interest | +11.7 %",
        "Price over 20 sessions | not known",
        "Price over 60 sessions | not known",
    ]


def test_alignment_says_whose_flow_and_a_setup_its_facts(lake: Lake) -> None:
    assert section(page_of(lake, "RUT"), "Setup and what followed")[:3] == [
        "Technical state: oversold downtrend.",
        "Alignment: asset managers' flow with trend.",
        "Setup: squeeze risk; one; two; three.",
    ]


def test_a_side_is_told_as_its_figure_shows_it(lake: Lake) -> None:
    page = page_of(lake, "RUT", datetime(2025, 3, 12, 21, tzinfo=UTC))
    assert page.head.text.startswith("Closed at 2,026.46. Day 0.00 %.")
    assert section(page, "Trend")[1].startswith("At SMA 20 2,026.45 (0.00 %).")
    assert section(page, "What would change the picture")[1] == (
        "A close below 2,026.46 or above 2,033.00 is outside the zone around this one."
    )
    zone = "Around the close | 2,030.00 | +0.1 ATR | 2,026.46 to 2,033.00 | 1 | 1 | 0 | 0 | 100.00 % | 0"
    assert section(page, "Levels")[0] == zone
    assert "Around the close, since 2024-02-05: e." in section(page, "Levels")


def test_markets_stand_side_by_side_the_one_asked_for_first(lake: Lake) -> None:
    found = section(page_of(lake, "SPX"), "Against other markets")
    assert "Leveraged funds, percentile of the last 156 weeks | not known | 88.5 long" in found
    assert "Close against SMA 200 | not known | -9.50 %" in found


def test_technicals(lake: Lake) -> None:
    page = page_of(lake, "RUT")
    assert page.head.text == "Closed at 1,993.69. Day -1.62 %. As known at 2025-03-13 20:00 UTC."
    assert section(page, "Trend") == [
        "SMA order from the top: 100>50>200. Last cross 50x100 down on 2025-02-19.",
        "Below SMA 20 2,148.40 (-7.20 %). Below SMA 50 2,219.87 (-10.19 %). Below SMA 200 2,203.02 (-9.50 %)."
        " SMA 100: not known, the history is too short.",
        "The 52-week range is not known: the history is too short. -18.33 % from the highest close on file.",
    ]
    assert section(page, "Momentum") == [
        "RSI 14 at 24.1, under 30.",
        "MACD -60.00 is below its signal -47.66 (histogram -12.35).",
        "The close is below the Bollinger bands, 2,000.00 to 2,300.00.",
        "ATR 14 and volatility are not known: the history is too short.",
    ]


def test_levels_with_distances(lake: Lake) -> None:
    record = "9 | 6 | 2 | 1 | 75.00 % | 3"
    assert section(page_of(lake, "RUT"), "Levels") == [
        f"Support | 1,922.00 | -1.6 ATR | 1,912.00 to 1,932.00 | {record}",
        f"Support | 1,900.00 | -2.0 ATR | 1,890.00 to 1,910.00 | {record}",
        f"Resistance | 2,035.50 | +0.9 ATR | 2,025.50 to 2,045.50 | {record}",
        "Nearest support, since 2024-02-05: swing low 2024-02-05 at 1922.0.",
        "Nearest resistance, since 2024-02-05: swing high 2024-02-05 at 2035.5.",
        "Of 1 decided touch of this market's zones 100.00 % held.",
        "In a range since 2025-03-03: floor 1,980.00 (-0.69 %), ceiling 2,080.00 (+4.33 %);"
        " the close is at 13.69 % of it. Core 1,985.00 to 2,070.00.",
        "POC of 250 sessions 2,064.00 (+3.53 % from the close), value area 1,990.50 to 2,235.25:"
        " the close is inside it. Volume of IWM.",
    ]


def test_what_would_change_the_picture(lake: Lake) -> None:
    assert section(page_of(lake, "RUT"), "What would change the picture") == [
        "A close above 2,020.00 (+1.32 %) takes RSI 14 over 30.",
        "No close of the next session within 10 ATR takes RSI 14 over 70.",
        "No close of the next session takes SMA 50 under SMA 200. At unchanged closes they do not cross.",
        "A close below 1,912.00 leaves the nearest support zone behind.",
        "A close above 2,045.50 leaves the nearest resistance zone behind.",
        "A close below 1,980.00 or above 2,080.00 is outside the range: it widens it, or is one of ten that end it.",
        "Next COT report: positions of 2025-03-11, due 2025-03-14 19:30 UTC.",
    ]


def test_what_followed_is_counted_at_the_moment(lake: Lake) -> None:
    title = "Setup and what followed"
    followed = "Support, swing low | 1990-01-02 | 10 | 10 | 6 | 3 | too few | too few | too few"
    assert followed in section(page_of(lake, "RUT"), title)
    assert section(page_of(lake, "RUT", datetime(2025, 3, 12, 21, tzinfo=UTC)), title) == [
        "Technical state: no trend.",
        "Setup and alignment: not known: the report of 2025-02-25 is 15 days old.",
    ]


def test_what_is_not_known_is_said_and_never_a_zero(lake: Lake) -> None:
    page = page_of(lake, "SPX")
    assert section(page, "Positioning") == ["No COT contract: no positions."]
    assert section(page, "Levels") == [
        "Support: no level known.",
        "Resistance: no level known.",
        "No touch of this market's zones is decided yet.",
        "The close is in no open consolidation range.",
        "POC and value area of 250 sessions are not known.",
    ]
    assert section(page, "What would change the picture") == [
        "Trigger closes are not known: the history is too short.",
        "No COT release concerns this market.",
    ]
    assert all(figure.value is not None for figure in page.figures)


def test_a_missing_session_is_seen_where_numbers_are_read(tmp_path: Path) -> None:
    sessions = [
        {
            "calendar": "XNYS",
            "session_date": f"2025-03-{day}",
            "open_at": f"2025-03-{day}T13:30Z",
            "close_at": f"2025-03-{day}T20:00Z",
        }
        for day in (10, 11, 12, 13)
    ]
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    bars = [
        {"symbol": "^RUT", "session_date": day, "known_at": f"{day}T20:00Z", **prices}
        for day in ("2025-03-10", "2025-03-12")
    ]
    rows = [mart_row("RUT", "2025-03-10"), mart_row("RUT", "2025-03-12", missing_sessions_252d=1)]
    lake = publish(tmp_path, rows, source="files", more={Sessions: sessions, PriceVintages: bars})
    page = page_of(lake, "RUT")
    due = "session 2025-03-13 was due 2025-03-13 20:00 UTC, 1 missing by now"
    assert page.head.text == (
        "Closed at 2,000.00. Day: none, session 2025-03-11 is missing. As known at 2025-03-12 20:00 UTC. "
        f"Missing: the prices of ^RUT end at 2025-03-12: {due}."
    )
    evening = page_of(lake, "RUT", datetime(2025, 3, 13, 20, 35, tzinfo=UTC))
    assert due in evening.head.text
    assert section(page, "Trend")[-1] == "The last 252 sessions lack 1: windows of bars span that gap."
    first = page_of(lake, "RUT", datetime(2025, 3, 10, 21, tzinfo=UTC))
    assert "The first close: no change is known." in first.head.text
    assert "Missing" not in first.head.text
    assert not any("lack" in text for text in section(first, "Trend"))


def test_every_query_returns_its_figure(lake: Lake) -> None:
    figures = [figure for page in read_brief(lake, None, None).pages for figure in page.figures]
    with open_warehouse(lake.warehouse) as connection:
        for figure in figures:
            assert connection.sql(figure.query).fetchall() == [(figure.value,)], figure.query


def test_evidence_is_under_each_figure(lake: Lake) -> None:
    lines = read_brief(lake, "RUT", None).text(evidence=True).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("- RSI 14"))
    key = "market = 'RUT' and session_date = date '2025-03-13'"
    assert lines[at + 1] == f"    - 24.1 ← `select rsi_14 from marts.positioning_vs_technicals where {key}`"


def test_every_market_says_sample_at_head_and_foot(lake: Lake) -> None:
    found = read_brief(lake, None, None)
    assert [page.market["market"] for page in found.pages] == ["RUT", "SPX"]
    lines = found.text().splitlines()
    assert lines.count(f"> {SAMPLE}") == 4
    assert lines[0] == lines[-1] == f"> {SAMPLE}"


def test_real_data_has_no_banner(tmp_path: Path) -> None:
    text = read_brief(publish(tmp_path, [FULL], source="files"), None, None).text()
    assert text.startswith("# RUT, RUT: 2025-03-13")
    assert "SAMPLE" not in text
    assert "No other market is known at this moment." in text


def test_inside_a_session_the_last_finished_one_counts(lake: Lake) -> None:
    page = page_of(lake, "RUT", datetime(2025, 3, 13, 19, 59, tzinfo=UTC))
    assert page.head.text.startswith("Closed at 2,026.46.")


@pytest.mark.parametrize(
    ("market", "moment", "message"),
    [
        ("XYZ", None, "no market 'XYZ' is published; next: one of RUT, SPX; a market that was added comes with"),
        ("RUT", datetime(2020, 1, 1, tzinfo=UTC), "no session is known by 2020-01-01"),
    ],
)
def test_nothing_to_say_says_what_there_is(lake: Lake, market: str, moment: datetime | None, message: str) -> None:
    with pytest.raises(R2kError) as error:
        read_brief(lake, market, moment)
    assert message in str(error.value)


def test_without_a_session_a_note_on_all_markets_is_refused(lake: Lake) -> None:
    missing = (
        r"no session is known by 2020-01-01 00:00 UTC; next: 20\d\d-\d\d-\d\d, the first session that is published"
    )
    with open_snapshot(lake, datetime(2020, 1, 1, tzinfo=UTC)) as snapshot, pytest.raises(R2kError, match=missing):
        read_notes(snapshot)


def test_of_positions_alone_there_is_a_status_and_no_note(tmp_path: Path) -> None:
    """Crude alone: its report is the disaggregated one, and no later moment brings prices."""
    crude = {"market": "CL", "name": "Crude", "calendar": "XNYS", "primary_report_type": "disaggregated_futures"}
    report = {"report_type": "disaggregated_futures", "contract_code": "067651", "report_date": "2025-03-11"}
    released = dict.fromkeys(("known_at", "released_at"), "2025-03-14T19:30Z")
    positions = [{**report, **released, "trader_group": "managed_money", "release_basis": "scheduled"}]
    lake = publish(tmp_path, [], source="files", more={Markets: [crude], CotPositions: positions})
    status = read_status(Settings(lake=tmp_path, source="files"))
    assert status.last_report == date(2025, 3, 11)
    assert [hole for hole in status.holes if "sessions of XNYS" in hole] == []
    missing = r'no market has prices, so no brief, note or chart; next: r2k sql --source files .* "from movers\(now'
    with open_snapshot(lake, None) as snapshot, pytest.raises(R2kError, match=missing):
        read_notes(snapshot)


def test_json_says_the_same_with_references(lake: Lake) -> None:
    found = read_brief(lake, "RUT", None)
    as_dict = found.as_dict()
    assert (as_dict["label"], as_dict["is_sample"]) == (SAMPLE, True)
    (page,) = as_dict["markets"]
    assert (page["market"], page["session_date"], page["label"]) == ("RUT", "2025-03-13", SAMPLE)
    (momentum,) = (section for section in page["sections"] if section["title"] == "Momentum")
    assert momentum["statements"][0] == {
        "text": "RSI 14 at 24.1, under 30.",
        "figures": [
            {
                "text": "24.1",
                "value": 24.08,
                "unit": "0..100",
                "table": "marts.positioning_vs_technicals",
                "key": {"market": "RUT", "session_date": "2025-03-13"},
                "column": "rsi_14",
                "query": "select rsi_14 from marts.positioning_vs_technicals"
                " where market = 'RUT' and session_date = date '2025-03-13'",
            }
        ],
    }
    texts = [statement["text"] for section in page["sections"] for statement in section["statements"]]
    assert all(text in found.text() for text in texts)
    (positions,) = next(part["tables"] for part in page["sections"] if part["title"] == "Positioning")
    assert positions["head"][:3] == ("", "net contracts", "of open interest")
    assert positions["lines"][0][1]["figures"][0]["value"] == 11_308.0
    assert "| Leveraged funds | +11,308       | +2.5 %" in found.text()


def test_a_null_with_nothing_else_to_say_is_an_error() -> None:
    row = Row("features.daily_indicators", {"market": "RUT", "session_date": None, "rsi_14": None})
    with pytest.raises(ValueError, match=re.escape("features.daily_indicators.rsi_14 is null in 'RSI {}.'")):
        say("RSI {}.", row.show("rsi_14"))
