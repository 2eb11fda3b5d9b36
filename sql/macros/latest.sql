-- The newest mart row of each market.
create macro latest() as table
select *
from marts.positioning_vs_technicals
qualify row_number() over (partition by market order by session_date desc) = 1
order by market
