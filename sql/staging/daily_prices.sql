-- The vintage that stands at as_of; what the vendor withdrew by then is not there.
select
    symbol,
    session_date,
    open,
    high,
    low,
    close,
    volume,
    volume_known_at,
    known_at,
    revision,
    recorded_at,
    source
from staging.price_vintages
where superseded_at is null and not is_withdrawn
order by symbol, session_date
