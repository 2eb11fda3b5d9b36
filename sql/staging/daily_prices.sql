-- The vintage that is current at as_of, without bars that the vendor withdrew by then.
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
