-- Archives of years that are over practically never change: where the CFTC itself has other rows of a report than it had
-- before, and the year of that report was over by then, a person should look. Every value that it gave stays a vintage.
-- on: raw.cot_reports  severity: warn
with answered as (
    select
        report_type,
        contract_code,
        report_date,
        recorded_at,
        is_withdrawn,
        source,
        min(recorded_at) over (partition by report_type, report_date) as first_at,
        row_number() over (partition by report_type, contract_code, report_date order by recorded_at) as vintage
    from raw.cot_reports
    where source like '%://%' and recorded_at <= getvariable('as_of')
)

select
    report_type,
    contract_code,
    report_date,
    max(recorded_at) as known_at,
    string_agg(
        format(
            '{} in {} of {}',
            case when is_withdrawn then 'withdrawn' when vintage > 1 then 'changed' else 'new' end,
            split_part(source, '/', -1), strftime(recorded_at, '%Y-%m-%d %H:%M UTC')
        ),
        '; ' order by recorded_at
    ) as evidence
from answered
where
    recorded_at > first_at
    and year(report_date) < year(recorded_at at time zone 'America/New_York')
group by report_type, contract_code, report_date
