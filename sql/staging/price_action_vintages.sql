-- Every vintage of every split and dividend, with the span of time in which it was what was known. A first value
-- counts as known when its day's session closes, a changed or withdrawn one from the moment we recorded it. So does
-- one that we looked for in vain: older actions of the symbol were there before it, and so was a finished bar of its
-- day or later. History older than any we had is bulk. All that was held aside is known from its acceptance.
with bars as (
    select symbol, session_date, min(recorded_at) as first_recorded_at
    from raw.price_bars
    where is_final
    group by symbol, session_date
),

looks as (
    select
        symbol,
        session_date,
        min(first_recorded_at) over (
            partition by symbol order by session_date rows between current row and unbounded following
        ) as looked_at
    from bars
),

numbered as (
    select
        a.*,
        row_number() over (partition by a.symbol, a.action_date, a.kind order by a.recorded_at) - 1 as revision,
        min(a.recorded_at) over (
            partition by a.symbol order by a.action_date groups between unbounded preceding and 1 preceding
        ) < a.recorded_at and l.looked_at < a.recorded_at as is_late,
        a.recorded_at in (
            select fetched_at from raw.fetch_log where status = 'accepted' and table_name = 'raw.price_actions'
        ) as was_held,
        -- Without a session on its day an action is known at the day's end, UTC.
        coalesce(s.close_at, ((a.action_date + 1)::varchar || ' 00:00:00+00')::timestamptz) as close_at
    from raw.price_actions as a
    left join (
        select m.symbol, d.session_date, min(d.close_at) as close_at
        from reference.market_symbols as m
        inner join reference.sessions as d using (calendar)
        group by m.symbol, d.session_date
    ) as s on a.symbol = s.symbol and a.action_date = s.session_date
    asof left join looks as l on a.symbol = l.symbol and a.action_date <= l.session_date
),

known as (
    select
        *,
        case
            when revision = 0 and is_late is not true and not was_held then close_at
            else greatest(recorded_at, close_at)
        end as known_at
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
