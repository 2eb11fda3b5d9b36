-- What of a market's prices and positions (its primary report) should be there at `ts` and is not: one row, or one for
-- each market where none is named, as data_ends says it; a session counts twenty minutes after its close, when its price
-- has settled (sources/settlement.py).
create macro note_missing(for_market, ts) as table
with missed as (
    select e.*
    from data_ends(ts) as e
    inner join (select market, primary_report_type from marts.markets) as m using (market)
    where (for_market is null or market = for_market)
        and due_at + case when kind = 'prices' then interval '20 minutes' else interval '0 hours' end <= ts
        and (role = 'index' or report_type = m.primary_report_type)
)

select
    market,
    max(last_date) filter (kind = 'prices') as prices_last_date,
    max(due_days) filter (kind = 'prices') as prices_due_days,
    max(last_date) filter (kind = 'reports') as reports_last_date,
    max(due_days) filter (kind = 'reports') as reports_due_days
from missed
group by market
