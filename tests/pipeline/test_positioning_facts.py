"""Dated facts of positioning, setups and outcomes on the real vendor files, from the warehouse of one run."""

from datetime import date

import pytest

from tests.lakes import Published


def test_asset_managers_and_leveraged_funds_in_the_notes_week(from_real: Published) -> None:
    found = from_real.query("""
        select trader_group, net_contracts, net_contracts_change_1w, dominant_flow, positioning_state,
            traders_long, traders_short, round(long_per_trader_contracts), concentration_net_8_short_percent
        from marts.weekly_positioning
        where market = 'RUT' and report_type = 'tff_futures' and report_date = '2025-03-11'
            and trader_group in ('asset_manager', 'leveraged_funds')
        order by trader_group""")
    managers, funds = found
    assert managers[:4] == ("asset_manager", 48_030, -23_978, "new_shorts")
    assert funds[:4] == ("leveraged_funds", 15_124, 26_432, "new_longs")
    assert managers[5:] == (92, 51, 1877, 37.7)


def test_weekly_changes_are_those_that_the_cftc_prints(each_lake: Published) -> None:
    """Where the report before is of the same contract: on 2018-06-12 the Russell's ICE contract is gone."""
    ((rows, off),) = each_lake.query("""
        with changes as (
            select *, lag(contract_codes) over (
                partition by market, report_type, trader_group order by report_date
            ) as codes_before
            from marts.weekly_positioning
        )
        select count(*), count(*) filter (
            w.long_contracts_change_1w != p.long_contracts_change_1w * f.factor
            or w.short_contracts_change_1w != p.short_contracts_change_1w * f.factor
        )
        from changes as w
        inner join staging.cot_positions as p
            on w.report_type = p.report_type and w.contract_codes = p.contract_code
            and w.report_date = p.report_date and w.trader_group = p.trader_group
        inner join marts.markets as m on w.market = m.market,
        lateral (select p.contract_multiplier_usd / m.contract_multiplier_usd as factor) as f
        where w.change_basis is null and w.codes_before = w.contract_codes and w.report_type != 'tff_combined'
            and p.long_contracts_change_1w is not null and p.short_contracts_change_1w is not null""")
    assert rows > 5000
    assert off == 0


def test_traders_and_concentrations_are_of_one_contract(from_real: Published) -> None:
    found = from_real.query("""
        select contract_codes like '%,%' as is_summed, count(traders_long) > 0,
            count(concentration_net_4_long_percent) > 0
        from marts.weekly_positioning group by is_summed order by is_summed""")
    assert found == [(False, True, True), (True, False, False)]


def test_windows_are_null_until_nine_tenths_of_them_are_there(from_real: Published) -> None:
    """Reports begin on 2017-01-03; the market of a group that is in all of them."""
    ((weeks_26, weeks_52, willco, movement),) = from_real.query("""
        select min(report_date) filter (cot_index_26w is not null), min(report_date) filter (cot_index_52w is not null),
            min(report_date) filter (willco_26w is not null), min(report_date) filter (movement_index_6w is not null)
        from marts.weekly_positioning
        where market = 'SPX' and report_type = 'tff_futures' and trader_group = 'asset_manager'""")
    assert (weeks_26, weeks_52) == (date(2017, 6, 13), date(2017, 11, 21))
    assert (willco, movement) == (weeks_26, date(2017, 7, 25))


def test_the_notes_setup_is_named_at_the_close_after_its_release(from_real: Published) -> None:
    found = from_real.query("""
        select session_date, technical_state, setup, setup_fact_1 from marts.positioning_vs_technicals
        where market = 'RUT' and session_date in ('2025-03-13', '2025-03-14') order by session_date""")
    assert found == [
        (date(2025, 3, 13), "oversold_downtrend", "capitulation", "RSI(14) 24.1, 18.4 % off the highest close on file"),
        (
            *(date(2025, 3, 14), "downtrend", "short_build_into_downtrend"),
            "asset managers short +17,448, +3.7 % of open interest",
        ),
    ]


def test_every_named_row_has_three_facts(each_lake: Published) -> None:
    found = each_lake.query("""
        select setup is null, count(setup_fact_1) = count(*), count(setup_fact_2) = count(*),
            count(setup_fact_3) = count(*)
        from marts.positioning_vs_technicals group by all order by all""")
    assert found == [(False, True, True, True), (True, False, False, False)]


def test_of_the_shipped_markets_roles_and_groups_differ_from_other_markets_alike(each_lake: Published) -> None:
    rows = each_lake.query("""
        select
            count(*) filter (
                institution_percentile_difference is distinct from asset_manager_percentile_difference
                or speculator_percentile_difference is distinct from leveraged_funds_percentile_difference
                or institution_net_share_spread is distinct from asset_manager_net_share_spread
                or speculator_net_share_spread is distinct from leveraged_funds_net_share_spread
            ),
            count(institution_net_share_spread) > 1000
        from marts.cross_market""")
    assert rows == [(0, True)]


@pytest.mark.parametrize("other", ["SPX", "NDX"])
def test_the_russell_against_larger_markets(each_lake: Published, other: str) -> None:
    """Relative strength from the closes themselves, 20 sessions apart."""
    ((strength, spread),) = each_lake.query(f"""
        select relative_strength_20d_ratio, asset_manager_net_share_spread from marts.cross_market
        where market = 'RUT' and other_market = '{other}' and session_date = '2025-03-14'""")
    closes = dict(
        each_lake.query("""
        select market || session_date, close from marts.positioning_vs_technicals
        where session_date in ('2025-02-13', '2025-03-14')""")
    )
    shares = dict(
        each_lake.query("""
        select market, net_share_oi from marts.weekly_positioning
        where report_type = 'tff_futures' and trader_group = 'asset_manager' and report_date = '2025-03-11'""")
    )
    moved = {market: closes[f"{market}2025-03-14"] / closes[f"{market}2025-02-13"] for market in ("RUT", other)}
    assert strength == pytest.approx(moved["RUT"] / moved[other] - 1)
    assert spread == pytest.approx(shares["RUT"] - shares[other])


def test_outcomes_show_their_sample_sizes_and_say_when_those_are_too_small(each_lake: Published) -> None:
    ((rows, few, told),) = each_lake.query("""
        select count(*), count(*) filter (independent_events < 10),
            count(*) filter (reading like 'not enough events%' and mean_forward_return_ratio is null)
        from marts.setup_outcomes""")
    assert rows == 4 * 9 * 3
    assert 0 < few == told < rows


def test_the_friday_on_which_asset_managers_held_the_least_of_three_years_has_a_name(from_real: Published) -> None:
    """14 October 2022: the S&P 500 lost 2.4 % while its momentum rose."""
    found = from_real.query("""
        select market, round(asset_manager_net_percentile_156w, 1), momentum, technical_state, setup, setups_held
        from marts.positioning_vs_technicals
        where session_date = '2022-10-14' and market in ('NDX', 'RUT', 'SPX') order by market""")
    low = "managers_low_in_downtrend"
    assert found == [
        ("NDX", 4.0, "falling", "downtrend", low, low),
        ("RUT", 6.0, "rising", "downtrend", "long_liquidation", f"long_liquidation, {low}"),
        ("SPX", 0.7, "rising", "downtrend", low, low),
    ]


def test_leveraged_funds_take_the_other_side_in_all_markets_in_the_notes_week(from_real: Published) -> None:
    found = from_real.query("""
        select market from marts.positioning_vs_technicals
        where session_date = '2025-03-14' and contains(setups_held, 'managers_sell_funds_buy') order by market""")
    assert found == [("DJI",), ("NDX",), ("RUT",), ("SPX",)]
