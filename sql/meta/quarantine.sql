-- Every refused row once, as first refused by as_of.
select
    table_name,
    source,
    row_key,
    rule,
    row_values,
    min(recorded_at) as recorded_at
from raw.refused_rows
where recorded_at <= getvariable('as_of')
group by table_name, source, row_key, rule, row_values
order by table_name, source, row_key, rule, row_values
