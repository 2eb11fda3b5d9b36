-- What a note may say of a market's prices at its last close known at `ts`: one row, or one for each market where none
-- is named. `before` is the session before it; `low_20d` the lowest low of 20 sessions and the day it was made,
-- `low_252d` and `high_252d` of 252.
create macro note_prices(for_market, ts) as table
with newest as (
    select market, max(session_date) as session_date
    from positioning_vs_technicals_as_of(ts)
    where for_market is null or market = for_market
    group by market
),

days as materialized (
    select
        p.market,
        p.session_date,
        p.known_at,
        p.close,
        p.return_1d,
        p.rsi_14,
        p.sma_50,
        p.sma_100,
        p.sma_200,
        p.macd_histogram,
        p.atr_14,
        p.high_252d,
        p.low_252d,
        p.drawdown_ratio,
        p.last_cross,
        p.last_cross_date,
        p.poc_250,
        p.volume_symbol,
        p.trend,
        p.technical_state,
        p.setup,
        p.report_date,
        p.released_at,
        p.report_age_days,
        row_number() over (partition by p.market order by p.session_date desc) as age
    from positioning_vs_technicals_as_of(ts) as p
    inner join newest as n on p.market = n.market and p.session_date > n.session_date - 60
    where for_market is null or p.market = for_market
),

bars as (
    select
        b.market,
        b.session_date,
        b.high,
        b.low,
        row_number() over (partition by b.market order by b.session_date desc) as age
    from market_bars_as_of(ts) as b
    inner join newest as n
        on b.market = n.market and b.session_date > n.session_date - 420 and b.session_date <= n.session_date
    where for_market is null or b.market = for_market
),

extremes as (
    select
        market,
        count(*) = 1 as is_first,
        case when count(*) >= 20 then min(low) filter (age <= 20) end as low_20d,
        arg_min(session_date, low) filter (age <= 20) as low_20d_date,
        arg_min(age, low) filter (age <= 20) as low_20d_age,
        arg_min(session_date, low) filter (age <= 252) as low_252d_date,
        arg_max(session_date, high) filter (age <= 252) as high_252d_date
    from bars
    group by market
),

ahead as (from projected_cross(for_market, ts))

select
    m.market,
    m.name,
    m.index_symbol,
    m.price_series,
    m.is_inverse,
    -- Beside positions, a rise or a fall says whose it is where the contract's is the other way round.
    case when m.is_inverse then ' of the ' || m.price_series else '' end as of_series,
    case when m.is_inverse then 'contract' else m.price_series end as compared,
    case when m.is_inverse then ' of the inverse ' || m.price_series else '' end as of_inverse,
    -- An index of volatility rises when shares fall and comes back to its mean: trends and "oversold" mean nothing.
    m.market_class = 'volatility' as is_volatility,
    n.session_date,
    n.known_at,
    dayname(n.session_date) as weekday,
    n.close,
    n.return_1d,
    coalesce(e.is_first, false) as is_first,
    b.session_date as before_date,
    dayname(b.session_date) as before_weekday,
    b.return_1d as before_return_1d,
    b.rsi_14 as before_rsi_14,
    -- The part of the day before's points that the day took back; below 0 it went on.
    -n.return_1d * (1 + b.return_1d) / nullif(b.return_1d, 0) as taken_back_ratio,
    n.close / w.close - 1 as return_5d_ratio,
    n.rsi_14,
    n.sma_50,
    n.sma_100,
    n.sma_200,
    n.sma_50 - n.sma_200 as sma_50_over_200_points,
    n.sma_50 - w.sma_50 as sma_50_change_5d_points,
    n.macd_histogram,
    b.macd_histogram as before_macd_histogram,
    n.atr_14,
    n.high_252d,
    e.high_252d_date,
    n.low_252d,
    e.low_252d_date,
    e.low_20d,
    e.low_20d_date,
    e.low_20d_age - 1 as low_20d_sessions_ago,
    n.drawdown_ratio,
    n.last_cross,
    n.last_cross_date,
    (select count(*) from days as d where d.market = n.market and d.session_date > n.last_cross_date)
        as last_cross_sessions_ago,
    n.poc_250,
    n.poc_250 / n.close - 1 as poc_250_distance_ratio,
    n.volume_symbol,
    n.trend,
    n.technical_state,
    n.setup,
    n.report_date,
    n.released_at,
    n.report_age_days,
    i.rsi_30_trigger_close,
    i.rsi_70_trigger_close,
    i.sma_50_200_trigger_close,
    c.sessions_to_cross,
    c.direction as cross_direction
from days as n
inner join marts.markets as m on n.market = m.market
left join extremes as e on n.market = e.market
left join days as b on n.market = b.market and b.age = 2 and n.return_1d is not null
left join days as w on n.market = w.market and w.age = 6
left join daily_indicators_as_of(ts) as i on n.market = i.market and n.session_date = i.session_date
left join ahead as c on n.market = c.market and n.session_date = c.session_date
where n.age = 1
