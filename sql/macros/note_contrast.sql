-- What a note may say of a market beside the others at its last close known at `ts`: one row, or one for each market
-- where none is named. All of it is of reports of the same type and day; flows are over open interest. `peer_1` and `peer_2` are
-- the other markets with the largest flows of the institution, `alike_1` and `alike_2` those where it is as
-- extreme as here, `neutral_but_large` the market whose net is largest of those called neutral by rank. Markets without
-- prices are not compared; `every_market` and `here_alone` say so where the report has such.
create macro note_contrast(for_market, ts) as table
with held as materialized (from note_positions(ts)),

newest as (
    select market, max(session_date) as session_date
    from positioning_vs_technicals_as_of(ts)
    where for_market is null or market = for_market
    group by market
),

dates as (
    select market, report_type, max(report_date) as report_date
    from held
    where for_market is null or market = for_market
    group by market, report_type
),

-- Each market beside every market with a report of that day, itself too.
beside as (
    select
        d.market as own_market,
        h.*,
        h.market = d.market as is_own
    from dates as d
    inner join held as h using (report_type, report_date)
),

peers as (
    select
        o.own_market,
        m.market,
        m.flow_share_oi,
        m.net_percentile_156w,
        sign(m.flow_share_oi) = sign(o.flow_share_oi) as is_same_side,
        abs(m.flow_share_oi) < abs(o.flow_share_oi) as is_lighter,
        (m.net_percentile_156w <= 10 and o.net_percentile_156w <= 10)
            or (m.net_percentile_156w >= 90 and o.net_percentile_156w >= 90) as is_alike,
        row_number() over (partition by o.own_market order by abs(m.flow_share_oi) desc nulls last, m.market) as place,
        row_number() over (
            partition by o.own_market
            order by is_alike desc nulls last, abs(m.net_percentile_156w - 50) desc, m.market
        ) as alike_place
    from beside as o
    inner join beside as m on o.own_market = m.own_market and m.role = 'institution' and not m.is_own
    where o.role = 'institution' and o.is_own
),

flows as (
    select
        own_market,
        count(*) as peers,
        count(*) filter (is_same_side) as peers_same_side,
        count(*) filter (not is_same_side) as peers_other_side,
        count(*) filter (is_lighter) as peers_lighter,
        max(market) filter (place = 1) as peer_1,
        max(flow_share_oi) filter (place = 1) as peer_1_flow_share_oi,
        max(market) filter (place = 2) as peer_2,
        max(flow_share_oi) filter (place = 2) as peer_2_flow_share_oi,
        count(*) filter (is_alike) as alike,
        max(market) filter (is_alike and alike_place = 1) as alike_1,
        max(net_percentile_156w) filter (is_alike and alike_place = 1) as alike_1_percentile,
        max(market) filter (is_alike and alike_place = 2) as alike_2,
        max(net_percentile_156w) filter (is_alike and alike_place = 2) as alike_2_percentile
    from peers
    group by own_market
),

neutral as (
    select
        own_market,
        arg_max(market, abs(net_share_oi)) as neutral_but_large,
        arg_max(net_share_oi, abs(net_share_oi)) as neutral_but_large_share_oi
    from beside
    where role = 'institution' and positioning_state = 'neutral'
    group by own_market
),

funds as (
    select
        own_market,
        max(net_percentile_156w) filter (is_own) as own_percentile,
        max(net_percentile_156w) filter (not is_own) as highest_other_percentile,
        min(net_percentile_156w) filter (not is_own) as lowest_other_percentile,
        count(*) = count(net_percentile_156w) as is_each_known
    from beside
    where role = 'speculator'
    group by own_market
),

unpriced as (
    select primary_report_type as report_type from marts.markets where index_symbol is null group by all
),

strength as (
    select
        c.market,
        max(c.other_market) as strength_against,
        arg_max(c.relative_strength_60d_ratio, c.other_market) as strength_60d_ratio
    from cross_market_as_of(ts) as c
    inner join newest as n on c.market = n.market and c.session_date = n.session_date
    where (for_market is null or c.market = for_market)
        and c.other_market in ('SPX', 'NDX')
        and c.relative_strength_60d_ratio is not null
    group by c.market
)

select
    n.market,
    coalesce(f.peers, 0) as peers,
    coalesce(f.peers_same_side, 0) as peers_same_side,
    coalesce(f.peers_other_side, 0) as peers_other_side,
    coalesce(f.peers_lighter, 0) as peers_lighter,
    case when p.report_type is null then 'every market' else 'every market with prices' end as every_market,
    case when p.report_type is null then 'here alone' else 'here alone of the markets with prices' end as here_alone,
    f.peer_1,
    f.peer_1_flow_share_oi,
    f.peer_2,
    f.peer_2_flow_share_oi,
    coalesce(f.alike, 0) as alike,
    f.alike_1,
    f.alike_1_percentile,
    f.alike_2,
    f.alike_2_percentile,
    t.neutral_but_large,
    t.neutral_but_large_share_oi,
    u.is_each_known and u.own_percentile <= 30 and u.lowest_other_percentile > 30 as is_short_alone,
    u.is_each_known and u.own_percentile >= 70 and u.highest_other_percentile < 70 as is_long_alone,
    u.lowest_other_percentile as funds_lowest_other_percentile,
    u.highest_other_percentile as funds_highest_other_percentile,
    s.strength_against,
    s.strength_60d_ratio
from newest as n
left join dates as d on n.market = d.market
left join unpriced as p on d.report_type = p.report_type
left join flows as f on n.market = f.own_market
left join neutral as t on n.market = t.own_market
left join funds as u on n.market = u.own_market
left join strength as s on n.market = s.market
