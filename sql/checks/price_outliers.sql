-- An index does not trade, so a wrong print shows only against witnesses that do: its ETF and its future. A high (low)
-- is doubtful if neither a witness, in proportion to its own close, nor yesterday's close, which a stale opening
-- repeats, reaches it. The excess is measured in the narrowest witness's true range of that day, so that
-- neither the scale of prices nor the volatility matters: three quarters of it lets 13 bars of four indices since 1993
-- through. A close is doubtful where the index's return is two true ranges beyond every witness's: an ETF's dividend
-- makes up to 1.8. Backward-looking, so known when the prices of all witnesses would be final: with fewer of them it
-- would be judged otherwise.
-- on: staging.daily_prices  severity: warn
with bars as (
    select
        m.market,
        m.role,
        p.*,
        lag(p.close) over history as previous_close,
        lag(p.session_date) over history as previous_date
    from staging.daily_prices as p
    inner join reference.market_symbols as m using (symbol)
    where m.role in ('index', 'proxy', 'future')
    window history as (partition by m.market, p.symbol order by p.session_date)
),

finals as (
    select
        m.market,
        d.session_date,
        max(d.close_at + to_minutes(if(d.is_half_day, m.half_day_final_minutes, m.final_minutes))) as final_at
    from reference.market_symbols as m
    inner join reference.sessions as d using (calendar)
    where m.role in ('index', 'proxy', 'future')
    group by m.market, d.session_date
),

witnessed as (
    select
        i.symbol,
        i.session_date,
        i.high,
        i.low,
        i.close,
        greatest(i.previous_close, i.close * max(w.high / w.close)) as highest,
        least(i.previous_close, i.close * min(w.low / w.close)) as lowest,
        i.previous_close * max(w.close / w.previous_close) as highest_close,
        i.previous_close * min(w.close / w.previous_close) as lowest_close,
        nullif(
            min(ln(greatest(w.high, w.previous_close) / least(w.low, w.previous_close))), 0
        ) as true_range,
        string_agg(w.symbol, ' and ' order by w.symbol) as witnesses,
        greatest(i.known_at, max(w.known_at), max(f.final_at)) as known_at
    from bars as i
    inner join bars as w
        on i.market = w.market and i.session_date = w.session_date and i.previous_date = w.previous_date
    inner join finals as f on i.market = f.market and i.session_date = f.session_date
    where i.role = 'index' and w.role <> 'index'
    group by i.symbol, i.market, i.session_date, i.high, i.low, i.close, i.previous_close, i.known_at
),

excesses as (
    select
        *,
        unnest([
            {'column_name': 'high', 'price': high, 'bound': highest, 'excess': ln(high / highest), 'times': 0.75},
            {'column_name': 'low', 'price': low, 'bound': lowest, 'excess': ln(lowest / low), 'times': 0.75},
            {
                'column_name': 'close', 'price': close, 'bound': highest_close,
                'excess': ln(close / highest_close), 'times': 2
            },
            {
                'column_name': 'close', 'price': close, 'bound': lowest_close,
                'excess': ln(lowest_close / close), 'times': 2
            }
        ], recursive := true)
    from witnessed
)

select
    symbol,
    session_date,
    column_name,
    known_at,
    format(
        '{} {:.2f}; {:.2f} by the measure of {}: {:.2f} % or {:.1f} true ranges beyond it',
        column_name, price, bound, witnesses, 100 * excess, excess / true_range
    ) as evidence
from excesses
where excess > times * true_range and known_at <= getvariable('as_of')
qualify row_number() over (partition by symbol, session_date order by excess desc) = 1
