-- Sessions as a BI dimension: trading days with the calendar attributes that reports group by. The calendar is known
-- ahead: the last session of a month is its end before the next one opens.
select
    calendar,
    session_date,
    open_at,
    close_at,
    is_half_day,
    year(session_date) as year,
    quarter(session_date) as quarter,
    month(session_date) as month,
    weekofyear(session_date) as iso_week,
    coalesce(
        month(lead(session_date) over (partition by calendar order by session_date)) <> month(session_date), false
    ) as is_month_end
from reference.sessions
qualify open_at <= getvariable('as_of')
order by calendar, session_date
