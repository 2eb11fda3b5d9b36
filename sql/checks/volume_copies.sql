-- Two symbols with the same volume to the last digit: one is a copy (vendors print the exchange's total for every
-- index). The one whose volumes began later is taken for the copy.
-- on: staging.daily_prices  severity: warn
with volumes as (
    select *, min(session_date) over (partition by symbol) as first_date
    from staging.daily_prices
    where volume > 0
)

select
    c.symbol,
    c.session_date,
    'volume' as column_name,
    greatest(c.known_at, c.volume_known_at, max(greatest(o.known_at, o.volume_known_at))) as known_at,
    format('volume {:.0f} is that of {}', c.volume, string_agg(o.symbol, ', ' order by o.symbol)) as evidence
from volumes as c
inner join volumes as o
    on c.session_date = o.session_date
    and c.volume = o.volume
    and (c.first_date, c.symbol) > (o.first_date, o.symbol)
group by c.symbol, c.session_date, c.volume, c.known_at, c.volume_known_at
