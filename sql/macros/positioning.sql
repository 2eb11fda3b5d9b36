-- The weekly positions of one market by trader group, reports from `first_date` to `last_date`, of its primary
-- type (TFF futures-only for the usual four).
create macro positioning(for_market, first_date, last_date) as table
select *
from marts.weekly_positioning
where market = for_market
    and report_type = (select primary_report_type from marts.markets where market = for_market)
    and report_date between first_date::date and last_date::date
order by report_date, trader_group
