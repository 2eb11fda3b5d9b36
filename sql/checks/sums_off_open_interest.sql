-- Longs (shorts) and spreading positions of all trader groups are the open interest. Ordinary contracts are exact or
-- refused at intake; consolidated and combined rows are rounded leg by leg, and the CFTC's own are off by up to 3.
-- on: staging.cot_positions  severity: warn
with sums as (
    select
        report_type,
        contract_code,
        report_date,
        max(known_at) as known_at,
        max(open_interest_contracts) as open_interest,
        sum(long_contracts + coalesce(spreading_contracts, 0)) as longs,
        sum(short_contracts + coalesce(spreading_contracts, 0)) as shorts
    from staging.cot_positions
    group by report_type, contract_code, report_date
)

select
    report_type,
    contract_code,
    report_date,
    'open_interest_contracts' as column_name,
    known_at,
    format(
        'open interest {}: the sum of longs is {:+d}, that of shorts {:+d} from it',
        open_interest, (longs - open_interest)::bigint, (shorts - open_interest)::bigint
    ) as evidence
from sums
where greatest(abs(longs - open_interest), abs(shorts - open_interest)) > 3
