-- Two symbols with the same volume to the last digit: one is a copy (vendors print the exchange's total for every
-- index). The one whose volumes began later is taken for the copy.
-- on: staging.daily_prices  severity: warn
with volumes as (
    select
        symbol,
        session_date,
        volume,
        greatest(known_at, volume_known_at) as known_at,
        min(session_date) over (partition by symbol) as first_date
    from staging.daily_prices
    where volume > 0
),

copies as (
    select
        symbol,
        session_date,
        volume,
        greatest(known_at, max(known_at) over originals) as known_at,
        list(symbol) over originals as symbols
    from volumes
    window
        originals as (
            partition by session_date, volume
            order by first_date, symbol
            rows between unbounded preceding and 1 preceding
        )
)

select
    symbol,
    session_date,
    'volume' as column_name,
    known_at,
    format('volume {:.0f} is that of {}', volume, array_to_string(list_sort(symbols), ', ')) as evidence
from copies
where symbols is not null
