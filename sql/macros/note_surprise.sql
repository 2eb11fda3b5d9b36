-- How unusual the newest week of a market's positions is (its primary report, as known at `ts`), or that of each market
-- where none is named: the most unusual flow and the most unusual level. Some group is beyond its own 5th or 95th percentile in two weeks of three, so every
-- measure is standardised by its own last 156 weeks first (this one included, from 52 on), the week's largest is taken,
-- and its rank is the share of the last 156 weeks before with a smaller largest (from 52 on).
create macro note_surprise(for_market, ts) as table
with weeks as (
    select
        market,
        report_date,
        trader_group,
        net_share_oi,
        market_class = 'equity' and is_roll_week(report_date) as is_roll_week,
        net_contracts_change_1w / open_interest_contracts as net_flow,
        long_contracts_change_1w / open_interest_contracts as long_flow,
        short_contracts_change_1w / open_interest_contracts as short_flow
    from positioning_vintages_as_of(ts)
    inner join (
        select market, market_class, primary_report_type as report_type from marts.markets where index_symbol is not null
    ) using (market, report_type)
    where for_market is null or market = for_market
),

newest as (select market, max(report_date) as report_date from weeks group by market),

measures as (
    select market, report_date, trader_group, 'level' as kind, 'net' as measure, net_share_oi as value from weeks
    union all
    select market, report_date, trader_group, 'flow', 'net', case when not is_roll_week then net_flow end from weeks
    union all
    select market, report_date, trader_group, 'flow', 'longs', case when not is_roll_week then long_flow end from weeks
    union all
    select market, report_date, trader_group, 'flow', 'shorts', case when not is_roll_week then short_flow end from weeks
),

scores as (
    select
        *,
        case when count(value) over past >= 52 then (value - avg(value) over past) / nullif(stddev(value) over past, 0) end
            as score
    from measures
    window past as (partition by market, trader_group, kind, measure order by report_date rows 155 preceding)
),

largest as (
    select
        market,
        report_date,
        kind,
        max(abs(score)) as size,
        arg_max(trader_group, abs(score)) as trader_group,
        arg_max(measure, abs(score)) as measure,
        arg_max(value, abs(score)) as value
    from scores
    where score is not null
    group by market, report_date, kind
),

ranked as (
    select
        n.market,
        n.kind,
        n.trader_group,
        n.measure,
        n.value,
        n.size,
        count(*) as weeks,
        case when count(*) >= 52 then 100 * avg((w.size < n.size)::int) end as rank
    from largest as n
    inner join (
        select *, row_number() over (partition by market, kind order by report_date desc) as age from largest
    ) as w on n.market = w.market and n.kind = w.kind and w.age between 2 and 157
    inner join newest as l on n.market = l.market and n.report_date = l.report_date
    group by all
)

select
    l.market,
    l.report_date as surprise_report_date,
    max(r.trader_group) filter (r.kind = 'flow') as flow_group,
    max(r.measure) filter (r.kind = 'flow') as flow_measure,
    max(r.value) filter (r.kind = 'flow') as flow_value_share_oi,
    max(r.size) filter (r.kind = 'flow') as flow_score,
    max(r.weeks) filter (r.kind = 'flow') as flow_weeks,
    max(r.rank) filter (r.kind = 'flow') as flow_rank_percentile,
    max(r.trader_group) filter (r.kind = 'level') as level_group,
    max(r.value) filter (r.kind = 'level') as level_value_share_oi,
    max(r.size) filter (r.kind = 'level') as level_score,
    max(r.weeks) filter (r.kind = 'level') as level_weeks,
    max(r.rank) filter (r.kind = 'level') as level_rank_percentile
from newest as l
left join ranked as r on l.market = r.market
group by l.market, l.report_date
