"""sql/checks: each finds what it is for and leaves alone what looks like it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2k_pipeline.contracts.cot import CotPositions, CotReports
from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.contracts.meta import Quarantine
from r2k_pipeline.contracts.prices import DailyPrices, PriceActions, PriceBars
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import run_model
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.findings import findings_model, read_checks
from r2k_pipeline.tables.reference import CatalogueContracts, MarketContracts, MarketSymbols, Sessions
from tests.sql.rows import Given, Row, bar, contract, derive, fitting, release, report, session, symbol

CHECKS = {check.name: check for check in read_checks(shipped("sql/checks"))}
FIRST = date(2024, 1, 1)


def found(name: str, given_rows: Given) -> dict[str, str]:
    """Evidence by row key of what one check finds in `given_rows`."""
    return dict(findings(name, given_rows).select("row_key", "evidence").iter_rows())


def findings(name: str, given_rows: Given, as_of: datetime = datetime(2100, 1, 1, tzinfo=UTC)) -> pl.DataFrame:
    """What one check finds in `given_rows`, as rows that fit meta.findings."""
    model = findings_model((CHECKS[name],))
    frames = {upstream: derive(TABLES[upstream], given_rows) for upstream in model.upstreams}
    variables = {"as_of": as_of}
    rows = run_model(model, {upstream: [] for upstream in frames}, variables, memory_limit="1GB", empty=frames)
    return fitting(Findings, rows)


def price(name: str, day: str | date, close: float, high: float = 0, low: float = 0, **more: Any) -> Row:
    """A bar as known at its close; 1 % of range around the close unless told."""
    prices = {"open": close, "high": high or close * 1.005, "low": low or close * 0.995, "close": close}
    return {"symbol": name, "session_date": str(day), **prices, "known_at": f"{day}T21:00Z", "volume": 1e6, **more}


RUSSELL = [symbol("^RUT", "index"), symbol("IWM", "proxy"), symbol("RTY=F", "future"), symbol("^VIX", "context")]


def series(name: str, values: list[dict[str, Any]], close: float = 100) -> list[Row]:
    """Bars of consecutive days from FIRST, each a little above the one before."""
    return [
        price(name, FIRST + timedelta(days=i), value.pop("close", close + i / 100), **value)
        for i, value in enumerate(values)
    ]


def two_days(index: Row, etf: Row, future: Row | None = None) -> Given:
    """A quiet day of index, ETF and future, then these."""
    before = [price("^RUT", "2024-07-18", 2200), price("IWM", "2024-07-18", 220), price("RTY=F", "2024-07-18", 2210)]
    bars = [*before, index, etf, *([future] if future else [])]
    sessions = [session("2024-07-18"), session("2024-07-19")]
    return {MarketSymbols: RUSSELL, DailyPrices: bars, Sessions: sessions}


ETF = price("IWM", "2024-07-19", 218, 220, 217)
FUTURE = price("RTY=F", "2024-07-19", 2190, 2212, 2180)


@pytest.mark.parametrize(
    ("index", "column"),
    [
        (price("^RUT", "2024-07-19", 2180, 2261, 2175), "high 2261.00"),
        (price("^RUT", "2024-07-19", 2180, 2205, 2110), "low 2110.00"),
        (price("^RUT", "2024-07-19", 2250, 2260, 2190), "close 2250.00"),
    ],
)
def test_a_price_that_no_witness_comes_near_is_an_outlier(index: Row, column: str) -> None:
    assert list(found("price_outliers", two_days(index, ETF, FUTURE))) == ["^RUT 2024-07-19"]
    (evidence,) = found("price_outliers", two_days(index, ETF, FUTURE)).values()
    assert evidence.startswith(column)
    assert "IWM and RTY=F" in evidence


def test_an_outlier_is_found_when_the_prices_of_all_witnesses_would_be_final() -> None:
    slow = [symbol("^RUT", "index"), symbol("IWM", "proxy"), {**symbol("RTY=F", "future"), "final_minutes": 60}]
    given_rows: Given = {**two_days(price("^RUT", "2024-07-19", 2180, 2261, 2175), ETF), MarketSymbols: slow}
    final_at = datetime(2024, 7, 19, 22, tzinfo=UTC)
    assert findings("price_outliers", given_rows, final_at - timedelta(minutes=1)).is_empty()
    assert findings("price_outliers", given_rows, final_at)["known_at"].to_list() == [final_at]


def test_cents_that_the_close_before_shows_are_known_then_whatever_the_future_says_later() -> None:
    (index, *_), future = series("^RUT", [{}, {}]), price("RTY=F", "2024-01-02", 100, known_at="2024-01-02T22:00Z")
    cents = price("^RUT", "2024-01-02", 10_000)
    without = findings("values_off_by_100", {MarketSymbols: RUSSELL, DailyPrices: [index, cents]})
    both = findings("values_off_by_100", {MarketSymbols: RUSSELL, DailyPrices: [index, cents, future]})
    assert both.height == 1
    assert both.equals(without)


@pytest.mark.parametrize(
    ("index", "etf", "future"),
    [
        (price("^RUT", "2024-07-19", 2180, 2205, 2172), ETF, FUTURE),
        # The future traded as high as the index says.
        (price("^RUT", "2024-07-19", 2180, 2261, 2175), ETF, price("RTY=F", "2024-07-19", 2190, 2271, 2180)),
        # A gap down, and an index whose first ticks repeat yesterday's close.
        (price("^RUT", "2024-07-19", 2100, 2200, 2095), price("IWM", "2024-07-19", 210, 211, 209), None),
        # The ETF paid 1.3 %: its return is another one, its range is not.
        (price("^RUT", "2024-07-19", 2200, 2210, 2190), price("IWM", "2024-07-19", 217.1, 218, 216), None),
    ],
)
def test_what_a_witness_confirms_is_no_outlier(index: Row, etf: Row, future: Row | None) -> None:
    assert not found("price_outliers", two_days(index, etf, future))


@settings(max_examples=8, deadline=None)
@given(scale=st.floats(1e-2, 1e3), etf_scale=st.floats(1e-2, 1e3), high=st.floats(2190, 2300))
def test_outliers_do_not_depend_on_the_scale_of_prices(scale: float, etf_scale: float, high: float) -> None:
    def scaled(row: Row, by: float) -> Row:
        return {**row, **{name: row[name] * by for name in ("open", "high", "low", "close")}}

    plain = two_days(price("^RUT", "2024-07-19", 2180, high, 2175), ETF)
    bars = [scaled(row, scale if row["symbol"] == "^RUT" else etf_scale) for row in plain[DailyPrices]]
    assert found("price_outliers", plain).keys() == found("price_outliers", {**plain, DailyPrices: bars}).keys()


def closes_of(name: str, moves: dict[int, float], scale: float, days: int = 40) -> list[Row]:
    """Raw bars of consecutive days at 100 times `scale`, but for `moves` by day number."""
    return [
        bar(name, str(FIRST + timedelta(days=i)), scale * (100 + moves.get(i, 0) + i % 3 / 100)) for i in range(days)
    ]


@pytest.mark.parametrize(
    ("index", "fund", "is_found"),
    [
        ({30: 0.5}, {}, True),
        ({30: -0.5}, {}, True),
        ({30: 0.3}, {}, False),  # within what a fund strays
        (dict.fromkeys(range(30, 40), 0.5), {}, False),  # does not come back: the fund may be wrong as well
        ({30: 0.5}, {30: 0.5}, False),
        ({30: 0.5, 31: -0.4}, {}, False),  # comes back nearly twice
        ({}, dict.fromkeys(range(30, 40), -0.5), False),  # the fund went ex
        ({10: 0.5}, {}, False),  # too early to say how closely the fund follows
    ],
)
def test_a_close_that_the_fund_does_not_follow_and_that_comes_back_is_wrong(
    index: dict[int, float], fund: dict[int, float], is_found: bool
) -> None:
    bars = closes_of("^RUT", index, 20) + closes_of("IWM", fund, 2)
    evidence = found("wrong_closes", _lived(bars))
    assert list(evidence) == (["^RUT 2024-01-31"] if is_found else [])
    assert not is_found or "by the return of IWM 2000.00" in evidence["^RUT 2024-01-31"]


def _lived(bars: list[Row], *actions: Row) -> Given:
    days = sorted({row["session_date"] for row in bars})
    return {MarketSymbols: RUSSELL, PriceBars: bars, PriceActions: actions, Sessions: [session(day) for day in days]}


def test_a_dividend_is_part_of_the_funds_return() -> None:
    """The fund pays 0.5 % on the day, and falls back the next: its price alone would accuse the index."""
    bars = closes_of("^RUT", {}, 20) + closes_of("IWM", {30: -0.5}, 2)
    paid = {"symbol": "IWM", "action_date": str(FIRST + timedelta(days=30)), "kind": "dividend", "amount": 1.0}
    assert list(found("wrong_closes", _lived(bars))) == ["^RUT 2024-01-31"]
    assert not found("wrong_closes", _lived(bars, paid))


def test_a_wrong_close_shows_with_the_next_bar() -> None:
    rows = findings("wrong_closes", _lived(closes_of("^RUT", {30: 0.5}, 20) + closes_of("IWM", {}, 2)))
    assert [moment.day for moment in rows["known_at"]] == [1], "of February"


def test_an_index_without_volume_for_once_was_never_settled() -> None:
    volumes = [{"volume": 5e9}, {"volume": 0.0}, {"volume": 0.0, "close": 2395.653564}, {"volume": 5e9}]
    bars = series("^RUT", volumes) + series("^VIX", [{"volume": 0.0}] * 4) + series("IWM", [{}, {"volume": 0.0}])
    evidence = found("unsettled_bars", {MarketSymbols: RUSSELL, DailyPrices: bars})
    assert ["not rounded" in text for text in evidence.values()] == [False, True]
    assert list(evidence) == ["^RUT 2024-01-02", "^RUT 2024-01-03"]


def test_the_symbol_whose_volume_began_later_is_the_copy() -> None:
    bars = [*series("^GSPC", [{"volume": v} for v in (1.0, 4.67e9, 5.06e9, 0.0)]),
            *series("^RUT", [{"volume": v} for v in (None, 4.67e9, 5.07e9, 0.0)])]  # fmt: skip
    assert list(found("volume_copies", {DailyPrices: bars})) == ["^RUT 2024-01-02"]


def test_a_volume_of_almost_nothing_is_found_where_there_used_to_be_some() -> None:
    usual = [{"volume": 17e6 + i} for i in range(25)]
    bars = series("IWM", [{"volume": 1.0}, *usual, {"volume": 1200.0}, {"volume": 2e6}, {"volume": None}])
    bars += series("^RUT", [*usual, {"volume": 0.0}])
    assert list(found("small_volumes", {MarketSymbols: RUSSELL, DailyPrices: bars})) == ["IWM 2024-01-27"]


def test_a_bar_or_a_volume_repeated_from_the_day_before_is_stale() -> None:
    at = {"close": 50.0}
    bars = [
        *series("IWM", [{"volume": 1.0}, {"volume": 2.0}, {"volume": 245291.0}, {"volume": 245291.0}]),
        *series("SPY", [{**at, "volume": 3.0}, {**at, "volume": 4.0}]),
        *series("^GSPC", [{"volume": 2_010_000.0}] * 2),  # rounded to 10,000: a repeat is chance
        *series("^VIX", [{**at, "high": 50.0, "low": 50.0, "volume": 0.0} for _ in range(2)]),  # closes only
    ]
    evidence = found("stale_bars", {DailyPrices: bars})
    assert list(evidence) == ["IWM 2024-01-04", "SPY 2024-01-02"]
    assert "volume" in evidence["IWM 2024-01-04"]
    assert "open, high, low and close" in evidence["SPY 2024-01-02"]


def settled(bars: list[Row]) -> list[Row]:
    """The bars with volumes that are known at 09:00 of the day after."""
    return [
        {**row, "volume_known_at": f"{date.fromisoformat(row['session_date']) + timedelta(days=1)}T09:00Z"}
        for row in bars
    ]


USUAL = [17e6 + i for i in range(25)]
COPIED = [*(None for _ in range(24)), USUAL[-1]]


@pytest.mark.parametrize(
    ("check", "bars"),
    [
        ("small_volumes", series("IWM", [{"volume": v} for v in (*USUAL, 1200.0)])),
        ("unsettled_bars", series("^RUT", [{"volume": v} for v in (*USUAL, 0.0)])),
        ("stale_bars", series("IWM", [{"volume": v} for v in (*USUAL, USUAL[-1])])),
        (
            "volume_copies",
            [*series("^GSPC", [{"volume": v} for v in USUAL]), *series("^RUT", [{"volume": v} for v in COPIED])],
        ),
    ],
)
def test_what_a_volume_says_is_known_when_the_volume_is(check: str, bars: list[Row]) -> None:
    (row,) = findings(check, {MarketSymbols: RUSSELL, DailyPrices: settled(bars)}).rows(named=True)
    day = date.fromisoformat(str(bars[-1]["session_date"]))
    assert f"{row['known_at']:%Y-%m-%d %H:%M}" == f"{day + timedelta(days=1)} 09:00"


def test_a_volume_that_was_late_dates_what_is_said_of_the_next_one() -> None:
    late = {"volume": 245291.0, "volume_known_at": "2024-01-20T09:00Z"}
    bars = [*settled(series("IWM", [{"volume": 1.0}])), price("IWM", "2024-01-02", 102, **late)]
    bars += settled([price("IWM", "2024-01-03", 101, volume=245291.0)])
    (row,) = findings("stale_bars", {DailyPrices: bars}).rows(named=True)
    assert f"{row['known_at']:%d %H:%M}" == "20 09:00"


def test_cents_for_dollars_are_found_for_a_day_a_side_and_a_whole_history() -> None:
    bars = [*series("IWM", [{}, {"close": 10_000.0}, {}, {"low": 1.01}]), *series("^VIX", [{}, {"close": 200.0}])]
    days = found("values_off_by_100", {MarketSymbols: RUSSELL, DailyPrices: bars})
    assert list(days) == ["IWM 2024-01-02", "IWM 2024-01-03", "IWM 2024-01-04"]
    whole = [*series("^RUT", [{}, {}]), *series("RTY=F", [{}, {}], close=10_000)]
    found_whole = found("values_off_by_100", {MarketSymbols: RUSSELL, DailyPrices: whole})
    assert list(found_whole) == ["^RUT 2024-01-01", "^RUT 2024-01-02"]
    assert all("RTY=F" in evidence for evidence in found_whole.values())


def test_missing_sessions_are_listed_to_the_newest_bar_of_any_symbol_and_show_with_it() -> None:
    days = [f"2024-01-{day:02}" for day in (2, 3, 5)]
    given_rows: Given = {
        MarketSymbols: RUSSELL,
        Sessions: [session(day) for day in (*days, "2024-01-04", "2024-01-08", "1969-12-25")],
        DailyPrices: [price("^RUT", day, 100) for day in ("1969-12-24", *days)]
        + [price("IWM", "2024-01-02", 100), price("IWM", "2024-01-05", 100)],
    }
    rows = findings("missing_sessions", given_rows)
    assert rows["row_key"].to_list() == ["IWM 2024-01-03", "IWM 2024-01-04", "^RUT 2024-01-04"]
    assert [moment.day for moment in rows["known_at"]] == [3, 5, 5], "a day that all lack is seen at the next"


def test_a_session_is_not_missing_before_its_price_would_be_final() -> None:
    """VIX's comes a quarter of an hour after the close of shares, at which the index's is known."""
    days = ("2024-01-02", "2024-01-03")
    given_rows: Given = {
        MarketSymbols: [symbol("^RUT", "index"), symbol("^VIX", "context") | {"final_minutes": 15}],
        Sessions: [session(day) for day in days],
        DailyPrices: [price("^VIX", days[0], 100), *(price("^RUT", day, 100) for day in days)],
    }
    close = datetime(2024, 1, 3, 21, tzinfo=UTC)
    assert findings("missing_sessions", given_rows, close).is_empty()
    assert findings("missing_sessions", given_rows)["known_at"].to_list() == [close + timedelta(minutes=15)]


def test_a_refused_bar_of_a_day_without_a_session_is_listed_with_what_it_said() -> None:
    def refused(day: str) -> Row:
        written = f'{{"symbol":"RTY=F","session_date":"{day}","close":"2247.6"}}'
        return {"table_name": "raw.price_bars", "row_key": f"RTY=F {day}", "rule": "close_within_range",
                "row_values": written, "recorded_at": "2025-07-14T22:00Z"}  # fmt: skip

    rows = [refused("2025-07-13"), refused("2025-07-11"), refused("yesterday")]
    given_rows: Given = {MarketSymbols: RUSSELL, Sessions: [session("2025-07-11")], Quarantine: rows}
    evidence = found("bars_on_closed_days", given_rows)
    assert list(evidence) == ["RTY=F 2025-07-13"]
    assert evidence["RTY=F 2025-07-13"].startswith("Sunday")
    assert "2247.6" in evidence["RTY=F 2025-07-13"]


def position(code: str, day: str, long: int, short: int, oi: int = 1000, group: str = "dealer", **more: Any) -> Row:
    """One group's positions, released on the Friday after a Tuesday."""
    friday = f"{date.fromisoformat(day) + timedelta(days=3)}T20:30Z"
    row = {"report_type": "tff_futures", "contract_code": code, "report_date": day, "trader_group": group,
           "long_contracts": long, "short_contracts": short, "open_interest_contracts": oi,
           "released_at": friday, "known_at": friday}  # fmt: skip
    return {**row, **more}


@pytest.mark.parametrize(("gap", "is_found"), [(3, False), (4, True)])
def test_sums_beyond_rounding_are_found(gap: int, is_found: bool) -> None:
    rows = [position("13874+", "2025-03-11", 600, 1000 - gap, spreading_contracts=0),
            position("13874+", "2025-03-11", 400, 0, group="nonreportable")]  # fmt: skip
    evidence = found("sums_off_open_interest", {CotPositions: rows})
    assert bool(evidence) is is_found
    assert not is_found or f"{-gap:+d} from it" in evidence["tff_futures 13874+ 2025-03-11"]


@pytest.mark.parametrize(
    ("code", "printed", "is_found"),
    [("239742", 10, False), ("239742", 11, True), ("13874+", 11, False), ("13874+", 12, True)],
)
def test_printed_changes_are_held_against_adjacent_reports(code: str, printed: int, is_found: bool) -> None:
    days = ("2025-03-04", "2025-03-11", "2025-03-25")
    rows = [position(code, day, 300 + 10 * week, 100) for week, day in enumerate(days)]
    changes = {"long_contracts_change_1w": printed, "short_contracts_change_1w": 0}
    given_rows: Given = {
        CotReleases: [release(day) for day in (*days, "2025-03-18")],
        # The last one's report before is missing: nothing to hold it against.
        CotPositions: [rows[0], {**rows[1], **changes}, {**rows[2], "long_contracts_change_1w": 999}],
    }
    evidence = found("changes_off", given_rows)
    assert list(evidence) == ([f"tff_futures {code} 2025-03-11"] if is_found else [])
    assert not is_found or f"{printed:+d} printed, +10 counted" in next(iter(evidence.values()))


def test_the_two_reports_open_interest_is_one_number() -> None:
    legacy = {"report_type": "legacy_futures", "group": "commercial"}
    rows = [position("239742", "2025-03-11", 1, 1, 1000), position("239742", "2025-03-11", 1, 1, 1001, **legacy),
            position("13874A", "2025-03-11", 1, 1, 500), position("13874A", "2025-03-11", 1, 1, 500, **legacy),
            position("209742", "2025-03-11", 1, 1, 500, report_type="tff_combined"),
            position("209742", "2025-03-11", 1, 1, 499, **legacy)]  # fmt: skip
    evidence = found("legacy_against_families", {CotPositions: rows})
    assert evidence == {"tff_futures 239742 2025-03-11": "open interest 1000, in legacy_futures 1001"}


DISAGGREGATED = {
    "producer_merchant": (200, 500, None),
    "swap_dealer": (150, 90, 40),
    "managed_money": (300, 60, 25),
    "other_reportables": (70, 110, 15),
    "nonreportable": (200, 160, None),
}
"""Long, short and spreading contracts of gold, which make an open interest of 1000."""
IN_LEGACY = {"noncommercial": (370, 170, 40), "commercial": (390, 630, None), "nonreportable": (200, 160, None)}
"""The same positions as the legacy report splits them."""


@pytest.mark.parametrize(
    ("code", "scope", "off", "named"),
    [
        pytest.param("088691", "futures", 0, None, id="the same"),
        pytest.param("088691", "futures", 1, "reportable longs 800, in legacy_futures 801", id="off by one"),
        pytest.param("088691", "combined", 3, None, id="rounding of a combined row"),
        pytest.param("088691", "combined", 4, "reportable longs 800, in legacy_combined 804", id="beyond rounding"),
    ],
)
def test_the_groups_of_the_disaggregated_report_sum_to_those_of_the_legacy_one(
    code: str, scope: str, off: int, named: str | None
) -> None:
    def rows(family: str, groups: dict[str, tuple[int, int, int | None]]) -> list[Row]:
        return [
            position(code, "2024-03-12", long, short, 1000, group, spreading_contracts=spreading)
            | {"report_type": f"{family}_{scope}"}
            for group, (long, short, spreading) in groups.items()
        ]

    long, short, spreading = IN_LEGACY["commercial"]
    legacy = IN_LEGACY | {"commercial": (long + off, short, spreading)}
    given_rows: Given = {CotPositions: rows("disaggregated", DISAGGREGATED) + rows("legacy", legacy)}
    assert found("legacy_against_families", given_rows) == (
        {f"disaggregated_{scope} {code} 2024-03-12": named} if named else {}
    )
    assert found("sums_off_open_interest", {CotPositions: rows("disaggregated", DISAGGREGATED)}) == {}


def test_what_the_weekly_file_says_otherwise_is_named_value_by_value() -> None:
    refused = {
        "table_name": "raw.cot_reports",
        "source": "files:cot/FinFutWk.txt",
        "rule": "differs from files:cot/fut_fin_txt_2025.zip",
        "row_key": "tff_futures 239742 2025-03-11",
        "row_values": '{"report_type":"tff_futures","contract_code":"239742","report_date":"2025-03-11",'
        '"open_interest_contracts":"1000.0","leveraged_funds_long_contracts":"301",'
        '"contract_units":"($50 X INDEX)"}',
        "recorded_at": "2025-03-15T00:00Z",
    }
    given_rows: Given = {CotReports: [report("239742", "2025-03-11", 300, 100)], Quarantine: [refused]}
    evidence = found("reports_that_differ", given_rows)["tff_futures 239742 2025-03-11"]
    assert evidence.startswith("leveraged_funds_long_contracts 301 in files:cot/FinFutWk.txt")
    assert evidence.endswith(": 300")
    assert "open_interest" not in evidence
    assert "units" not in evidence


def test_missing_weeks_are_named_once_and_missing_contracts_by_code() -> None:
    weeks = ["2025-03-04", "2025-03-11", "2025-03-18", "2025-03-25", "2025-04-01"]
    present = {"13874A": weeks[:2] + weeks[3:], "239742": [weeks[0], weeks[3]], "239747": [weeks[0], weeks[4]]}
    present["099741"] = [weeks[0], weeks[3]]  # of a market without prices
    given_rows: Given = {
        MarketContracts: [contract("13874A", market="SPX"), contract("239742"), contract("099741", market="6E")],
        MarketSymbols: [symbol("^RUT", "index"), {**symbol("^GSPC", "index"), "market": "SPX"}],
        CotReleases: [release(day) for day in weeks],
        CotPositions: [position(code, day, 1, 1) for code, days in present.items() for day in days],
    }
    evidence = found("missing_reports", given_rows)
    assert list(evidence) == ["tff_futures 2025-03-18", "tff_futures 239742 2025-03-11"]
    assert "between 2025-03-11 and 2025-03-25" in evidence["tff_futures 2025-03-18"]


def test_a_contract_that_comes_back_years_later_was_not_missing() -> None:
    lives = [contract("239742", last="2008-09-30"), contract("239742", first="2017-08-15")]
    weeks = ["2008-09-16", "2008-09-23", "2017-08-15", "2017-08-22"]
    given_rows: Given = {
        MarketContracts: lives,
        CotReleases: [release(day) for day in weeks],
        CotPositions: [position("239742", day, 1, 1) for day in ("2008-09-16", "2017-08-22")]
        + [position("23977A", day, 1, 1) for day in weeks],
    }
    assert not found("missing_reports", given_rows)


def test_the_catalogue_lacks_a_code_a_name_or_an_end() -> None:
    """The Russell is renamed after the name that is listed, gold ends, and a code is new."""
    weeks = [str(date(2023, 1, 3) + timedelta(weeks=n)) for n in range(60)]
    names = {"239742": ("RUSSELL", "RUSSELL E-MINI"), "088691": ("GOLD", "GOLD"), "099741": ("EURO", "EURO")}
    present = {"239742": weeks, "088691": weeks[:5], "099741": weeks[7:]}
    listed = {"239742": "RUSSELL", "088691": "GOLD"}
    given_rows: Given = {
        CatalogueContracts: [{**contract(code), "listed_name": name} for code, name in listed.items()],
        CotReleases: [release(day) for day in weeks],
        CotReports: [
            {**report(code, day, 300, 100), "market_name": names[code][day > weeks[9]]}
            for code, days in present.items()
            for day in days
        ],
    }
    found_rows = findings("catalogue_codes", given_rows)
    assert dict(found_rows.select("row_key", "evidence").iter_rows()) == {
        f"tff_futures 088691 {weeks[4]}": "ended: GOLD is in no report of the 52 weeks after this one",
        f"tff_futures 099741 {weeks[7]}": "new: EURO, open interest 1000",
        f"tff_futures 239742 {weeks[10]}": "renamed: RUSSELL E-MINI, in the catalogue RUSSELL",
    }
    assert set(found_rows["severity"]) == {"info"}
    (ended_at,) = found_rows.filter(contract_code="088691")["known_at"]
    assert str(ended_at.date()) == str(date.fromisoformat(weeks[56]) + timedelta(days=3))


def test_every_check_has_a_test_here() -> None:
    source = Path(__file__).read_text("utf-8")
    assert [name for name in CHECKS if f'("{name}", ' not in source] == []


def test_a_check_that_does_not_say_its_table_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("nameless.sql").write_text("-- Why.\n-- on: staging.nothing  severity: warn\nselect 1")
    with pytest.raises(ValueError, match=r"nameless\.sql"):
        read_checks(tmp_path)


@pytest.mark.parametrize(
    ("recorded_at", "source", "is_found"),
    [
        pytest.param("2024-12-30T12:00Z", "https://cftc/2024.zip", False, id="while the year ran"),
        pytest.param("2025-01-01T02:00Z", "https://cftc/2024.zip", False, id="New Year in London, not in Washington"),
        pytest.param("2025-01-02T12:00Z", "https://cftc/2024.zip", True, id="when it was over"),
        pytest.param("2025-01-02T12:00Z", "files:cot/2024.zip", False, id="a file proves nothing of the archive"),
    ],
)
def test_a_closed_years_archive_that_changes_is_found(recorded_at: str, source: str, is_found: bool) -> None:
    live = {"source": "https://cftc/2024.zip"}
    first = report("239742", "2024-03-12", 300, 100, recorded_at="2024-03-15T20:00Z", **live)
    other = report("239742", "2024-12-31", 300, 100, recorded_at="2025-01-06T21:00Z", **live)
    again = {**first, "leveraged_funds_long_contracts": 301, "recorded_at": recorded_at, "source": source}
    again |= {"nonreportable_long_contracts": 699}
    evidence = found("closed_years_changed", {CotReports: [first, other, again]})
    named = f"changed in 2024.zip of {recorded_at.replace('T', ' ').replace('Z', ' UTC')}"
    assert evidence == ({"tff_futures 239742 2024-03-12": named} if is_found else {})
