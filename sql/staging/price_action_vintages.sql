-- Every vintage of every split and dividend, with the time in which it was the known one. A first value is known when
-- its day's session closes, or from its recording if an earlier fetch, made after the close, could have shown it. A
-- changed or withdrawn value is known from its recording, one that was held from its acceptance.
with symbols as (
    select distinct symbol, calendar from reference.market_symbols
),

-- Of each row the latest fetch before its own that could have shown its day.
looked as (
    select a.symbol, a.action_date, a.kind, a.recorded_at, max(l.fetched_at) as looked_at
    from raw.price_actions as a
    inner join raw.fetch_log as l
        on a.symbol = l.item
        and a.action_date between l.shows_from and l.shows_until
        and a.recorded_at > l.fetched_at
    where l.table_name = 'raw.price_actions'
    group by a.symbol, a.action_date, a.kind, a.recorded_at
),

-- What was held aside: rows of the symbol and the moment of an acceptance.
accepted as (
    select item, fetched_at from raw.fetch_log where status = 'accepted' and table_name = 'raw.price_actions'
),

numbered as (
    select
        a.*,
        row_number() over (partition by a.symbol, a.action_date, a.kind order by a.recorded_at) - 1 as revision,
        -- Without a session on its day an action is known at the day's end, UTC.
        coalesce(d.close_at, ((a.action_date + 1)::varchar || ' 00:00:00+00')::timestamptz) as close_at,
        l.looked_at,
        (a.symbol, a.recorded_at) in (from accepted) as was_held
    from raw.price_actions as a
    left join symbols as s on a.symbol = s.symbol
    left join reference.sessions as d on s.calendar = d.calendar and a.action_date = d.session_date
    left join looked as l
        on a.symbol = l.symbol
        and a.action_date = l.action_date
        and a.kind = l.kind
        and a.recorded_at = l.recorded_at
),

known as (
    select
        *,
        case
            when revision = 0 and not was_held and coalesce(looked_at < close_at, true) then close_at
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
