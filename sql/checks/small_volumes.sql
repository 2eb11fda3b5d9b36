-- ETFs and futures trade every session: a volume of none, or of less than a hundredth of the median of the 63 sessions
-- before, is a hole in the vendor's data (IWM 2019-07-30: 1,200), and it empties that day in every volume profile.
-- on: staging.daily_prices  severity: warn
with volumes as (
    select distinct
        p.*,
        median(p.volume) over before as usual,
        max(p.volume_known_at) over before as usual_known_at,
        count(p.volume) over before as sessions
    from staging.daily_prices as p
    inner join reference.market_symbols as m using (symbol)
    where m.role in ('proxy', 'future')
    window before as (
        partition by m.market, p.symbol order by p.session_date rows between 63 preceding and 1 preceding
    )
)

select
    symbol,
    session_date,
    'volume' as column_name,
    greatest(known_at, volume_known_at, usual_known_at) as known_at,
    format('volume {:.0f}, median of the {} sessions before {:.0f}', volume, sessions, usual) as evidence
from volumes
where volume < 0.01 * usual and sessions >= 20
