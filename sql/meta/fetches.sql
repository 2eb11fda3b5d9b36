-- The latest attempt of each symbol or report file: it names what failed or is stale.
select
    item,
    table_name,
    fetched_at,
    status,
    message,
    rows_read,
    rows_written,
    rows_quarantined,
    rows_identical,
    rows_held,
    rows_withdrawn,
    max(fetched_at) filter (status in ('ok', 'held')) over (partition by item, table_name) as last_ok_at
from raw.fetch_log
where fetched_at <= getvariable('as_of')
qualify row_number() over (partition by item, table_name order by fetched_at desc) = 1
order by item, table_name, fetched_at
