-- Reports of the calendar that are missing: whole weeks (no contract code), and contracts of ours that are missing from
-- a report (fewer than 20 reportable traders, or lost); not of markets without prices, which often have too few. Only
-- between reports that are here; `r2k status` shows a late one at the end. A gap shows when the next report arrives.
-- on: staging.cot_positions  severity: warn
with held as (
    select report_type, contract_code, report_date, max(known_at) as known_at
    from staging.cot_positions
    group by report_type, contract_code, report_date
),

weeks as (
    select
        report_type,
        report_date,
        lead(report_date) over series as next_date,
        lead(known_at) over series as next_at
    from (select report_type, report_date, min(known_at) as known_at from held group by all)
    window series as (partition by report_type order by report_date)
),

own as (
    select
        h.*,
        lead(h.report_date) over series as next_date,
        lead(h.known_at) over series as next_at
    from held as h
    inner join reference.market_contracts as c
        on h.contract_code = c.contract_code and h.report_date between c.first_report_date and c.last_report_date
    where c.market in (select market from reference.market_symbols where role = 'index')
    window series as (partition by c.market, h.report_type, h.contract_code, c.first_report_date order by h.report_date)
)

select
    w.report_type,
    null::varchar as contract_code,
    r.report_date,
    w.next_at as known_at,
    format('no report between {} and {}', w.report_date, w.next_date) as evidence
from weeks as w
inner join staging.cot_releases as r on r.report_date > w.report_date and r.report_date < w.next_date
union all
select distinct
    o.report_type,
    o.contract_code,
    w.report_date,
    o.next_at as known_at,
    format('not in this report, but in those of {} and {}', o.report_date, o.next_date) as evidence
from own as o
inner join weeks as w on o.report_type = w.report_type and w.report_date > o.report_date and w.report_date < o.next_date
