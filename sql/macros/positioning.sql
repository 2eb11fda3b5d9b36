-- The weekly positions of one market by trader group, reports from `first_date` to `last_date`, TFF futures-only.
create macro positioning(for_market, first_date, last_date) as table
select *
from marts.weekly_positioning
where market = for_market
    and report_type = 'tff_futures'
    and report_date between first_date::date and last_date::date
order by report_date, trader_group
