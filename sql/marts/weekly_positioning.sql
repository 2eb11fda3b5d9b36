-- The vintage of weekly positioning that is current at as_of. Rows keep the order of the vintages.
-- by: market
select * exclude (superseded_at)
from marts.positioning_vintages
where superseded_at is null
