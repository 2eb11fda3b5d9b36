"""marts.weekly_positioning: today's contracts, changes between adjacent reports, ranks in full windows."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from dataframely.exc import ValidationError

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.marts import WeeklyPositioning
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.reference import MarketContracts, Markets, MarketSymbols, Sessions
from tests.sql.rows import RUSSELL, RUT, Given, Row, bar, contract, derive, release, report, rows_of, session, symbol


def funds(given: Given, as_of: str = "2100-01-01T00:00Z") -> pl.DataFrame:
    return derive(WeeklyPositioning, given, as_of).filter(trader_group="leveraged_funds")


def weekly(*histories: Sequence[tuple[int, int]], first: str = "2020-01-07") -> Given:
    """Markets M0, M1, ... whose leveraged funds are (long, short), week by week from `first`."""
    days = [str(date.fromisoformat(first) + timedelta(weeks=week)) for week in range(max(map(len, histories)))]
    codes = [f"{number:06}" for number in range(len(histories))]
    return {
        Markets: [{**RUT, "market": f"M{number}"} for number in range(len(histories))],
        MarketContracts: [contract(code, market=f"M{number}") for number, code in enumerate(codes)],
        CotReleases: [release(day) for day in days],
        CotReports: [
            report(code, day, *held, open_interest=20_000)
            for code, history in zip(codes, histories, strict=True)
            for day, held in zip(days, history, strict=False)
        ],
    }


def with_net(*nets: int) -> list[tuple[int, int]]:
    """(long, short) of such nets."""
    return [(5000 + net, 5000) for net in nets]


def in_tenths(given: Given) -> Given:
    """The same reports of a contract a tenth as large, which no binary fraction holds."""
    return {**given, CotReports: [{**row, "contract_units": "(RUSSELL 2000 X $5)"} for row in given[CotReports]]}


def test_contracts_open_at_once_are_summed_each_by_its_own_multiplier() -> None:
    ice, cme = "23977A", "239742"
    given = {
        **RUSSELL,
        MarketContracts: [contract(ice, last="2018-06-05"), contract(cme, first="2017-08-15")],
        CotReleases: [release(day) for day in ("2015-12-29", "2017-08-08", "2017-09-05", "2018-06-12")],
        CotReports: [
            report(ice, "2015-12-29", 300, 100, 1000, contract_units="(RUSSELL 2000 X $100.00)"),
            report(ice, "2017-08-08", 600, 200, 2000, contract_units="(RUSSELL 2000 X $50)"),
            report(cme, "2017-08-08", 1, 1, 10),
            report(ice, "2017-09-05", 500, 200, 1900, contract_units="(RUSSELL 2000 X $50)"),
            report(cme, "2017-09-05", 40, 10, 100),
            report(ice, "2018-06-12", 7, 7, 70, contract_units="(RUSSELL 2000 X $50)"),
            report(cme, "2018-06-12", 550, 150, 2100),
        ],
    }
    columns = ("contract_codes", "long_contracts", "short_contracts", "net_contracts", "open_interest_contracts")
    assert funds(given).select(columns).rows() == [
        ("23977A", 600, 200, 400, 2000),  # one $100 contract is two of today's
        ("23977A", 600, 200, 400, 2000),  # CME's does not count yet
        ("239742, 23977A", 540, 210, 330, 2000),
        ("239742", 550, 150, 400, 2100),  # ICE's counts no more
    ]


def test_where_a_unit_cannot_be_converted_positions_and_changes_are_null_and_say_so() -> None:
    given = {
        **RUSSELL,
        CotReleases: [release(day) for day in ("2025-03-04", "2025-03-11", "2025-03-18")],
        CotReports: [
            report("239742", "2025-03-04", 3, 1),
            report("239742", "2025-03-11", 3, 1, contract_units="CONTRACTS"),
            report("239742", "2025-03-18", 4, 1),
        ],
    }
    found = funds(given)
    assert found["net_contracts"].to_list() == [2, None, 3]
    assert found["net_contracts_change_1w"].to_list() == [None, None, None]
    assert ["convertible" in basis for basis in found["change_basis"]] == [False, True, True]


def test_changes_are_null_for_the_first_report_and_across_a_gap_and_say_why() -> None:
    days = ["2018-12-11", "2018-12-18", "2018-12-24", "2019-01-15", "2019-01-22"]
    given = {
        **RUSSELL,
        CotReleases: [release(day) for day in days],
        CotReports: [report("239742", day, 300 + 10 * i * i, 100) for i, day in enumerate(days)],
    }
    found = funds(given)
    # The Monday before Christmas is adjacent to the Tuesday before; three weeks on is a gap.
    assert found["long_contracts_change_1w"].to_list() == [None, 10, 30, None, 70]
    assert found["dominant_flow"].is_null().to_list() == [True, False, False, True, False]
    bases = found["change_basis"].to_list()
    assert bases[1] is bases[2] is bases[4] is None
    assert "first" in bases[0]
    assert "gap" in bases[3]


FLOWS = {
    ((300, 100), (310, 140)): (10, 0, 40, 0, "new_shorts"),
    ((300, 100), (250, 90)): (0, 50, 0, 10, "long_liquidation"),
    ((300, 100), (310, 70)): (10, 0, 0, 30, "short_covering"),
    ((300, 100), (340, 110)): (40, 0, 10, 0, "new_longs"),
    # Ties go in the order of the columns.
    ((300, 100), (310, 110)): (10, 0, 10, 0, "new_longs"),
    ((300, 100), (290, 110)): (0, 10, 10, 0, "long_liquidation"),
    ((300, 100), (310, 90)): (10, 0, 0, 10, "new_longs"),
    ((300, 100), (290, 90)): (0, 10, 0, 10, "long_liquidation"),
    ((300, 100), (300, 100)): (0, 0, 0, 0, None),
}
"""(long, short) of two weeks: new longs, long liquidation, new shorts, short covering, and which of them dominates."""


def test_the_largest_of_the_four_flows_dominates() -> None:
    names = [f"{flow}_contracts" for flow in ("new_longs", "long_liquidation", "new_shorts", "short_covering")]
    weeks = funds(weekly(*FLOWS)).group_by("market", maintain_order=True)
    assert weeks.last().select(*names, "dominant_flow").rows() == list(FLOWS.values())
    assert set(weeks.first().select(*names, "dominant_flow").rows()) == {(None,) * 5}


def test_shares_of_open_interest_and_their_change() -> None:
    last = funds(weekly([(3000, 1000), (1500, 2500)])).row(-1, named=True)
    assert (last["net_contracts"], last["net_contracts_change_1w"]) == (-1000, -3000)
    assert (last["net_share_oi"], last["net_share_oi_change_1w"]) == (pytest.approx(-0.05), pytest.approx(-0.15))
    assert last["open_interest_contracts_change_1w"] == 0


def test_notional_is_at_the_as_of_days_close() -> None:
    given = {
        **weekly([(300, 100), (100, 150)], first="2025-03-04"),
        MarketSymbols: [symbol("^RUT", "index", market="M0")],
        Sessions: [session("2025-03-10"), session("2025-03-11")],
        PriceBars: [bar("^RUT", "2025-03-10", 2019.07), bar("^RUT", "2025-03-11", 2023.50)],
    }
    assert funds(given)["net_notional_usd"].to_list() == [None, pytest.approx(-50 * 50 * 2023.50)]


@pytest.mark.parametrize(
    ("market", "usd"),
    [
        ({}, -50 * 50 * 2023.50),
        ({"is_inverse": True}, -50 * 50 / 2023.50),
        ({"is_notional_known": False}, None),
    ],
)
def test_a_notional_is_there_where_a_close_is_usd_for_one_unit(market: Row, usd: float | None) -> None:
    given = {
        **weekly([(300, 350)], first="2025-03-11"),
        Markets: [{**RUT, "market": "M0", **market}],
        MarketSymbols: [symbol("^RUT", "index", "M0")],
        Sessions: [session("2025-03-11")],
        PriceBars: [bar("^RUT", "2025-03-11", 2023.50)],
    }
    expected = None if usd is None else pytest.approx(usd)
    assert funds(given)["net_notional_usd"].to_list() == [expected]


def test_an_unreleased_report_is_not_there() -> None:
    given = weekly([(300, 100), (310, 140)], first="2025-03-04")
    assert funds(given, "2025-03-14T20:29Z")["report_date"].to_list() == [date(2025, 3, 4)]
    assert funds(given, "2025-03-14T20:30Z")["report_date"].to_list() == [date(2025, 3, 4), date(2025, 3, 11)]


WINDOWS = {26: 24, 52: 47, 156: 141}
"""Weeks of a window, and how many of them must be there: 90 %, rounded up."""


@pytest.fixture(scope="module")
def long_history() -> tuple[list[int], pl.DataFrame]:
    """200 weeks of a random walk's net (some of it twice), and what the model makes of them."""
    steps = np.random.default_rng(7).integers(-3, 4, 200)
    nets = [int(net) for net in np.cumsum(steps)]
    return nets, funds(weekly(with_net(*nets)))


@pytest.mark.parametrize(("weeks", "needed"), WINDOWS.items())
def test_a_window_is_null_until_nine_tenths_are_there_and_then_whole(
    weeks: int, needed: int, long_history: tuple[list[int], pl.DataFrame]
) -> None:
    nets, found = long_history
    ranks = ("cot_index",) if weeks == 26 else ("cot_index", "net_percentile", "net_zscore")
    for name in (f"{rank}_{weeks}w" for rank in ranks):
        assert found[name].is_null().to_list() == [week < needed - 1 for week in range(200)], name
    for week in range(needed - 1, 200):
        window = np.array(nets[max(0, week - weeks + 1) : week + 1])
        low, high = window.min(), window.max()
        row = found.row(week, named=True)
        assert row[f"cot_index_{weeks}w"] == pytest.approx(100 * (nets[week] - low) / (high - low))
        if weeks > 26:
            assert row[f"net_percentile_{weeks}w"] == pytest.approx(100 * np.mean(window <= nets[week]))
            zscore = (nets[week] - window.mean()) / window.std(ddof=1)
            assert row[f"net_zscore_{weeks}w"] == pytest.approx(zscore)


def test_what_stands_before_a_window_changes_no_digit_of_its_ranks() -> None:
    nets = [int(net) for net in np.random.default_rng(11).integers(-999, 999, 170)]
    lasts = []
    for skipped in (0, 1, 3, 10):
        first = date(2020, 1, 7) + timedelta(weeks=skipped)
        found = funds(in_tenths(weekly(with_net(*nets[skipped:]), first=str(first))))
        lasts.append(found.tail(4).select("report_date", "net_contracts", *RANKS))
    assert lasts[0]["net_contracts"].to_list() == pytest.approx([net / 10 for net in nets[-4:]])
    assert [last.equals(lasts[0]) for last in lasts] == [True] * 4


@pytest.mark.parametrize("scaled", [dict, in_tenths])
def test_a_flat_window_has_no_index_and_no_zscore(scaled: Callable[[Given], Given]) -> None:
    """The same net each week, of other positions."""
    found = funds(scaled(weekly([(5000 + week, 4998 + week) for week in range(52)])))
    last = found.row(-1, named=True)
    assert found["net_contracts"].n_unique() == 1
    assert [last[name] for name in ("cot_index_26w", "cot_index_52w", "net_zscore_52w", "willco_26w")] == [None] * 4
    assert last["net_percentile_52w"] == 100


def test_a_missing_week_is_a_missing_week_of_the_window() -> None:
    """24 reports over 30 weeks: only 20 of the last 26 weeks are there."""
    whole = weekly(with_net(*range(30)))
    missing = {release["report_date"] for release in whole[CotReleases][10:16]}
    found = funds({**whole, CotReports: [row for row in whole[CotReports] if row["report_date"] not in missing]})
    assert found.height == 24
    assert found["cot_index_26w"].is_null().all()
    assert funds(whole)["cot_index_26w"].null_count() == 23


RANKS = (
    *("cot_index_26w", "cot_index_52w", "cot_index_156w", "net_percentile_52w", "net_percentile_156w"),
    *("net_zscore_52w", "net_zscore_156w", "willco_26w", "movement_index_6w", "positioning_state"),
)


def test_a_week_without_a_net_has_no_rank_and_is_not_among_the_weeks_of_later_ranks() -> None:
    nets = [*range(159), 5]
    given = weekly(with_net(*nets))
    reports = [
        {**row, "contract_units": "CONTRACTS"} if week == 150 else row for week, row in enumerate(given[CotReports])
    ]
    found = funds({**given, CotReports: reports})
    assert found.select("net_contracts", *RANKS).row(150) == (None,) * 11
    assert None not in found.select("net_contracts", *RANKS).row(149)
    assert found["net_weeks_156w"].to_list() == [*range(1, 151), 150, *range(151, 156), 155, 155, 155, 155]
    last = found.row(-1, named=True)
    known = {weeks: [net for week, net in enumerate(nets) if week != 150][-(weeks - 1) :] for weeks in (52, 156)}
    for weeks, among in known.items():
        assert last[f"net_percentile_{weeks}w"] == pytest.approx(100 * np.mean(np.array(among) <= 5))
        assert last[f"net_zscore_{weeks}w"] == pytest.approx((5 - np.mean(among)) / np.std(among, ddof=1))
    assert last["net_percentile_156w"] == pytest.approx(100 * 3 / 155)


def test_a_rank_of_a_week_without_a_net_breaks_the_contract() -> None:
    known = dict.fromkeys(("released_at", "known_at"), "2025-03-14T19:30Z")
    row = {"market": "RUT", "report_date": "2025-03-11", **known, "net_percentile_156w": 0.0}
    with pytest.raises(ValidationError, match="ranked_where_known"):
        rows_of(WeeklyPositioning, [row])


def test_the_state_is_the_rank_in_three_years() -> None:
    """Of 156 weeks so many have a net at or below the last one's: 10, 30, 70, 90 percent are the bounds."""
    states = {1: "extreme_short", 15: "extreme_short", 16: "short", 46: "short", 47: "neutral", 109: "neutral"}
    states |= {110: "long", 140: "long", 141: "extreme_long", 156: "extreme_long"}
    histories = [with_net(*[0] * (rank - 1), *[100] * (156 - rank), 50) for rank in states]
    found = funds(weekly(*histories)).group_by("market", maintain_order=True).last()
    assert found["net_percentile_156w"].to_list() == pytest.approx([100 * rank / 156 for rank in states])
    assert found["positioning_state"].to_list() == list(states.values())
