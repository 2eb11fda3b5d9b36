-- The number of sessions until SMA 50 and SMA 200 of a market (of each, where none is named) cross, if every later close
-- is the one at `ts`: exact, from the closes that leave the windows. Null if they do not cross, before 200 closes, and on
-- a tie.
create macro projected_cross(for_market, ts) as table
with closes as (
    select
        market,
        session_date,
        close::decimal(24, 8) as close,
        row_number() over (partition by market order by session_date desc) as age
    from market_bars_as_of(ts)
    where for_market is null or market = for_market
    qualify age <= 200
),

newest as (
    select market, max(session_date) as session_date, arg_min(close, age) as close, count(*) as sessions
    from closes
    group by market
),

ahead as (
    -- 200 times SMA 50 less SMA 200, after as many sessions at the newest close
    select
        market,
        sessions_ahead,
        4 * (coalesce(sum(c.close) filter (c.age + sessions_ahead <= 50), 0) + least(sessions_ahead, 50) * any_value(n.close))
            - sum(c.close) filter (c.age + sessions_ahead <= 200) - sessions_ahead * any_value(n.close) as gap
    from range(200) as later (sessions_ahead)
    cross join closes as c
    inner join newest as n using (market)
    where n.sessions = 200
    group by market, sessions_ahead
),

today as (
    select market, sign(gap) as side from ahead where sessions_ahead = 0
)

select
    n.market,
    n.session_date,
    case t.side when 1 then 'down' when -1 then 'up' end as direction,
    min(a.sessions_ahead) filter (sign(a.gap) = -t.side and t.side <> 0) as sessions_to_cross
from newest as n
left join today as t using (market)
left join ahead as a using (market)
group by all
