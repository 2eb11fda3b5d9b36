-- The mart row of each market that was known at `ts`.
create macro as_of(ts) as table
select *
from positioning_vs_technicals_as_of(ts)
qualify row_number() over (partition by market order by session_date desc) = 1
order by place_of(market), market
