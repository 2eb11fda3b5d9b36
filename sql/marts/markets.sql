-- Markets as a BI dimension: one row each, symbols and contracts beside it.
with symbols as (
    select
        market,
        any_value(symbol) filter (role = 'index') as index_symbol,
        any_value(symbol) filter (role = 'proxy') as proxy_symbol,
        any_value(symbol) filter (role = 'future') as future_symbol
    from reference.market_symbols
    group by market
),

codes as (
    select market, string_agg(distinct contract_code, ', ' order by contract_code) as contract_codes
    from reference.market_contracts
    group by market
)

select
    m.market,
    m.name,
    s.index_symbol,
    s.proxy_symbol,
    s.future_symbol,
    m.calendar,
    m.contract_multiplier_usd,
    m.contract_unit,
    m.price_series,
    m.is_inverse,
    m.is_notional_known,
    m.market_class,
    m.primary_report_type,
    c.contract_codes,
    m.sort_order
from reference.markets as m
left join symbols as s using (market)
left join codes as c using (market)
order by m.market
