-- A bar on a day without a session (a future's Sunday evening, an exchange holiday) is refused at intake; it is listed
-- because a vendor that prints one may have put a session's trades into it.
-- on: raw.price_bars  severity: warn
with refused as (
    select
        row_values ->> 'symbol' as symbol,
        try_cast(row_values ->> 'session_date' as date) as session_date,
        max(recorded_at) as known_at,
        string_agg(distinct rule, ', ' order by rule) as rules,
        max(row_values) as row_values
    from meta.quarantine
    where table_name = 'raw.price_bars'
    group by all
)

select
    r.symbol,
    r.session_date,
    r.known_at,
    format('{}, no session; refused ({}): {}', dayname(r.session_date), r.rules, r.row_values) as evidence
from refused as r
inner join (select distinct symbol, calendar from reference.market_symbols) as m using (symbol)
anti join reference.sessions as d on m.calendar = d.calendar and r.session_date = d.session_date
where r.session_date is not null
