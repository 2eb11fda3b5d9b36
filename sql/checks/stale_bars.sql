-- A bar repeated from the session before, in all its prices or to the last digit of its volume, was not refreshed.
-- Not counted, because they repeat by chance: bars without a range (old history has closes only), and volumes rounded
-- to 10,000 shares while they have few digits.
-- on: staging.daily_prices  severity: warn
with bars as (
    select
        *,
        (open, high, low, close) = lag((open, high, low, close)) over history and high > low as is_same_prices,
        volume = lag(volume) over history
        and volume > 0
        and (volume % 10000 <> 0 or volume >= 100000000) as is_same_volume,
        lag(session_date) over history as previous_date,
        greatest(known_at, lag(known_at) over history) as prices_known_at,
        greatest(volume_known_at, lag(volume_known_at) over history) as volumes_known_at
    from staging.daily_prices
    window history as (partition by symbol order by session_date)
)

select
    symbol,
    session_date,
    case when is_same_prices then 'close' else 'volume' end as column_name,
    if(is_same_prices, prices_known_at, greatest(prices_known_at, volumes_known_at)) as known_at,
    case
        when is_same_prices then format('open, high, low and close {} are those of {}', close, previous_date)
        else format('volume {:.0f} is that of {}', volume, previous_date)
    end as evidence
from bars
where is_same_prices or is_same_volume
