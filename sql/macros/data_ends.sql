-- The last day of the data that was known at `ts`, and what is missing by the calendars: one row for each symbol of a
-- market and for each type of its reports. After the last day: the first missing day, when it was due, and how many are
-- missing. Before it: how many are missing in the 52 weeks (prices) or 156 weeks (reports) to the last day, and the
-- newest of them. The calendars are marts.sessions, from 1970, before which they lack regular holidays, and
-- the ledger of releases. An item without any row has no row here, nor has a market without any price that is absent from
-- the newest report of a type: with fewer than 20 reportable traders the CFTC leaves it out, and contracts end.
create macro data_ends(ts) as table
with symbols as (
    select
        market,
        unnest(['index', 'proxy', 'future']) as role,
        unnest([index_symbol, proxy_symbol, future_symbol]) as symbol
    from marts.markets
),

held as (
    select 'prices' as kind, s.market, s.symbol, s.role, null::varchar as report_type, p.session_date as held_date
    from symbols as s
    inner join daily_prices_as_of(ts) as p using (symbol)
    union all
    select distinct 'reports', market, null, null, report_type, report_date
    from weekly_positioning_as_of(ts)
),

series as (
    select
        kind,
        market,
        symbol,
        role,
        report_type,
        case kind when 'prices' then 52 else 156 end as window_weeks,
        min(held_date) as first_date,
        max(held_date) as last_date
    from held
    group by kind, market, symbol, role, report_type
    qualify
        kind = 'prices'
        or market in (select market from held where kind = 'prices')
        or max(held_date) = max(max(held_date)) over (partition by report_type)
),

due as (
    select distinct 'prices' as kind, m.market, s.session_date as due_date, s.close_at as due_at
    from marts.markets as m
    inner join marts.sessions as s using (calendar)
    where
        m.index_symbol is not null
        and s.session_date >= date '1970-01-01'
        and s.session_date > (select min(last_date - 7 * window_weeks) from series where kind = 'prices')
    union all
    select 'reports', m.market, r.report_date, r.released_at
    from marts.markets as m
    cross join staging.cot_releases as r
),

missing as (
    select s.*, d.due_date, d.due_at
    from series as s
    inner join due as d using (kind, market)
    anti join held as h
        on s.kind = h.kind
        and s.market = h.market
        and s.symbol is not distinct from h.symbol
        and s.report_type is not distinct from h.report_type
        and d.due_date = h.held_date
    where
        d.due_at <= ts::timestamptz
        and d.due_date > s.first_date
        and d.due_date > s.last_date - 7 * s.window_weeks
)

select
    s.kind,
    s.market,
    s.symbol,
    s.role,
    s.report_type,
    s.last_date,
    min(m.due_date) filter (m.due_date > s.last_date) as due_date,
    min(m.due_at) filter (m.due_date > s.last_date) as due_at,
    count(m.due_date) filter (m.due_date > s.last_date) as due_days,
    s.window_weeks,
    count(m.due_date) filter (m.due_date < s.last_date) as window_days,
    max(m.due_date) filter (m.due_date < s.last_date) as window_date
from series as s
left join missing as m
    on s.kind = m.kind
    and s.market = m.market
    and s.symbol is not distinct from m.symbol
    and s.report_type is not distinct from m.report_type
left join marts.markets as o on s.market = o.market
group by all
order by s.kind, any_value(o.sort_order), s.market, s.symbol, s.report_type
