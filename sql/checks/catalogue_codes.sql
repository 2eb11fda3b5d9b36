-- Contract codes of the CFTC's primary reports against the catalogue: a code that the catalogue lacks (in the
-- disaggregated report from 10,000 contracts of open interest on), one that was renamed after the name in the catalogue,
-- one that is in no report of the 52 weeks after its last and has no end there. Each is dated by the report that shows it.
-- on: raw.cot_reports  severity: info
with rows as (
    select
        report_type,
        contract_code,
        report_date,
        max(known_at) as known_at,
        max(open_interest_contracts) as open_interest
    from staging.cot_positions
    where report_type in ('tff_futures', 'disaggregated_futures')
    group by report_type, contract_code, report_date
),

named as (
    select
        *,
        lead(report_date) over (partition by report_type, contract_code order by report_date) as next_date
    from rows
    inner join (
        select
            report_type,
            contract_code,
            report_date,
            regexp_replace(arg_max(market_name, recorded_at), '\s+', ' ', 'g') as name
        from raw.cot_reports
        group by report_type, contract_code, report_date
    ) using (report_type, contract_code, report_date)
),

listed as (
    select
        contract_code,
        max(last_report_date) as last_report_date,
        arg_max(listed_name, last_report_date) as listed_name
    from reference.catalogue_contracts
    group by contract_code
),

reports as (
    select report_type, report_date, min(known_at) as known_at
    from rows
    group by report_type, report_date
),

new as (
    select n.*, format('new: {}, open interest {}', n.name, n.open_interest) as evidence
    from named as n
    anti join listed using (contract_code)
    where n.report_type = 'tff_futures' or n.open_interest >= 10000
    qualify row_number() over (partition by n.report_type, n.contract_code order by n.report_date) = 1
),

renamed as (
    select n.*, format('renamed: {}, in the catalogue {}', n.name, l.listed_name) as evidence
    from named as n
    inner join listed as l using (contract_code)
    inner join (
        select n.report_type, n.contract_code, max(n.report_date) as listed_until
        from named as n
        inner join listed as l on n.contract_code = l.contract_code and n.name = l.listed_name
        group by n.report_type, n.contract_code
    ) as u using (report_type, contract_code)
    where n.report_date > u.listed_until
    qualify row_number() over (partition by n.report_type, n.contract_code order by n.report_date) = 1
),

ended as (
    select
        n.* replace (r.known_at as known_at),
        format('ended: {} is in no report of the 52 weeks after this one', n.name) as evidence
    from named as n
    inner join listed as l using (contract_code)
    asof inner join reports as r on n.report_type = r.report_type and n.report_date + 364 <= r.report_date
    where
        n.report_date < l.last_report_date
        and coalesce(n.next_date >= n.report_date + 364, true) -- so that few rows are left to join
        and coalesce(n.next_date >= r.report_date, true)
)

select
    report_type,
    contract_code,
    report_date,
    known_at,
    string_agg(evidence, '; ' order by evidence) as evidence
from (
    select report_type, contract_code, report_date, known_at, evidence from new
    union all
    select report_type, contract_code, report_date, known_at, evidence from renamed
    union all
    select report_type, contract_code, report_date, known_at, evidence from ended
)
group by report_type, contract_code, report_date, known_at
