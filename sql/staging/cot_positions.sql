-- The vintage that is current at as_of, without rows that the CFTC withdrew by then. Rows keep the vintages' order.
select
    report_type,
    contract_code,
    report_date,
    trader_group,
    long_contracts,
    short_contracts,
    spreading_contracts,
    open_interest_contracts,
    long_contracts_change_1w,
    short_contracts_change_1w,
    traders_long,
    traders_short,
    concentration_net_4_long_percent,
    concentration_net_4_short_percent,
    concentration_net_8_long_percent,
    concentration_net_8_short_percent,
    contract_units,
    contract_multiplier_usd,
    released_at,
    release_basis,
    known_at,
    revision,
    recorded_at,
    source
from staging.cot_position_vintages
where superseded_at is null and not is_withdrawn
