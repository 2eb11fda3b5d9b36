"""Dated facts on the real vendor files: what the note's research found. One holds of the sample too."""

from datetime import date

import pytest

from tests.lakes import Published


def test_the_run_ends_well(from_real: Published) -> None:
    assert from_real.result.exit_code == 0, from_real.result.output
    assert from_real.summary["failures"] == []
    assert from_real.query("select is_sample, label from meta.generation") == [(False, "files")]


def test_the_mart_at_the_notes_date(from_real: Published) -> None:
    found = from_real.query("""
        select session_date, round(close, 2), round(rsi_14, 2), moving_average_order, report_date,
            round(sma_100, 2), round(sma_50, 2), round(sma_200, 2)
        from marts.positioning_vs_technicals
        where market = 'RUT' and session_date in ('2025-03-13', '2025-03-14')
        order by all""")
    thursday, friday = found
    averages = (2271.05, 2219.87, 2203.02)
    assert thursday == (date(2025, 3, 13), 1993.69, 24.08, "100>50>200", date(2025, 3, 4), *averages)
    assert friday[:1] + friday[2:5] == (date(2025, 3, 14), 35.14, "100>50>200", date(2025, 3, 11))


def test_no_averages_crossed_on_the_notes_thursday(from_real: Published) -> None:
    found = from_real.query("""
        select session_date, fast, slow, direction from features.moving_average_crosses
        where market = 'RUT' and fast >= 50 and session_date between '2025-02-01' and '2025-04-30'
        order by all""")
    assert found == [
        (date(2025, 2, 19), 50, 100, "down"),
        (date(2025, 3, 20), 50, 200, "down"),
        (date(2025, 4, 17), 100, 200, "down"),
    ]


@pytest.mark.parametrize(
    ("market", "group", "march_4", "march_11"),
    [
        ("RUT", "leveraged_funds", (-11_308, 28_652, 8_462), (15_124, 21_467, -4_965)),
        ("RUT", "asset_manager", (72_008, -4_128, 9_262), (48_030, -6_530, 17_448)),
        ("SPX", "asset_manager", (911_504, -11_293, -1_657), (846_785, -24_073, 40_646)),
        ("NDX", "leveraged_funds", (-11_655, 10_758, -5_458), (4_666, 12_119, -4_202)),
    ],
)
def test_positions_of_the_notes_table(
    from_real: Published, market: str, group: str, march_4: tuple[int, ...], march_11: tuple[int, ...]
) -> None:
    found = from_real.query(f"""
        select net_contracts, long_contracts_change_1w, short_contracts_change_1w
        from positioning('{market}', '2025-03-04', '2025-03-11') where trader_group = '{group}' order by report_date""")
    assert found == [march_4, march_11]


def test_every_change_that_the_cftc_prints_is_our_difference(each_lake: Published) -> None:
    """Exact on ordinary futures; consolidated and combined rows are rounded, off by one at most."""
    found = each_lake.query("""
        with differences as (
            select *,
                report_type = 'tff_combined' or contract_code like '%+' as is_rounded,
                abs(long_contracts - lag(long_contracts) over series - long_contracts_change_1w) as off_long,
                abs(short_contracts - lag(short_contracts) over series - short_contracts_change_1w) as off_short,
                report_date - lag(report_date) over series as days,
                lag(contract_units) over series as units_before
            from staging.cot_positions
            window series as (partition by report_type, contract_code, trader_group order by report_date)
        )
        select is_rounded, max(greatest(off_long, off_short)), count(*) > 5000 from differences
        where days <= 8 and contract_units = units_before
        group by is_rounded order by is_rounded""")
    assert found[0] == (False, 0, True)
    assert found[1:] == ([(True, 1, True)] if each_lake.source == "files" else [])


def test_in_a_shutdown_the_mart_keeps_the_last_report_that_was_released(from_real: Published) -> None:
    found = from_real.query("""
        select report_date, min(session_date), max(session_date) from marts.positioning_vs_technicals
        where market = 'RUT' and session_date between '2018-12-24' and '2019-02-04'
        group by report_date order by report_date""")
    assert found == [
        (date(2018, 12, 18), date(2018, 12, 24), date(2019, 1, 31)),
        (date(2018, 12, 24), date(2019, 2, 1), date(2019, 2, 4)),
    ]


def test_the_russell_is_one_series_across_two_exchanges(from_real: Published) -> None:
    found = from_real.query("""
        select report_date, any_value(contract_codes), any_value(open_interest_contracts)
        from positioning('RUT', '2017-09-05', '2017-09-19') group by report_date order by report_date""")
    assert found == [
        (date(2017, 9, 5), "239742, 23977A", 582_766),
        (date(2017, 9, 12), "239742, 23977A", 489_595 + 809_537),
        (date(2017, 9, 19), "239742, 23977A", 583_897),
    ]


def test_missing_weeks_are_named_where_changes_are_null(from_real: Published) -> None:
    """The files end on 2020-11-24 and go on in 2021: no change is taken across that hole."""
    (found,) = from_real.query("""
        select min(report_date), any_value(net_contracts_change_1w), any_value(change_basis)
        from positioning('RUT', '2020-12-01', '2021-01-05') where trader_group = 'asset_manager'""")
    assert found[:2] == (date(2021, 1, 5), None)
    assert "gap" in found[2]


def test_bars_of_days_without_trading_are_in_quarantine(from_real: Published) -> None:
    """Yahoo has the future on exchange holidays and on a Sunday."""
    found = from_real.query("select row_key, rule from meta.quarantine where row_key like 'RTY=F %' order by row_key")
    assert ("RTY=F 2023-11-23", "not_a_trading_day") in found
    assert "RTY=F 2025-07-13" in dict(found)
    closed = ", ".join(f"date '{key.split()[1]}'" for key, rule in found if rule == "not_a_trading_day")
    assert from_real.query(f"select count(*) from staging.daily_prices where session_date in ({closed})") == [(0,)]


def test_the_week_is_known_at_its_last_close_and_no_sooner(from_real: Published) -> None:
    """The note's Thursday has the week before, Friday has its own."""
    weeks = [
        from_real.query(f"""
            select market, session_date, round(rsi_14w, 2), round(sma_200w, 2), missing_sessions
            from features.weekly_indicators where market = 'RUT' and known_at <= '{day} 20:00Z'
            order by session_date desc limit 1""")
        for day in ("2025-03-13", "2025-03-14")
    ]
    assert weeks == [
        [("RUT", date(2025, 3, 7), 38.52, 2016.85, 0)],
        [("RUT", date(2025, 3, 14), 36.78, 2015.95, 0)],
    ]


def test_the_direction_and_the_average_price_paid_at_the_notes_date(from_real: Published) -> None:
    found = from_real.query("""
        select round(adx_14, 2), round(plus_di_14, 2), round(minus_di_14, 2), round(ema_50, 2), round(ema_200, 2),
            (select round(vwap, 2) from features.anchored_vwaps as v
             where v.market = i.market and v.session_date = i.session_date and anchor = 'high_252d')
        from features.daily_indicators as i where market = 'RUT' and session_date = '2025-03-14'""")
    assert found == [(40.93, 9.26, 33.93, 2190.48, 2188.87, 2241.39)]
