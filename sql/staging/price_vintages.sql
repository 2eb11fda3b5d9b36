-- Every vintage of every bar, with the span of time in which it was what was known. A first value counts as known
-- at its session's close (bulk history has no observed time); a changed value from the moment we recorded it, and all
-- that was held aside from the moment it was accepted.
with sessions as (
    select distinct s.symbol, d.session_date, d.close_at
    from reference.market_symbols as s
    inner join reference.sessions as d using (calendar)
),

numbered as (
    select
        b.symbol,
        b.session_date,
        b.recorded_at,
        s.close_at,
        row_number() over (partition by b.symbol, b.session_date order by b.recorded_at) - 1 as revision,
        min(b.recorded_at) over earlier < b.recorded_at and min(b.recorded_at) over later < b.recorded_at as is_late,
        b.recorded_at in (
            select fetched_at from raw.fetch_log where status = 'accepted' and table_name = 'raw.price_bars'
        ) as was_held
    from raw.price_bars as b
    inner join sessions as s using (symbol, session_date)
    where b.is_final
    window
        earlier as (
            partition by b.symbol order by b.session_date groups between unbounded preceding and 1 preceding
        ),
        later as (
            partition by b.symbol order by b.session_date groups between 1 following and unbounded following
        )
),

known as (
    select
        *,
        -- A bar that fills a gap between bars we already had was not known before; older history than any we had is bulk.
        case
            when revision = 0 and is_late is not true and not was_held then close_at
            else greatest(recorded_at, close_at)
        end as known_at
    from numbered
    where known_at <= getvariable('as_of')
),

spanned as (
    select *, lead(known_at) over (partition by symbol, session_date order by revision) as superseded_at from known
)

select
    symbol,
    session_date,
    revision,
    open,
    high,
    low,
    close,
    volume,
    known_at,
    superseded_at,
    is_withdrawn,
    recorded_at,
    source
from spanned
inner join raw.price_bars using (symbol, session_date, recorded_at)
order by symbol, session_date, revision
