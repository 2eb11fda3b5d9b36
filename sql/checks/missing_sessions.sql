-- Sessions of the exchange without a bar, from a symbol's first one to the newest of any symbol on that calendar: a gap
-- is listed, never filled. A gap shows when the next bar of any symbol arrives, and not before its price would be final.
-- From 1970, because the exchange calendar lacks regular holidays before (1969-12-25 is a session in it).
-- on: staging.daily_prices  severity: warn
with symbols as (
    select distinct symbol, calendar, final_minutes, half_day_final_minutes from reference.market_symbols
),

firsts as (
    select s.*, greatest(min(p.session_date), date '1970-01-01') as first_date
    from symbols as s
    inner join staging.daily_prices as p using (symbol)
    group by all
),

arrivals as (
    select s.calendar, p.session_date, min(p.known_at) as known_at
    from symbols as s
    inner join staging.daily_prices as p using (symbol)
    group by s.calendar, p.session_date
),

missing as (
    select
        f.symbol,
        d.session_date,
        d.close_at,
        greatest(a.known_at, d.close_at + to_minutes(if(d.is_half_day, f.half_day_final_minutes, f.final_minutes)))
            as known_at
    from firsts as f
    inner join reference.sessions as d on f.calendar = d.calendar and f.first_date <= d.session_date
    asof join arrivals as a on d.calendar = a.calendar and d.session_date <= a.session_date
    anti join staging.daily_prices as p on f.symbol = p.symbol and d.session_date = p.session_date
)

select
    symbol,
    session_date,
    known_at,
    format('no bar, and the exchange was open until {} UTC', timezone('UTC', close_at)) as evidence
from missing
where known_at <= getvariable('as_of')
