-- How unusual the newest week of one market's positions is (TFF, futures only, as known at `ts`): the most unusual flow
-- and the most unusual level. Some group is beyond its own 5th or 95th percentile in two weeks of three, so every
-- measure is standardised by its own last 156 weeks first (this one included, from 52 on), the week's largest is taken,
-- and its rank is the share of the last 156 weeks before with a smaller largest (from 52 on).
create macro note_surprise(for_market, ts) as table
with weeks as (
    select
        report_date,
        trader_group,
        net_share_oi,
        is_roll_week(report_date) as is_roll_week,
        net_contracts_change_1w / open_interest_contracts as net_flow,
        long_contracts_change_1w / open_interest_contracts as long_flow,
        short_contracts_change_1w / open_interest_contracts as short_flow
    from positioning_vintages_as_of(ts)
    where market = for_market and report_type = 'tff_futures'
),

measures as (
    select report_date, trader_group, 'level' as kind, 'net' as measure, net_share_oi as value from weeks
    union all
    select report_date, trader_group, 'flow', 'net', if(is_roll_week, null, net_flow) from weeks
    union all
    select report_date, trader_group, 'flow', 'longs', if(is_roll_week, null, long_flow) from weeks
    union all
    select report_date, trader_group, 'flow', 'shorts', if(is_roll_week, null, short_flow) from weeks
),

scores as (
    select
        *,
        if(count(value) over past >= 52, (value - avg(value) over past) / nullif(stddev(value) over past, 0), null)
            as score
    from measures
    window past as (partition by trader_group, kind, measure order by report_date rows 155 preceding)
),

largest as (
    select
        report_date,
        kind,
        max(abs(score)) as size,
        arg_max(trader_group, abs(score)) as trader_group,
        arg_max(measure, abs(score)) as measure,
        arg_max(value, abs(score)) as value
    from scores
    where score is not null
    group by report_date, kind
),

ranked as (
    select
        n.kind,
        n.trader_group,
        n.measure,
        n.value,
        n.size,
        count(*) as weeks,
        if(count(*) >= 52, 100 * avg((w.size < n.size)::int), null) as rank
    from largest as n
    inner join (
        select *, row_number() over (partition by kind order by report_date desc) as age from largest
    ) as w on n.kind = w.kind and w.age between 2 and 157
    where n.report_date = (select max(report_date) from weeks)
    group by all
)

select
    (select max(report_date) from weeks) as surprise_report_date,
    max(trader_group) filter (kind = 'flow') as flow_group,
    max(measure) filter (kind = 'flow') as flow_measure,
    max(value) filter (kind = 'flow') as flow_value_share_oi,
    max(size) filter (kind = 'flow') as flow_score,
    max(weeks) filter (kind = 'flow') as flow_weeks,
    max(rank) filter (kind = 'flow') as flow_rank_percentile,
    max(trader_group) filter (kind = 'level') as level_group,
    max(value) filter (kind = 'level') as level_value_share_oi,
    max(size) filter (kind = 'level') as level_score,
    max(weeks) filter (kind = 'level') as level_weeks,
    max(rank) filter (kind = 'level') as level_rank_percentile
from ranked
