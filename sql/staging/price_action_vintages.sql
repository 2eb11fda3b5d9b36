-- Every vintage of every split and dividend, with the span of time in which it was what was known. A first value
-- counts as known when its day's session closes, a changed or withdrawn one from the moment we recorded it.
with numbered as (
    select
        a.*,
        row_number() over (partition by a.symbol, a.action_date, a.kind order by a.recorded_at) - 1 as revision,
        -- Without a session on its day an action is known at the day's end, UTC.
        coalesce(s.close_at, ((a.action_date + 1)::varchar || ' 00:00:00+00')::timestamptz) as close_at
    from raw.price_actions as a
    left join (
        select m.symbol, d.session_date, min(d.close_at) as close_at
        from reference.market_symbols as m
        inner join reference.sessions as d using (calendar)
        group by m.symbol, d.session_date
    ) as s on a.symbol = s.symbol and a.action_date = s.session_date
),

known as (
    select *, case when revision = 0 then close_at else greatest(recorded_at, close_at) end as known_at
    from numbered
    where known_at <= getvariable('as_of')
)

select
    symbol,
    action_date,
    kind,
    revision,
    amount,
    known_at,
    lead(known_at) over (partition by symbol, action_date, kind order by revision) as superseded_at,
    is_withdrawn,
    recorded_at,
    source
from known
order by symbol, action_date, kind, revision
