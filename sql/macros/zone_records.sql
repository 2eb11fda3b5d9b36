-- What a zone's record (the share of its touches that held) has said about its next touch, of one market as known at
-- `ts`: all decided touches, and those after a record of ten touches or more that was strong (65 %) or weak (50 %).
-- Touches are counted by features.levels; a zone's touch before the next one is decided, the last may not be.
create macro zone_records(for_market, ts) as table
with known as (
    select max(session_date) as session_date
    from marts.positioning_vs_technicals
    where market = for_market and known_at <= ts::timestamptz
),

phases as (
    select level_id, touches, max(holds) as holds, max(breaks) as breaks
    from features.levels
    where market = for_market and session_date <= (select session_date from known)
    group by level_id, touches
),

decided as (
    select
        holds > lag(holds) over (partition by level_id order by touches) as held,
        touches - 1 as touches_before,
        lag(holds) over (partition by level_id order by touches) / (touches - 1) as record
    from phases
    qualify touches = lag(touches) over (partition by level_id order by touches) + 1
        and (holds > lag(holds) over (partition by level_id order by touches)
            or breaks > lag(breaks) over (partition by level_id order by touches))
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
