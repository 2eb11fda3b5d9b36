-- Closes as known at `ts`, adjusted for the dividends known then (vendors apply splits themselves): derived, never
-- stored, because every dividend rebases the whole history before it.
create macro adjusted_prices_as_of(ts) as table
with dividends as (
    select symbol, action_date, amount from price_action_vintages_as_of(ts) where kind = 'dividend'
),

factors as (
    select
        b.symbol,
        b.session_date,
        b.close,
        ln(1 - d.amount / lag(b.close) over (partition by b.symbol order by b.session_date)) as log_factor
    from daily_prices_as_of(ts) as b
    left join dividends as d on b.symbol = d.symbol and b.session_date = d.action_date
)

select
    symbol,
    session_date,
    close,
    close * exp(coalesce(sum(log_factor) over (
        partition by symbol order by session_date rows between 1 following and unbounded following
    ), 0)) as adjusted_close
from factors
order by symbol, session_date
