"""Claims in one line: every relation on a few rows by hand, what words leave open, holes, and mistakes by line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from r2k_pipeline.claims.note import Note, read_note
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.claims.verdicts import Verdict, judge
from r2k_pipeline.contracts.marts import Markets, PositioningVintages, Sessions
from r2k_pipeline.contracts.prices import MarketBars, PriceVintages
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.indicators import DailyIndicators, MovingAverageCrosses
from r2k_pipeline.tables.levels import LevelEvidence, Levels
from tests.sql.rows import Given, Row
from tests.unit.sandboxed import sandboxed

LATER = datetime(2030, 1, 1, tzinfo=UTC)
HEAD = '[note]\ntitle = "a note"\nmoment = 2025-03-14\nmarket = "RUT"\n[claims]\n'
DAYS = [day for day in (date(2025, 3, 3) + timedelta(n) for n in range(26)) if day.weekday() < 5]
MISSING = date(2025, 3, 25)
"""A session that the bars lack."""
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
    """Every report has a release, but for one week that the positions have too many weeks before to matter."""
    rows = []
    for row in _of_reports()[::2]:
        at = dict.fromkeys(("released_at", "scheduled_at"), row["released_at"])
        rows.append({"report_date": row["report_date"], **at})
    return rows


def _bar(market: str, day: str, open_: float, high: float, low: float, close: float) -> Row:
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {"market": market, "session_date": day, "known_at": f"{day}T20:00Z", **prices}


def _vintage(day: str) -> Row:
    prices = dict.fromkeys(("open", "high", "low", "close"), 2000.0)
    return {"symbol": "^RUT", "session_date": day, "known_at": f"{day}T20:00Z", **prices}


ROWS: Given = {
    Markets: [{"market": m, "name": m, "index_symbol": f"^{m}", "calendar": "XNYS"} for m in ("RUT", "SPX")],
    Sessions: [
        {"calendar": "XNYS", "session_date": f"{day}", "open_at": f"{day}T13:30Z", "close_at": f"{day}T20:00Z"}
        for day in DAYS
    ],
    MarketBars: [_bar("RUT", day, *prices) for day, prices in BARS.items()],
    PriceVintages: [_vintage(day) for day in BARS],
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
            "rsi_30_trigger_close": 2026.0 - 60.0,
            "moving_average_order": "100>50>200",
            "drawdown_ratio": -0.16,
        }
        for day, rsi in RSI.items()
    ],
    MovingAverageCrosses: [
        {"market": "RUT", "session_date": day, "fast": 50, "slow": slow, "direction": way, "close": 2000.0}
        for day, slow, way in (("2025-03-05", 100, "down"), ("2025-03-20", 200, "down"))
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
        ("level.at = 1989, level.role = \"resistance\"", "fails"),
        ('cross.is = "50x200 down", cross.on = 2025-03-13', "fails"),
        ('cross.is = "50x100 down"', "holds"),
        ('cross.is = "50x100 down", cross.on = 2025-03-05', "holds"),
        ('cross.is = "down", cross.since = 2025-03-01', "holds"),
        ('cross.is = "50x200 down", cross.within = 4', "holds"),
        ('cross.is = "50x100", cross.count_is = 1', "holds"),
        ('move.from = 2025-03-03, move.to = 2025-03-13, move.is = "-5.93 %"', "holds"),
        ('move.from = 2025-03-03, move.below = "-3 %"', "holds"),
        ("range.from = 2025-03-03, range.to = 2025-03-13, range.low = 1996, range.high = 2100", "holds"),
        ("net.is = -341, group = \"asset_manager\"", "holds"),
        ('positioning_state.is = "neutral", positioning_state.was = "long", group = "asset_manager"', "holds"),
        ("short_contracts.is = 600, short_contracts.before = 103, group = \"asset_manager\"", "holds"),
        ("net.is = 0.018, in = \"thousand\", group = \"leveraged_funds\"", "holds"),
        ("net.above = 0, net.for = 10, group = \"leveraged_funds\"", "fails"),
        ("long.change_above = 0, long.for = 20, group = \"leveraged_funds\"", "holds"),
        ("if = { rsi_14.below = 30 }, close.above = 2000", "undetermined"),
        ("if = { rsi_14.above = 30 }, close.above = 2000", "holds"),
        ("flow.is = \"mixed\", group = \"asset_manager\"", "holds"),
        ("rsi_14.is = 52, until = 2025-03-17", "holds"),
    ],
)  # fmt: skip
def test_what_a_line_says_is_judged(sandbox: Sandbox, tmp_path: Path, words: str, verdict: str) -> None:
    note = _note(tmp_path, f'C1 = {{ says = "it is so", as_of = 2025-03-14T20:00:00Z, {words} }}')
    assert note.mistakes == ()
    found = list(judge(note, sandbox, LATER))
    assert [each.error for each in found] == [None] * len(found)
    assert found[0].finding.verdict == verdict, found[0].finding
    assert (found[0].finding.reason is None) == (verdict != "undetermined")
