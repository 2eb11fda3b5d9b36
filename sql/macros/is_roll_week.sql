-- Whether the seven days to a report hold the third Friday of March, June, September or December, when index
-- futures expire: their open interest falls by a quarter in that week, and positions move to the next contract.
create macro is_roll_week(report_date) as (
    month(date_trunc('week', report_date)::date - 3) % 3 = 0
    and day(date_trunc('week', report_date)::date - 3) between 15 and 21
)
