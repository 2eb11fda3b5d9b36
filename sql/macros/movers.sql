-- The newest week known at `ts`, a row for each market and group that is in it, the most unusual first: by the percentile
-- of the week's flow in its market's own history. A report type that lacks the week is left out: what it has is old.
-- `week_place` is its place by size among the `week_flows` of all markets, so that what is unusual for a market can be
-- told from what is large. Markets with less open interest than `least_open_interest` are left out: there a few traders
-- make every week unusual.
create macro movers(ts, least_open_interest := 10000) as table
with rows as (
    from movers_as_of(ts) as w
    inner join (select market, name, market_class from marts.markets) as m using (market)
    where w.open_interest_contracts >= least_open_interest
    qualify w.report_date = max(w.report_date) over ()
)

select
    market,
    name,
    report_date,
    trader_group,
    role,
    market_class,
    open_interest_contracts,
    net_contracts,
    net_share_oi,
    net_contracts_change_1w,
    flow_oi_ratio,
    dominant_flow,
    flow_place,
    flow_weeks,
    flow_percentile,
    case when flow_oi_ratio is not null then rank() over (order by abs(flow_oi_ratio) desc nulls last) end
        as week_place,
    count(flow_oi_ratio) over () as week_flows,
    net_percentile_156w,
    positioning_state,
    crowding,
    reversal,
    setup,
    known_at
from rows
order by flow_percentile desc nulls last, week_place nulls last, market, trader_group
