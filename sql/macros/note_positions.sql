-- What a note may say of positions, one row for each trader group of a market with prices, of the newest of its primary
-- report known at `ts`. A flow is the week's change of net contracts over open interest. It is null in the week of the
-- quarterly roll of index futures (the one with the third Friday of March, June, September or December): open interest
-- falls by a quarter then, and flows spread twice as wide. No other class rolls so at once. Ranks of flows are among the
-- last 156 weeks, from 52 known ones on.
create macro note_positions(ts) as table
with weeks as (
    select
        p.market,
        p.report_type,
        p.report_date,
        p.trader_group,
        g.role,
        p.open_interest_contracts,
        p.net_contracts,
        p.net_share_oi,
        p.net_contracts_change_1w,
        p.long_contracts_change_1w,
        p.short_contracts_change_1w,
        p.dominant_flow,
        p.net_percentile_156w,
        p.net_weeks_156w,
        p.positioning_state,
        p.change_basis,
        m.market_class = 'equity' and is_roll_week(p.report_date) as is_roll_week
    from positioning_vintages_as_of(ts) as p
    inner join marts.markets as m on p.market = m.market and p.report_type = m.primary_report_type
    inner join marts.trader_groups as g using (trader_group)
    where m.index_symbol is not null
),

flows as (
    select
        *,
        case when not is_roll_week then net_contracts_change_1w / open_interest_contracts end as flow_share_oi,
        case when not is_roll_week then long_contracts_change_1w / open_interest_contracts end as long_flow_share_oi,
        case when not is_roll_week then short_contracts_change_1w / open_interest_contracts end as short_flow_share_oi,
        case when change_basis is null then lag(net_contracts) over past end as before_net_contracts,
        case when change_basis is null then lag(net_share_oi) over past end as before_net_share_oi,
        case when change_basis is null then lag(positioning_state) over past end as before_state,
        sign(net_contracts_change_1w) is distinct from lag(sign(net_contracts_change_1w)) over past as is_turn,
        row_number() over (partition by market, trader_group order by report_date desc) as age
    from weeks
    window past as (partition by market, trader_group order by report_date)
),

runs as (
    select *, sum(is_turn::int) over (partition by market, trader_group order by report_date) as run from flows
),

ranks as (
    select
        n.market,
        n.trader_group,
        case when count(w.flow_share_oi) >= 52 then 100 * avg((w.flow_share_oi <= n.flow_share_oi)::int) end
            as flow_percentile,
        case when count(w.flow_share_oi) >= 52 then 100 * avg((w.long_flow_share_oi <= n.long_flow_share_oi)::int) end
            as long_flow_percentile,
        case when count(w.flow_share_oi) >= 52 then 100 * avg((w.short_flow_share_oi <= n.short_flow_share_oi)::int) end
            as short_flow_percentile,
        count(*) filter (w.run = n.run) as streak_weeks
    from runs as n
    inner join runs as w on n.market = w.market and n.trader_group = w.trader_group and w.age <= 156
    where n.age = 1
    group by n.market, n.trader_group
)

select
    n.market,
    n.trader_group,
    n.role,
    n.report_type,
    n.report_date,
    n.open_interest_contracts,
    n.net_contracts,
    n.net_share_oi,
    n.before_net_contracts,
    n.before_net_share_oi,
    n.before_state,
    n.net_contracts_change_1w,
    n.long_contracts_change_1w,
    n.short_contracts_change_1w,
    n.net_contracts_change_1w / n.before_net_contracts as net_change_ratio,
    n.flow_share_oi,
    r.flow_percentile,
    r.long_flow_percentile,
    r.short_flow_percentile,
    case when n.flow_share_oi is not null then r.streak_weeks end as streak_weeks,
    n.dominant_flow,
    n.net_percentile_156w,
    n.net_weeks_156w,
    n.positioning_state,
    n.change_basis,
    n.is_roll_week
from runs as n
inner join ranks as r on n.market = r.market and n.trader_group = r.trader_group
where n.age = 1
order by n.market, n.trader_group
