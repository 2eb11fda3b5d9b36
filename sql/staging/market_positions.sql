-- Positions of a market in contracts of today, for each moment at which one of its contracts changed: each row
-- converted by its own multiplier, contracts that were open at once summed. An index names its multiplier by a $ only
-- (of "RUSSELL 2000 INDEX X $50" it is 50), other contracts by their first number ("CONTRACTS OF 100 TROY OUNCES"). A
-- market whose unit is no number is in contracts as reported.
-- by: market
with converted as (
    select
        m.market,
        p.*,
        case
            when m.contract_multiplier_usd is null then c.scale
            when m.contract_unit = 'index point'
                then p.contract_multiplier_usd * c.scale / m.contract_multiplier_usd
            else coalesce(
                p.contract_multiplier_usd,
                try_cast(replace(regexp_extract(p.contract_units, '[0-9][0-9,]*\.?[0-9]*'), ',', '') as double)
            ) * c.scale / m.contract_multiplier_usd
        end as factor,
        coalesce(p.superseded_at, 'infinity'::timestamptz) as ends_at
    from staging.cot_position_vintages as p
    inner join reference.market_contracts as c
        on p.contract_code = c.contract_code and p.report_date between c.first_report_date and c.last_report_date
    inner join reference.markets as m on c.market = m.market
),

moments as (
    select
        market,
        report_type,
        report_date,
        trader_group,
        known_at,
        lead(known_at) over (
            partition by market, report_type, report_date, trader_group order by known_at
        ) as superseded_at
    from (select distinct market, report_type, report_date, trader_group, known_at from converted)
)

select
    m.market,
    m.report_type,
    m.report_date,
    m.trader_group,
    m.known_at,
    array_to_string(list_sort(list(c.contract_code)), ', ') as contract_codes,
    case when count(*) = count(c.factor) then sum(c.long_contracts * c.factor) end as long_contracts,
    case when count(*) = count(c.factor) then sum(c.short_contracts * c.factor) end as short_contracts,
    case when count(*) = count(c.factor) then sum(c.spreading_contracts * c.factor) end as spreading_contracts,
    case when count(*) = count(c.factor) then sum(c.open_interest_contracts * c.factor) end as open_interest_contracts,
    max(c.released_at) as released_at,
    any_value(c.release_basis) as release_basis,
    any_value(m.superseded_at) as superseded_at
from moments as m
inner join converted as c
    on m.market = c.market
    and m.report_type = c.report_type
    and m.report_date = c.report_date
    and m.trader_group = c.trader_group
    and m.known_at >= c.known_at
    and m.known_at < c.ends_at
    and not c.is_withdrawn
group by m.market, m.report_type, m.report_date, m.trader_group, m.known_at
order by m.market, m.report_type, m.report_date, m.trader_group, m.known_at
