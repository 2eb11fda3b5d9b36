-- What a note may say of a market's levels at its last close known at `ts`: one row, or one for each market where none
-- is named. Zones whose prices are closer than half an ATR are one. `support` and `resistance` are the nearest on each
-- side; `structural_` ones lie beyond and were founded on an extreme of price (a swing, a range, a year), not on volume;
-- `broken` are swings of the last three months that the close has just gone through: within half an ATR, and a close of
-- the five sessions before was beyond.
create macro note_levels(for_market, ts) as table
with closes as materialized (
    select
        p.market,
        p.session_date,
        p.close,
        p.atr_14,
        row_number() over (partition by p.market order by p.session_date desc) as age
    from positioning_vs_technicals_as_of(ts) as p
    where for_market is null or p.market = for_market
    qualify age <= 6
),

newest as (from closes where age = 1),

zones as (
    select
        l.*,
        coalesce(abs(l.price - lag(l.price) over outwards) >= 0.5 * n.atr_14, false) as is_apart,
        regexp_matches(l.kind, '^(swing|range|year)_|_252d$') as is_extreme
    from levels_as_of(ts) as l
    inner join newest as n on l.market = n.market and l.session_date = n.session_date
    where for_market is null or l.market = for_market
    window outwards as (partition by l.market, l.role order by l.nearness)
),

merged as (
    select *, sum(is_apart::int) over (partition by market, role order by nearness) as place from zones
),

nearest as (
    select
        market,
        max(high) filter (role = 'support') as support_high,
        min(low) filter (role = 'support') as support_low,
        min(low) filter (role = 'resistance') as resistance_low,
        max(high) filter (role = 'resistance') as resistance_high,
        min(low) filter (role = 'around') as around_low,
        max(high) filter (role = 'around') as around_high
    from merged
    where place = 0
    group by market
),

structural as (
    select
        market,
        arg_min(price, nearness) filter (role = 'support') as structural_support_price,
        arg_min(price, nearness) filter (role = 'resistance') as structural_resistance_price
    from merged
    where place > 0 and is_extreme
    group by market
),

before as (
    select market, max(close) as highest, min(close) as lowest from closes where age between 2 and 6 group by market
),

-- Swings of the last three months that the close has just left on the other side, within half an ATR.
broken as (
    select
        e.market,
        arg_max(e.price, e.born_date) filter (e.kind = 'swing_low') as broken_low,
        max(e.born_date) filter (e.kind = 'swing_low') as broken_low_date,
        arg_max(e.price, e.born_date) filter (e.kind = 'swing_high') as broken_high,
        max(e.born_date) filter (e.kind = 'swing_high') as broken_high_date
    from level_evidence_as_of(ts) as e
    inner join newest as n
        on e.market = n.market
        and e.born_date > n.session_date - 92
        and abs(e.price - n.close) <= 0.5 * n.atr_14
    inner join before as b on e.market = b.market
    where (for_market is null or e.market = for_market)
        and case e.kind
            when 'swing_low' then n.close < e.price and b.highest > e.price
            when 'swing_high' then n.close > e.price and b.lowest < e.price
        end
    group by e.market
)

select
    n.market,
    l.support_low,
    l.support_high,
    l.resistance_low,
    l.resistance_high,
    l.around_low,
    l.around_high,
    s.structural_support_price,
    s.structural_resistance_price,
    b.broken_low,
    b.broken_low_date,
    b.broken_high,
    b.broken_high_date
from newest as n
left join nearest as l on n.market = l.market
left join structural as s on n.market = s.market
left join broken as b on n.market = b.market
