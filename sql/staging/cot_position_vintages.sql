-- Every vintage of every trader group's positions, with the time in which it was the known one. A report is known from
-- its release, or from its recording if an earlier fetch, made after the release, asked for it and lacked the row or
-- failed. A changed row is known from its recording. Of a family of reports that began with years of history, nothing was
-- known before that was published. The multiplier is each row's own, read from contract_units: ICE halved its Russell
-- contract, the CFTC rescaled its consolidated rows.
with looks as (
    -- The days that each fetch of a report type could have shown, or would have where it failed.
    select distinct i.report_type, f.fetched_at, f.shows_from, f.shows_until
    from raw.fetch_log as f
    inner join (select distinct report_type, split_part(source, '/', -1) as item from raw.cot_reports) as i using (item)
    where f.table_name = 'raw.cot_reports' and f.shows_until is not null
),

-- What was held aside: rows of the file and the moment of an acceptance.
accepted as (
    select item, fetched_at from raw.fetch_log where status = 'accepted' and table_name = 'raw.cot_reports'
),

families as (
    select unnest(getvariable('first_publications'), recursive := true)
),

dated as (
    select
        c.report_type,
        c.contract_code,
        c.report_date,
        c.recorded_at,
        if(r.released_at < f.weekly_since, f.history_on, r.released_at) as released_at,
        r.release_basis,
        row_number() over (
            partition by c.report_type, c.contract_code, c.report_date order by c.recorded_at
        ) - 1 as revision,
        (split_part(c.source, '/', -1), c.recorded_at) in (from accepted) as was_held
    from raw.cot_reports as c
    inner join staging.cot_releases as r using (report_date)
    left join families as f on split_part(c.report_type, '_', 1) = f.family
),

-- Recordings of which an earlier fetch, made after the release, had nothing to show.
late as (
    select d.report_type, d.report_date, d.recorded_at
    from (select distinct report_type, report_date, recorded_at, released_at from dated) as d
    semi join looks as l
        on d.report_type = l.report_type
        and d.report_date between l.shows_from and l.shows_until
        and l.fetched_at >= d.released_at
        and l.fetched_at < d.recorded_at
),

known as (
    select
        *,
        case
            when
                revision = 0
                and not was_held
                and (report_type, report_date, recorded_at) not in (from late)
                then released_at
            else greatest(recorded_at, released_at)
        end as known_at
    from dated
    where known_at <= getvariable('as_of')
),

spanned as (
    select
        *,
        lead(known_at) over (
            partition by report_type, contract_code, report_date order by revision
        ) as superseded_at
    from known
),

grouped as (
    select
        *,
        unnest([
            {
                'trader_group': 'dealer', 'long': dealer_long_contracts, 'short': dealer_short_contracts,
                'spreading': dealer_spreading_contracts, 'long_change': dealer_long_contracts_change_1w,
                'short_change': dealer_short_contracts_change_1w,
                'traders_long': dealer_traders_long, 'traders_short': dealer_traders_short
            },
            {
                'trader_group': 'asset_manager', 'long': asset_manager_long_contracts,
                'short': asset_manager_short_contracts, 'spreading': asset_manager_spreading_contracts,
                'long_change': asset_manager_long_contracts_change_1w,
                'short_change': asset_manager_short_contracts_change_1w,
                'traders_long': asset_manager_traders_long, 'traders_short': asset_manager_traders_short
            },
            {
                'trader_group': 'leveraged_funds', 'long': leveraged_funds_long_contracts,
                'short': leveraged_funds_short_contracts, 'spreading': leveraged_funds_spreading_contracts,
                'long_change': leveraged_funds_long_contracts_change_1w,
                'short_change': leveraged_funds_short_contracts_change_1w,
                'traders_long': leveraged_funds_traders_long, 'traders_short': leveraged_funds_traders_short
            },
            {
                'trader_group': 'other_reportables', 'long': other_reportables_long_contracts,
                'short': other_reportables_short_contracts, 'spreading': other_reportables_spreading_contracts,
                'long_change': other_reportables_long_contracts_change_1w,
                'short_change': other_reportables_short_contracts_change_1w,
                'traders_long': other_reportables_traders_long, 'traders_short': other_reportables_traders_short
            },
            {
                'trader_group': 'noncommercial', 'long': noncommercial_long_contracts,
                'short': noncommercial_short_contracts, 'spreading': noncommercial_spreading_contracts,
                'long_change': noncommercial_long_contracts_change_1w,
                'short_change': noncommercial_short_contracts_change_1w,
                'traders_long': noncommercial_traders_long, 'traders_short': noncommercial_traders_short
            },
            {
                'trader_group': 'commercial', 'long': commercial_long_contracts,
                'short': commercial_short_contracts, 'spreading': null::bigint,
                'long_change': commercial_long_contracts_change_1w,
                'short_change': commercial_short_contracts_change_1w,
                'traders_long': commercial_traders_long, 'traders_short': commercial_traders_short
            },
            {
                'trader_group': 'producer_merchant', 'long': producer_merchant_long_contracts,
                'short': producer_merchant_short_contracts, 'spreading': null::bigint,
                'long_change': producer_merchant_long_contracts_change_1w,
                'short_change': producer_merchant_short_contracts_change_1w,
                'traders_long': producer_merchant_traders_long, 'traders_short': producer_merchant_traders_short
            },
            {
                'trader_group': 'swap_dealer', 'long': swap_dealer_long_contracts,
                'short': swap_dealer_short_contracts, 'spreading': swap_dealer_spreading_contracts,
                'long_change': swap_dealer_long_contracts_change_1w,
                'short_change': swap_dealer_short_contracts_change_1w,
                'traders_long': swap_dealer_traders_long, 'traders_short': swap_dealer_traders_short
            },
            {
                'trader_group': 'managed_money', 'long': managed_money_long_contracts,
                'short': managed_money_short_contracts, 'spreading': managed_money_spreading_contracts,
                'long_change': managed_money_long_contracts_change_1w,
                'short_change': managed_money_short_contracts_change_1w,
                'traders_long': managed_money_traders_long, 'traders_short': managed_money_traders_short
            },
            {
                'trader_group': 'nonreportable', 'long': nonreportable_long_contracts,
                'short': nonreportable_short_contracts, 'spreading': null::bigint,
                'long_change': nonreportable_long_contracts_change_1w,
                'short_change': nonreportable_short_contracts_change_1w,
                'traders_long': null::bigint, 'traders_short': null::bigint
            }
        ]) as leg
    from spanned
    inner join raw.cot_reports using (report_type, contract_code, report_date, recorded_at)
)

select
    report_type,
    contract_code,
    report_date,
    leg.trader_group as trader_group,
    revision,
    leg.long as long_contracts,
    leg.short as short_contracts,
    leg.spreading as spreading_contracts,
    open_interest_contracts,
    leg.long_change as long_contracts_change_1w,
    leg.short_change as short_contracts_change_1w,
    leg.traders_long as traders_long,
    leg.traders_short as traders_short,
    concentration_net_4_long_percent,
    concentration_net_4_short_percent,
    concentration_net_8_long_percent,
    concentration_net_8_short_percent,
    contract_units,
    try_cast(
        replace(regexp_extract(contract_units, '\$\s*([0-9][0-9,]*\.?[0-9]*)', 1), ',', '') as double
    ) as contract_multiplier_usd,
    released_at,
    release_basis,
    known_at,
    superseded_at,
    is_withdrawn,
    recorded_at,
    source
from grouped
where leg.long is not null
order by report_type, contract_code, report_date, trader_group, revision
