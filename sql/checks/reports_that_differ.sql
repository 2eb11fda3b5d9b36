-- Two files of one fetch that say different things of one report (the weekly one and the yearly one): the first stands
-- by precedence of files, the other is refused, and a person should know what it said.
-- on: raw.cot_reports  severity: warn
with refused as (
    select
        row_values ->> 'report_type' as report_type,
        row_values ->> 'contract_code' as contract_code,
        try_cast(row_values ->> 'report_date' as date) as report_date,
        source,
        rule,
        row_values,
        recorded_at
    from meta.quarantine
    where table_name = 'raw.cot_reports' and rule like 'differs from %'
),

compared as (
    select
        r.report_type,
        r.contract_code,
        r.report_date,
        r.source,
        r.rule,
        r.recorded_at,
        unnest(json_keys(r.row_values)) as name,
        r.row_values,
        to_json(c) as stands
    from refused as r
    inner join raw.cot_reports as c using (report_type, contract_code, report_date)
    where c.recorded_at <= r.recorded_at
    qualify dense_rank() over (partition by report_type, contract_code, report_date order by c.recorded_at desc) = 1
),

cells as (
    select *, row_values ->> name as refused_value, stands ->> name as standing_value
    from compared
)

select
    report_type,
    contract_code,
    report_date,
    min(name) as column_name,
    max(recorded_at) as known_at,
    string_agg(
        format('{} {} in {}, which {}', name, refused_value, source, rule) || ': ' || coalesce(standing_value, 'null'),
        '; ' order by name
    ) as evidence
from cells
where
    refused_value is distinct from standing_value
    and (try_cast(refused_value as double) = try_cast(standing_value as double)) is not true
group by report_type, contract_code, report_date
