-- Every vintage of every bar, with the time in which it was the known one. A first value is known at its session's
-- close, or when its price is final where that is later (VIX, futures, yields on half-days), or from its recording if an
-- earlier fetch, made after that, could have shown it. A changed value is known
-- from its recording, one that was held from its acceptance. The volume follows the same rule from when it settles, 12
-- hours after the close: before, it is null, and its settlement is no revision. A fetch that failed after it settled
-- puts it off as well: what was published then is without it.
with symbols as (
    select distinct symbol, calendar, final_minutes, half_day_final_minutes from reference.market_symbols
),

-- The days that each fetch of a symbol could have shown.
looks as (
    select item as symbol, fetched_at, shows_from, shows_until
    from raw.fetch_log
    where table_name = 'raw.price_bars' and shows_until is not null
),

-- Of each row the latest fetch before its own that could have shown its day.
looked as (
    select b.symbol, b.session_date, b.recorded_at, max(l.fetched_at) as looked_at
    from raw.price_bars as b
    inner join looks as l
        on b.symbol = l.symbol
        and b.session_date between l.shows_from and l.shows_until
        and b.recorded_at > l.fetched_at
    where b.recorded_at > (select min(fetched_at) from looks)
    group by b.symbol, b.session_date, b.recorded_at
),

failures as (
    select item as symbol, fetched_at from raw.fetch_log where table_name = 'raw.price_bars' and status = 'failed'
),

-- What was held aside: rows of the symbol and the moment of an acceptance.
accepted as (
    select item, fetched_at from raw.fetch_log where status = 'accepted' and table_name = 'raw.price_bars'
),

recorded as (
    select
        b.* exclude (is_final, is_settled),
        d.close_at + to_minutes(if(d.is_half_day, s.half_day_final_minutes, s.final_minutes)) as final_at,
        d.settles_at,
        coalesce(b.is_settled, b.recorded_at >= d.settles_at) and not b.is_withdrawn as is_settled,
        l.looked_at,
        f.fetched_at as failed_at,
        (b.symbol, b.recorded_at) in (from accepted) as was_held
    from raw.price_bars as b
    inner join symbols as s using (symbol)
    inner join reference.sessions as d using (calendar, session_date)
    left join looked as l using (symbol, session_date, recorded_at)
    asof left join failures as f on b.symbol = f.symbol and b.recorded_at > f.fetched_at
    where b.is_final
),

-- Of each row: whether its prices are news, and which of the settled volumes it brings or repeats.
compared as (
    select
        *,
        row_number() over vintages = 1 as is_first,
        {'open': open, 'high': high, 'low': low, 'close': close, 'is_withdrawn': is_withdrawn}
        is distinct from lag({'open': open, 'high': high, 'low': low, 'close': close, 'is_withdrawn': is_withdrawn})
            over vintages as has_new_prices,
        is_settled and count(*) filter (is_settled) over vintages = 1 as settles_first,
        is_settled
        and count(*) filter (is_settled) over vintages > 1
        and volume is distinct from last_value(if(is_settled, volume, null) ignore nulls) over earlier as has_new_volume,
        last_value(if(is_settled, volume, null) ignore nulls) over vintages as settled_volume
    from recorded
    window
        vintages as (partition by symbol, session_date order by recorded_at),
        earlier as (
            partition by symbol, session_date order by recorded_at rows between unbounded preceding and 1 preceding
        )
),

-- Nominal moments, put off to the recording where a fetch between the two did not show the row.
first_volumes as (
    select
        symbol,
        session_date,
        volume as first_volume,
        case
            when was_held or looked_at >= settles_at or failed_at >= settles_at then greatest(recorded_at, settles_at)
            else settles_at
        end as first_volume_known_at
    from compared
    where settles_first
),

known as (
    select
        c.*,
        case
            when is_first and not was_held and coalesce(looked_at < final_at, true) then final_at
            else greatest(recorded_at, final_at)
        end as known_at
    from compared as c
    where (has_new_prices or has_new_volume) and known_at <= getvariable('as_of')
),

spanned as (
    select
        k.*,
        row_number() over vintages - 1 as revision,
        lead(k.known_at) over vintages as superseded_at,
        v.first_volume,
        greatest(v.first_volume_known_at, first_value(k.known_at) over vintages) as first_volume_known_at
    from known as k
    left join first_volumes as v using (symbol, session_date)
    window vintages as (partition by symbol, session_date order by k.recorded_at)
),

-- The first volume stands beside the prices that it settles for; a later one is a vintage of its own.
settled as (
    select
        *,
        case
            when settled_volume is not null then greatest(first_volume_known_at, if(has_new_volume, known_at, null))
            when first_volume_known_at < coalesce(superseded_at, 'infinity'::timestamptz) then first_volume_known_at
        end as volume_at
    from spanned
)

select
    symbol,
    session_date,
    revision,
    open,
    high,
    low,
    close,
    if(volume_at <= getvariable('as_of'), coalesce(settled_volume, first_volume), null) as volume,
    if(volume_at <= getvariable('as_of') and coalesce(settled_volume, first_volume) is not null, volume_at, null)
        as volume_known_at,
    known_at,
    superseded_at,
    is_withdrawn,
    recorded_at,
    source
from settled
order by symbol, session_date, revision
