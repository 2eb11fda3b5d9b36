-- Vendors change between dollars and cents, for a day or for a whole history. A day, or the first day of
-- a span, shows against the close before; a whole index shows against its future, which is in index points. What shows
-- it first is the evidence.
-- on: staging.daily_prices  severity: error
with bars as (
    select *, lag(close) over (partition by symbol order by session_date) as previous_close
    from staging.daily_prices
),

compared as (
    select
        symbol,
        session_date,
        known_at,
        'the close before' as what,
        previous_close as reference_price,
        case when high / previous_close > previous_close / low then high else low end as price
    from bars
    union all
    select i.symbol, i.session_date, greatest(i.known_at, f.known_at), f.symbol, f.close, i.close
    from bars as i
    inner join reference.market_symbols as m on i.symbol = m.symbol and m.role = 'index'
    inner join reference.market_symbols as n on m.market = n.market and n.role = 'future'
    inner join bars as f on n.symbol = f.symbol and i.session_date = f.session_date
),

off as (
    select *
    from compared
    where greatest(price / reference_price, reference_price / price) > 50
    qualify known_at = min(known_at) over (partition by symbol, session_date)
)

select
    symbol,
    session_date,
    'close' as column_name,
    min(known_at) as known_at,
    string_agg(format('{} against {} {}', price, what, reference_price), '; ' order by what) as evidence
from off
group by symbol, session_date
