-- The bar of each symbol and session as known at as_of. A first value counts as known at its session's close
-- (bulk history has no observed time); a changed value is known only from the moment we recorded it.
with sessions as (
    select distinct s.symbol, d.session_date, d.close_at
    from reference.market_symbols as s
    inner join reference.sessions as d using (calendar)
),

vintages as (
    select
        b.*,
        row_number() over (partition by b.symbol, b.session_date order by b.recorded_at) - 1 as revision,
        s.close_at
    from raw.price_bars as b
    inner join sessions as s using (symbol, session_date)
    where b.is_final
),

known as (
    select *, case when revision = 0 then close_at else greatest(recorded_at, close_at) end as known_at
    from vintages
),

latest as (
    select *
    from known
    where known_at <= getvariable('as_of')
    qualify row_number() over (partition by symbol, session_date order by revision desc) = 1
),

standing as (
    select * from latest where not is_withdrawn
),

dividends as (
    select symbol, action_date, amount
    from raw.price_actions
    where kind = 'dividend' and recorded_at <= getvariable('as_of') and action_date <= getvariable('as_of')::date
    qualify row_number() over (partition by symbol, action_date order by recorded_at desc) = 1 and not is_withdrawn
),

factors as (
    select
        s.symbol,
        s.session_date,
        ln(1 - d.amount / lag(s.close) over (partition by s.symbol order by s.session_date)) as log_factor
    from standing as s
    left join dividends as d on s.symbol = d.symbol and s.session_date = d.action_date
),

adjustments as (
    select
        symbol,
        session_date,
        exp(coalesce(sum(log_factor) over later, 0)) as factor,
        count(log_factor) over (partition by symbol) > 0 as has_dividends
    from factors
    window later as (
        partition by symbol order by session_date rows between 1 following and unbounded following
    )
)

select
    s.symbol,
    s.session_date,
    s.open,
    s.high,
    s.low,
    s.close,
    case when a.has_dividends then s.close * a.factor end as adjusted_close,
    s.volume,
    s.known_at,
    s.revision,
    s.recorded_at,
    s.source
from standing as s
inner join adjustments as a using (symbol, session_date)
order by s.symbol, s.session_date
