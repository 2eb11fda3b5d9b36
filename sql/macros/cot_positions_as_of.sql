-- staging.cot_positions as it was known at `ts`.
create macro cot_positions_as_of(ts) as table
select * exclude (superseded_at, is_withdrawn)
from staging.cot_position_vintages
where known_at <= ts::timestamptz
    and coalesce(superseded_at, 'infinity'::timestamptz) > ts::timestamptz
    and not is_withdrawn
order by report_type, contract_code, report_date, trader_group
