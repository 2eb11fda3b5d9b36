-- What a note may say of one market's levels at its last close known at `ts`: one row. Zones whose prices are closer
-- than half an ATR are one. `support` and `resistance` are the nearest on each side; `structural_` ones lie beyond and
-- were founded on an extreme of price (a swing, a range, a year), not on volume; `broken` are swings of the last three
-- months that the close has just gone through: within half an ATR, and a close of the five sessions before was beyond.
create macro note_levels(for_market, ts) as table
with shown as materialized (
    select *, dense_rank() over (order by session_date desc) as age
    from levels_as_of(ts)
    where market = for_market
        and session_date > (
            select max(session_date) - 21 from positioning_vs_technicals_as_of(ts) where market = for_market
        )
),

atr as (
    select atr_14
    from positioning_vs_technicals_as_of(ts)
    where market = for_market and session_date = (select max(session_date) from shown)
),

zones as (
    select
        *,
        coalesce(abs(price - lag(price) over outwards) >= 0.5 * (select atr_14 from atr), false) as is_apart,
        regexp_matches(kind, '^(swing|range|year)_|_252d$') as is_extreme
    from shown
    where age = 1
    window outwards as (partition by role order by nearness)
),

merged as (
    select *, sum(is_apart::int) over (partition by role order by nearness) as place from zones
),

nearest as (
    select role, min(low) as low, max(high) as high, count(*) as zones from merged where place = 0 group by role
),

structural as (
    select role, arg_min(price, nearness) as price
    from merged
    where place > 0 and is_extreme
    group by role
),

closes as (
    select session_date, close, row_number() over (order by session_date desc) as age
    from positioning_vs_technicals_as_of(ts)
    where market = for_market and session_date > (select max(session_date) - 14 from shown)
),

-- Swings of the last three months that the close has just left on the other side, within half an ATR.
broken as (
    select e.kind, e.price, e.born_date
    from level_evidence_as_of(ts) as e
    cross join (select close from closes where age = 1) as c
    where e.market = for_market
        and e.born_date > (select max(session_date) - 92 from shown)
        and abs(e.price - c.close) <= 0.5 * (select atr_14 from atr)
        and case e.kind
            when 'swing_low'
                then c.close < e.price and (select max(close) from closes where age between 2 and 6) > e.price
            when 'swing_high'
                then c.close > e.price and (select min(close) from closes where age between 2 and 6) < e.price
        end
)

select
    max(low) filter (n.role = 'support') as support_low,
    max(high) filter (n.role = 'support') as support_high,
    max(low) filter (n.role = 'resistance') as resistance_low,
    max(high) filter (n.role = 'resistance') as resistance_high,
    max(low) filter (n.role = 'around') as around_low,
    max(high) filter (n.role = 'around') as around_high,
    (select price from structural where role = 'support') as structural_support_price,
    (select price from structural where role = 'resistance') as structural_resistance_price,
    (select arg_max(price, born_date) from broken where kind = 'swing_low') as broken_low,
    (select max(born_date) from broken where kind = 'swing_low') as broken_low_date,
    (select arg_max(price, born_date) from broken where kind = 'swing_high') as broken_high,
    (select max(born_date) from broken where kind = 'swing_high') as broken_high_date
from nearest as n
