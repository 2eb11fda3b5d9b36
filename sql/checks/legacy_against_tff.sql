-- The legacy and the financial report count the same contracts on the same day: their open interest is one number.
-- on: staging.cot_positions  severity: warn
with totals as (
    select
        report_type,
        split_part(report_type, '_', 1) as family,
        split_part(report_type, '_', 2) as scope,
        contract_code,
        report_date,
        max(open_interest_contracts) as open_interest,
        max(known_at) as known_at
    from staging.cot_positions
    group by report_type, contract_code, report_date
)

select
    t.report_type,
    t.contract_code,
    t.report_date,
    'open_interest_contracts' as column_name,
    greatest(t.known_at, l.known_at) as known_at,
    format('open interest {}, in {} {}', t.open_interest, l.report_type, l.open_interest) as evidence
from totals as t
inner join totals as l using (scope, contract_code, report_date)
where t.family = 'tff' and l.family = 'legacy' and t.open_interest <> l.open_interest
