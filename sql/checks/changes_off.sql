-- The CFTC prints each group's change since the report before. Where it differs from our two rows, one
-- of them was revised, and we lack the revision. Off by 1 is rounding on consolidated and combined rows.
-- on: staging.cot_positions  severity: warn
with adjacent as (
    select report_date, lag(report_date) over (order by report_date) as previous_date
    from staging.cot_releases
),

differences as (
    select
        p.*,
        p.known_at as later_known_at,
        b.known_at as earlier_known_at,
        a.previous_date,
        p.long_contracts - b.long_contracts as long_difference,
        p.short_contracts - b.short_contracts as short_difference
    from staging.cot_positions as p
    inner join adjacent as a using (report_date)
    inner join staging.cot_positions as b
        on p.report_type = b.report_type
        and p.contract_code = b.contract_code
        and p.trader_group = b.trader_group
        and a.previous_date = b.report_date
)

select
    report_type,
    contract_code,
    report_date,
    'long_contracts_change_1w' as column_name,
    max(greatest(later_known_at, earlier_known_at)) as known_at,
    format('against the report of {}: ', any_value(previous_date)) || string_agg(
        format(
            '{} long {:+d} printed, {:+d} counted, short {:+d} printed, {:+d} counted',
            trader_group, long_contracts_change_1w, long_difference, short_contracts_change_1w, short_difference
        ),
        '; ' order by trader_group
    ) as evidence
from differences
where
    greatest(abs(long_difference - long_contracts_change_1w), abs(short_difference - short_contracts_change_1w))
    > case when contract_code like '%+' or report_type like '%combined' then 1 else 0 end
group by report_type, contract_code, report_date
