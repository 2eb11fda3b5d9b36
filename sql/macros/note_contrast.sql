-- What a note may say of one market beside the others at its last close known at `ts`: one row. All of it is of reports
-- of the same day; flows are over open interest. `peer_1` and `peer_2` are the other markets with the largest flows of
-- asset managers, `alike_1` and `alike_2` those where asset managers are as extreme as here, `neutral_but_large` the
-- market whose net is largest of those called neutral by rank.
create macro note_contrast(for_market, ts) as table
with held as materialized (from note_positions(ts)),

managers as (
    select *
    from held
    where trader_group = 'asset_manager'
        and report_date = (select max(report_date) from held where market = for_market)
),

own as (select * from managers where market = for_market),

peers as (
    select
        m.market,
        m.flow_share_oi,
        m.net_percentile_156w,
        sign(m.flow_share_oi) = sign(o.flow_share_oi) as is_same_side,
        abs(m.flow_share_oi) < abs(o.flow_share_oi) as is_lighter,
        (m.net_percentile_156w <= 10 and o.net_percentile_156w <= 10)
            or (m.net_percentile_156w >= 90 and o.net_percentile_156w >= 90) as is_alike,
        row_number() over (order by abs(m.flow_share_oi) desc nulls last, m.market) as place,
        row_number() over (order by is_alike desc nulls last, abs(m.net_percentile_156w - 50) desc, m.market)
            as alike_place
    from managers as m
    cross join own as o
    where m.market <> for_market
),

funds as (
    select
        max(net_percentile_156w) filter (market = for_market) as own_percentile,
        max(net_percentile_156w) filter (market <> for_market) as highest_other_percentile,
        min(net_percentile_156w) filter (market <> for_market) as lowest_other_percentile,
        count(net_percentile_156w) filter (market <> for_market) as others
    from held
    where trader_group = 'leveraged_funds'
        and report_date = (select max(report_date) from held where market = for_market)
),

strength as (
    select other_market, relative_strength_60d_ratio
    from cross_market_as_of(ts)
    where market = for_market
        and other_market in ('SPX', 'NDX')
        and session_date = (
            select max(session_date) from positioning_vs_technicals_as_of(ts) where market = for_market
        )
    order by other_market desc
    limit 1
)

select
    count(p.market) as peers,
    count(*) filter (p.is_same_side) as peers_same_side,
    count(*) filter (p.is_lighter) as peers_lighter,
    max(p.market) filter (p.place = 1) as peer_1,
    max(p.flow_share_oi) filter (p.place = 1) as peer_1_flow_share_oi,
    max(p.market) filter (p.place = 2) as peer_2,
    max(p.flow_share_oi) filter (p.place = 2) as peer_2_flow_share_oi,
    count(*) filter (p.is_alike) as alike,
    max(p.market) filter (p.is_alike and p.alike_place = 1) as alike_1,
    max(p.net_percentile_156w) filter (p.is_alike and p.alike_place = 1) as alike_1_percentile,
    max(p.market) filter (p.is_alike and p.alike_place = 2) as alike_2,
    max(p.net_percentile_156w) filter (p.is_alike and p.alike_place = 2) as alike_2_percentile,
    (select arg_max(market, abs(net_share_oi)) from managers where positioning_state = 'neutral') as neutral_but_large,
    (select arg_max(net_share_oi, abs(net_share_oi)) from managers where positioning_state = 'neutral')
        as neutral_but_large_share_oi,
    (select own_percentile <= 30 and lowest_other_percentile > 30 from funds) as is_short_alone,
    (select own_percentile >= 70 and highest_other_percentile < 70 from funds) as is_long_alone,
    (select lowest_other_percentile from funds) as funds_lowest_other_percentile,
    (select highest_other_percentile from funds) as funds_highest_other_percentile,
    (select other_market from strength) as strength_against,
    (select relative_strength_60d_ratio from strength) as strength_60d_ratio
from own as o
left join peers as p on true
