-- How unusual each group's week was for its own market, as it was known then: the flow over open interest, and its place
-- by size among the weeks known at that moment. A week without a flow has no place. A later revision of an older week changes no published place. In a
-- series without revisions that is a window over its reports; only revised ones are compared week by week. The setup is
-- that of the first close with the report, known from then. Groups are those of the market's primary report; the
-- residual, nonreportable, is no trader's decision.
-- by: market
with flows as (
    select
        p.*,
        coalesce(p.superseded_at, 'infinity'::timestamptz) as ends_at,
        p.net_contracts_change_1w / nullif(p.open_interest_contracts, 0) as flow_oi_ratio,
        abs(flow_oi_ratio) as size,
        lag(p.known_at) over series as known_before,
        lag(p.positioning_state) over series as state_before
    from marts.positioning_vintages as p
    inner join reference.markets as m on p.market = m.market and p.report_type = m.primary_report_type
    where p.trader_group <> 'nonreportable'
    window series as (partition by p.market, p.trader_group order by p.report_date, p.known_at)
),

known as (
    select
        *,
        bool_and(superseded_at is null and coalesce(known_before <= known_at, true)) over (
            partition by market, trader_group
        ) as is_plain
    from flows
),

placed as (
    select
        market,
        report_date,
        trader_group,
        known_at,
        rank(order by size desc nulls last) over so_far as place,
        count(size) over so_far as weeks,
        state_before
    from known
    where is_plain
    window
        so_far as (
            partition by market, trader_group order by report_date
            rows between unbounded preceding and current row
        )
    union all
    select
        r.market,
        r.report_date,
        r.trader_group,
        r.known_at,
        1 + count(*) filter (h.size > r.size),
        count(h.size),
        arg_max(h.positioning_state, h.report_date) filter (h.report_date < r.report_date)
    from known as r
    inner join known as h
        on r.market = h.market
        and r.trader_group = h.trader_group
        and r.report_date >= h.report_date
        and r.known_at >= h.known_at
        and r.known_at < h.ends_at
    where not r.is_plain
    group by r.market, r.report_date, r.trader_group, r.known_at
),

-- The first close at which the report was the newest one.
closes as (
    select market, report_date, arg_min(setup, known_at) as setup, min(known_at) as setup_known_at
    from marts.positioning_vs_technicals
    where report_date is not null
    group by market, report_date
)

select
    k.market,
    k.report_date,
    k.trader_group,
    k.known_at,
    t.role,
    k.open_interest_contracts,
    k.net_contracts,
    k.net_share_oi,
    k.net_contracts_change_1w,
    k.flow_oi_ratio,
    k.dominant_flow,
    case when k.size > 0 then p.place end as flow_place,
    p.weeks as flow_weeks,
    case when k.size > 0 and p.weeks >= 47 then 100.0 * (p.weeks - p.place + 1) / p.weeks end as flow_percentile,
    k.net_percentile_156w,
    k.positioning_state,
    case
        when k.net_percentile_156w is null then null
        when k.net_percentile_156w >= 100 - getvariable('thresholds').crowded_percentile and k.net_contracts > 0
            then 'crowded_long'
        when k.net_percentile_156w <= getvariable('thresholds').crowded_percentile and k.net_contracts < 0
            then 'crowded_short'
        else 'none'
    end as crowding,
    case
        when k.flow_oi_ratio is null then null
        when p.state_before = 'extreme_long' and k.flow_oi_ratio <= -getvariable('thresholds').flow_share_oi
            then 'leaving_extreme_long'
        when p.state_before = 'extreme_short' and k.flow_oi_ratio >= getvariable('thresholds').flow_share_oi
            then 'leaving_extreme_short'
        when k.net_contracts < 0 and k.net_contracts - k.net_contracts_change_1w > 0 then 'turned_short'
        when k.net_contracts > 0 and k.net_contracts - k.net_contracts_change_1w < 0 then 'turned_long'
        else 'none'
    end as reversal,
    c.setup,
    case when c.setup is not null then c.setup_known_at end as setup_known_at,
    k.superseded_at
from known as k
inner join placed as p using (market, report_date, trader_group, known_at)
left join reference.trader_roles as t using (trader_group)
left join closes as c using (market, report_date)
order by k.market, k.report_date, k.trader_group, k.known_at
