-- A vendor prints an index's bar with volume 0 while it is a snapshot of the running session; if it never
-- settled, its close is not the session's (^RUT 2025-09-08: 2393.69 instead of 2394.89, too little to be
-- seen against the ETF). Only if the index had volume in the 20 sessions before: volatility indices never have any.
-- on: staging.daily_prices  severity: warn
with volumes as (
    select distinct
        p.*,
        max(p.volume) over before as highest_before,
        max(p.volume_known_at) over before as before_known_at
    from staging.daily_prices as p
    inner join reference.market_symbols as m using (symbol)
    where m.role = 'index'
    window before as (
        partition by m.market, p.symbol order by p.session_date rows between 20 preceding and 1 preceding
    )
)

select
    symbol,
    session_date,
    'close' as column_name,
    greatest(known_at, volume_known_at, before_known_at) as known_at,
    format(
        'volume 0, up to {:.0f} in the 20 sessions before: an intraday snapshot that was never settled? close {:.3f}{}',
        highest_before, close,
        case when abs(100 * close - round(100 * close)) > close / 50000 then ', not rounded to cents as settled ones are' else '' end
    ) as evidence
from volumes
where volume = 0 and highest_before > 0
