-- The place of a market in the configured order, in which markets are shown.
create macro place_of(id) as (select sort_order from marts.markets as m where m.market = id)
