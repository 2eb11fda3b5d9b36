-- What a zone's record (the share of its touches that held) predicted for its next touch, of one market as known at
-- `ts`: all decided touches, and those after a record of ten touches or more that was strong (65 %) or weak (50 %).
-- Touches are those that features.levels counts; how many of a zone's first n decided ones held changes only where a
-- bar was corrected.
create macro zone_records(for_market, ts) as table
with known as (
    select max(session_date) as session_date
    from positioning_vs_technicals_as_of(ts)
    where market = for_market
),

records as (
    select level_id, holds + breaks as touches, max(holds) as holds
    from features.levels
    where market = for_market and session_date <= (select session_date from known)
    group by all
),

-- A zone that was not shown for a while may have decided several touches meanwhile: which of them held is not known.
decided as (
    select
        next.holds > before.holds as held,
        before.touches as touches_before,
        before.holds / before.touches as record
    from records as before
    inner join records as next on before.level_id = next.level_id and before.touches + 1 = next.touches
)

select
    for_market as market,
    count(*) as touches,
    avg(held::int) as held_share_ratio,
    count(*) filter (touches_before >= 10 and record >= 0.65) as strong_touches,
    avg(held::int) filter (touches_before >= 10 and record >= 0.65) as strong_held_share_ratio,
    count(*) filter (touches_before >= 10 and record <= 0.5) as weak_touches,
    avg(held::int) filter (touches_before >= 10 and record <= 0.5) as weak_held_share_ratio
from decided
