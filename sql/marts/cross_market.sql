-- Each market against the benchmarks of setups.toml, as both were known at the close. Differences of positioning only
-- between reports of one day: a market that lacks the week is not held against another's newer report.
with paired as (
    select
        m.market,
        o.market as other_market,
        m.session_date,
        greatest(m.known_at, o.known_at) as known_at,
        m.report_date,
        m.report_date = o.report_date as is_same_report,
        m.leveraged_funds_net_percentile_156w - o.leveraged_funds_net_percentile_156w as leveraged_percentile,
        m.asset_manager_net_percentile_156w - o.asset_manager_net_percentile_156w as asset_percentile,
        m.leveraged_funds_net_share_oi - o.leveraged_funds_net_share_oi as leveraged_share,
        m.asset_manager_net_share_oi - o.asset_manager_net_share_oi as asset_share,
        m.close / o.close as relative_price
    from marts.positioning_vs_technicals as m
    inner join marts.positioning_vs_technicals as o
        on m.session_date = o.session_date
        and m.market != o.market
        and list_contains(getvariable('cross_market_benchmarks'), o.market)
)

select
    market,
    other_market,
    session_date,
    known_at,
    report_date,
    case when is_same_report then leveraged_percentile end as leveraged_funds_percentile_difference,
    case when is_same_report then asset_percentile end as asset_manager_percentile_difference,
    case when is_same_report then leveraged_share end as leveraged_funds_net_share_spread,
    case when is_same_report then asset_share end as asset_manager_net_share_spread,
    relative_price / lag(relative_price, 20) over series - 1 as relative_strength_20d_ratio,
    relative_price / lag(relative_price, 60) over series - 1 as relative_strength_60d_ratio
from paired
window series as (partition by market, other_market order by session_date)
order by market, other_market, session_date
