-- What all features read: the index's own prices with its proxy's volume, because the volume that vendors
-- print for an index is not its own.
with bars as (
    select s.market, s.role, p.*
    from staging.daily_prices as p
    inner join reference.market_symbols as s using (symbol)
)

select
    i.market,
    i.session_date,
    i.open,
    i.high,
    i.low,
    i.close,
    p.volume,
    p.symbol as volume_symbol,
    greatest(i.known_at, coalesce(p.known_at, i.known_at)) as known_at
from bars as i
left join bars as p on i.market = p.market and i.session_date = p.session_date and p.role = 'proxy'
where i.role = 'index'
order by i.market, i.session_date
