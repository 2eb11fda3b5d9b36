-- Positions of a market in contracts of today: each row converted by its own multiplier, contracts that were
-- open at once summed. Weekly changes only between adjacent reports: never across a gap, and never where a
-- contract could not be converted. Windows count calendar weeks, so a missing report is a missing week.
with converted as (
    select
        m.market,
        p.report_type,
        p.report_date,
        p.trader_group,
        p.contract_code,
        p.contract_multiplier_usd * c.scale / m.contract_multiplier_usd as factor,
        m.contract_multiplier_usd,
        p.long_contracts,
        p.short_contracts,
        p.spreading_contracts,
        p.open_interest_contracts,
        p.released_at,
        p.release_basis,
        p.known_at
    from staging.cot_positions as p
    inner join reference.market_contracts as c
        on p.contract_code = c.contract_code and p.report_date between c.first_report_date and c.last_report_date
    inner join reference.markets as m on c.market = m.market
),

summed as (
    select
        market,
        report_type,
        report_date,
        trader_group,
        string_agg(contract_code, ', ' order by contract_code) as contract_codes,
        bool_and(factor is not null) as is_convertible,
        any_value(contract_multiplier_usd) as contract_multiplier_usd,
        case when bool_and(factor is not null) then sum(long_contracts * factor) end as long_contracts,
        case when bool_and(factor is not null) then sum(short_contracts * factor) end as short_contracts,
        case when bool_and(factor is not null) then sum(spreading_contracts * factor) end as spreading_contracts,
        case when bool_and(factor is not null) then sum(open_interest_contracts * factor) end
            as open_interest_contracts,
        max(released_at) as released_at,
        any_value(release_basis) as release_basis,
        max(known_at) as known_at
    from converted
    group by market, report_type, report_date, trader_group
),

netted as (
    select
        *,
        long_contracts - short_contracts as net_contracts,
        (long_contracts - short_contracts) / nullif(open_interest_contracts, 0) as net_share_oi,
        lag(report_date) over series as previous_date,
        lag(is_convertible) over series as previous_is_convertible,
        lag(known_at) over series as previous_known_at
    from summed
    window series as (partition by market, report_type, trader_group order by report_date)
),

based as (
    select
        *,
        case
            when previous_date is null then 'first report'
            when report_date - previous_date > 8 then 'gap: no report for the week before'
            when not is_convertible then 'contract unit not convertible'
            when not previous_is_convertible then 'contract unit of the report before not convertible'
        end as change_basis
    from netted
),

changed as (
    select
        *,
        case when change_basis is null then long_contracts - lag(long_contracts) over series end as long_change,
        case when change_basis is null then short_contracts - lag(short_contracts) over series end as short_change,
        case when change_basis is null then net_contracts - lag(net_contracts) over series end as net_change,
        case when change_basis is null then open_interest_contracts - lag(open_interest_contracts) over series end
            as open_interest_change,
        case when change_basis is null then net_share_oi - lag(net_share_oi) over series end as share_change
    from based
    window series as (partition by market, report_type, trader_group order by report_date)
),

windowed as (
    select
        *,
        count(net_contracts) over weeks_26 as n_26,
        min(net_contracts) over weeks_26 as low_26,
        max(net_contracts) over weeks_26 as high_26,
        list(net_contracts) over weeks_52 as nets_52,
        list(net_contracts) over weeks_156 as nets_156,
        max(known_at) over (
            partition by market, report_type, trader_group order by report_date rows unbounded preceding
        ) as whole_known_at
    from changed
    window
        weeks_26 as (
            partition by market, report_type, trader_group order by report_date
            range between interval 178 days preceding and current row
        ),
        weeks_52 as (
            partition by market, report_type, trader_group order by report_date
            range between interval 360 days preceding and current row
        ),
        weeks_156 as (
            partition by market, report_type, trader_group order by report_date
            range between interval 1088 days preceding and current row
        )
),

-- Null until 90 % of the window's weeks are there: 24 of 26, 47 of 52, 141 of 156.
ranked as (
    select
        *,
        case
            when n_26 >= 24 then 100 * (net_contracts - low_26) / nullif(high_26 - low_26, 0)
        end as cot_index_26w,
        case when len(nets_52) >= 47 then {
            'index': 100 * (net_contracts - list_min(nets_52)) / nullif(list_max(nets_52) - list_min(nets_52), 0),
            'percentile': 100.0 * len(list_filter(nets_52, lambda n: n <= net_contracts)) / len(nets_52),
            'zscore': (net_contracts - list_avg(nets_52)) / nullif(list_stddev_samp(nets_52), 0)
        } end as rank_52,
        case when len(nets_156) >= 141 then {
            'index': 100 * (net_contracts - list_min(nets_156)) / nullif(list_max(nets_156) - list_min(nets_156), 0),
            'percentile': 100.0 * len(list_filter(nets_156, lambda n: n <= net_contracts)) / len(nets_156),
            'zscore': (net_contracts - list_avg(nets_156)) / nullif(list_stddev_samp(nets_156), 0)
        } end as rank_156
    from windowed
)

select
    r.market,
    r.report_type,
    r.report_date,
    r.trader_group,
    r.contract_codes,
    r.long_contracts,
    r.short_contracts,
    r.spreading_contracts,
    r.net_contracts,
    r.open_interest_contracts,
    r.net_share_oi,
    r.net_contracts * r.contract_multiplier_usd * b.close as net_notional_usd,
    r.change_basis,
    r.long_change as long_contracts_change_1w,
    r.short_change as short_contracts_change_1w,
    r.net_change as net_contracts_change_1w,
    r.open_interest_change as open_interest_contracts_change_1w,
    r.share_change as net_share_oi_change_1w,
    greatest(r.long_change, 0) as new_longs_contracts,
    greatest(-r.long_change, 0) as long_liquidation_contracts,
    greatest(r.short_change, 0) as new_shorts_contracts,
    greatest(-r.short_change, 0) as short_covering_contracts,
    case
        when r.long_change is null or (r.long_change = 0 and r.short_change = 0) then null
        when r.long_change >= abs(r.short_change) then 'new_longs'
        when -r.long_change >= abs(r.short_change) then 'long_liquidation'
        when r.short_change > 0 then 'new_shorts'
        else 'short_covering'
    end as dominant_flow,
    r.cot_index_26w,
    r.rank_52.index as cot_index_52w,
    r.rank_156.index as cot_index_156w,
    r.rank_52.percentile as net_percentile_52w,
    r.rank_156.percentile as net_percentile_156w,
    r.rank_52.zscore as net_zscore_52w,
    r.rank_156.zscore as net_zscore_156w,
    case
        when r.rank_156.percentile is null then null
        when r.rank_156.percentile <= 10 then 'extreme_short'
        when r.rank_156.percentile <= 30 then 'short'
        when r.rank_156.percentile < 70 then 'neutral'
        when r.rank_156.percentile < 90 then 'long'
        else 'extreme_long'
    end as positioning_state,
    r.released_at,
    r.release_basis,
    r.whole_known_at as known_at
from ranked as r
left join staging.market_bars as b on r.market = b.market and r.report_date = b.session_date
order by r.market, r.report_type, r.report_date, r.trader_group
