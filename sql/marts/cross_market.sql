-- Each market against the benchmarks of setups.toml, as both were known at the close. Differences of positioning only
-- between reports of one day: a market without that week is not compared with another's newer report. By role it is
-- the institution (speculator) of each market's own primary report; by group both markets must have that group. Strength is
-- relative to the session 20 (60) places back in the exchange's calendar, if both markets had it by then: a session
-- that arrives later changes no row. It is of the contract's direction, so of 1 / close where prices are inverse; none of
-- a yield, whose ratio is no return. The benchmarks' rows are read whichever markets are asked for. Rows known by
-- `published_until` are taken from the last generation, and only later ones are made: of these the first needs the rows
-- of the 60 sessions before it, which a year has on every exchange.
-- by: market
with paired as (
    select
        m.market,
        o.market as other_market,
        m.session_date,
        s.session_number,
        greatest(m.known_at, o.known_at) as known_at,
        m.report_date,
        m.report_date = o.report_date as is_same_report,
        m.institution_net_percentile_156w - o.institution_net_percentile_156w as institution_percentile,
        m.speculator_net_percentile_156w - o.speculator_net_percentile_156w as speculator_percentile,
        m.institution_net_share_oi - o.institution_net_share_oi as institution_share,
        m.speculator_net_share_oi - o.speculator_net_share_oi as speculator_share,
        m.leveraged_funds_net_percentile_156w - o.leveraged_funds_net_percentile_156w as leveraged_percentile,
        m.asset_manager_net_percentile_156w - o.asset_manager_net_percentile_156w as asset_percentile,
        m.leveraged_funds_net_share_oi - o.leveraged_funds_net_share_oi as leveraged_share,
        m.asset_manager_net_share_oi - o.asset_manager_net_share_oi as asset_share,
        case
            when 'yield' not in (c.price_series, d.price_series)
                then if(m.is_inverse, 1 / m.close, m.close) / if(o.is_inverse, 1 / o.close, o.close)
        end as relative_price
    from marts.positioning_vs_technicals as m
    inner join marts.positioning_vs_technicals as o
        on m.session_date = o.session_date
        and m.market != o.market
        and list_contains(getvariable('markets'), m.market)
        and list_contains(getvariable('cross_market_benchmarks'), o.market)
    inner join reference.markets as c on m.market = c.market
    inner join reference.markets as d on o.market = d.market
    inner join reference.sessions as s on c.calendar = s.calendar and m.session_date = s.session_date
    where
        m.session_date > (
            select min(session_date) - 365
            from marts.positioning_vs_technicals
            where known_at > getvariable('published_until')
        )
)

select
    p.market,
    p.other_market,
    p.session_date,
    p.known_at,
    p.report_date,
    case when p.is_same_report then p.institution_percentile end as institution_percentile_difference,
    case when p.is_same_report then p.speculator_percentile end as speculator_percentile_difference,
    case when p.is_same_report then p.institution_share end as institution_net_share_spread,
    case when p.is_same_report then p.speculator_share end as speculator_net_share_spread,
    case when p.is_same_report then p.leveraged_percentile end as leveraged_funds_percentile_difference,
    case when p.is_same_report then p.asset_percentile end as asset_manager_percentile_difference,
    case when p.is_same_report then p.leveraged_share end as leveraged_funds_net_share_spread,
    case when p.is_same_report then p.asset_share end as asset_manager_net_share_spread,
    p.relative_price / b20.relative_price - 1 as relative_strength_20d_ratio,
    p.relative_price / b60.relative_price - 1 as relative_strength_60d_ratio
from paired as p
left join paired as b20
    on p.market = b20.market
    and p.other_market = b20.other_market
    and p.session_number = b20.session_number + 20
    and p.known_at >= b20.known_at
left join paired as b60
    on p.market = b60.market
    and p.other_market = b60.other_market
    and p.session_number = b60.session_number + 60
    and p.known_at >= b60.known_at
where p.known_at > getvariable('published_until')
order by p.market, p.other_market, p.session_date
