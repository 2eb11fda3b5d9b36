-- staging.daily_prices as it was known at `ts`.
create macro daily_prices_as_of(ts) as table
select * exclude (superseded_at, is_withdrawn)
from staging.price_vintages
where known_at <= ts::timestamptz
    and coalesce(superseded_at, 'infinity'::timestamptz) > ts::timestamptz
    and not is_withdrawn
order by symbol, session_date
