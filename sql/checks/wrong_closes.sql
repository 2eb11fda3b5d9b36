-- A wrong close shows against the index's fund: the index's one-day return is 0.4 % away from the
-- fund's total return (its dividend added back), and two to four thirds of that come back the next session (^RUT
-- 2024-02-16: 2045.14 for 2032.75). Only while the fund follows closely, by the median of up to 250 sessions before:
-- until 2009 funds often closed a quarter of an hour after their index. It needs the next bar.
-- on: staging.daily_prices  severity: warn
with dividends as (
    select symbol, action_date, sum(amount) as dividend, max(known_at) as known_at
    from staging.price_action_vintages
    where kind = 'dividend' and superseded_at is null and not is_withdrawn
    group by symbol, action_date
),

pairs as (
    select
        m.market,
        i.symbol,
        i.session_date,
        i.close,
        f.symbol as fund,
        greatest(i.known_at, f.known_at, coalesce(d.known_at, i.known_at)) as known_at,
        i.close / lag(i.close) over history as index_return,
        (f.close + coalesce(d.dividend, 0)) / lag(f.close) over history as fund_return
    from reference.market_symbols as m
    inner join reference.market_symbols as n on m.market = n.market and m.role = 'index' and n.role = 'proxy'
    inner join staging.daily_prices as i on m.symbol = i.symbol
    left join staging.daily_prices as f on n.symbol = f.symbol and i.session_date = f.session_date
    left join dividends as d on f.symbol = d.symbol and f.session_date = d.action_date
    window history as (partition by m.market order by i.session_date)
),

compared as (
    select
        *,
        index_return - fund_return as apart,
        lead(index_return - fund_return) over history as apart_next,
        median(abs(index_return - fund_return)) over before as usual,
        count(index_return - fund_return) over before as sessions,
        greatest(known_at, lead(known_at) over history) as seen_at
    from pairs
    window
        history as (partition by market order by session_date),
        before as (partition by market order by session_date rows between 250 preceding and 1 preceding)
)

select
    symbol,
    session_date,
    'close' as column_name,
    min(seen_at) as known_at,
    string_agg(
        format(
            'close {:.2f}, by the return of {} {:.2f}: {:+.2f} % apart, {:+.2f} % the next session',
            close, fund, close / index_return * fund_return, 100 * apart, 100 * apart_next
        ),
        '; ' order by fund
    ) as evidence
from compared
where abs(apart) > 0.004 and -apart_next / apart between 0.667 and 1.333 and usual < 0.001 and sessions >= 20
group by symbol, session_date
