-- Sessions of the exchange without a bar, from a symbol's first one to the newest of any symbol on that calendar: a gap
-- is listed, never filled. From 1970, because the exchange calendar knows no regular holidays before (it has 1969-12-25
-- as a session), so that older "gaps" are its own.
-- on: staging.daily_prices  severity: warn
with symbols as (
    select distinct symbol, calendar from reference.market_symbols
),

spans as (
    select
        s.symbol,
        s.calendar,
        min(p.session_date) as first_date,
        max(max(p.session_date)) over (partition by s.calendar) as last_date
    from symbols as s
    inner join staging.daily_prices as p using (symbol)
    group by s.symbol, s.calendar
)

select
    s.symbol,
    d.session_date,
    d.close_at as known_at,
    'no bar, and the exchange was open'
    || coalesce('; a bar was refused: ' || string_agg(distinct r.rule, ', ' order by r.rule), '') as evidence
from spans as s
inner join reference.sessions as d using (calendar)
left join staging.daily_prices as p on s.symbol = p.symbol and d.session_date = p.session_date
left join meta.quarantine as r
    on r.table_name = 'raw.price_bars' and r.row_key = s.symbol || ' ' || d.session_date
where d.session_date between greatest(s.first_date, date '1970-01-01') and s.last_date and p.symbol is null
group by s.symbol, d.session_date, d.close_at
