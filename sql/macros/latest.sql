-- The newest mart row of each market.
create macro latest() as table
select * from as_of('infinity')
