-- What all features read: the index's own prices with its proxy's volume, because the volume that vendors print for
-- an index is not its own. One row for each moment at which either of them changed.
with vintages as (
    select s.market, s.role, p.*, coalesce(p.superseded_at, 'infinity'::timestamptz) as ends_at
    from staging.price_vintages as p
    inner join reference.market_symbols as s using (symbol)
    where s.role in ('index', 'proxy')
),

moments as (
    select distinct market, session_date, known_at from vintages
),

matched as (
    select
        m.market,
        m.session_date,
        m.known_at,
        lead(m.known_at) over (partition by m.market, m.session_date order by m.known_at) as superseded_at,
        i.open,
        i.high,
        i.low,
        i.close,
        i.is_withdrawn,
        case when not p.is_withdrawn then p.volume end as volume,
        case when not p.is_withdrawn then p.symbol end as volume_symbol
    from moments as m
    left join vintages as i
        on m.market = i.market
        and m.session_date = i.session_date
        and i.role = 'index'
        and m.known_at >= i.known_at
        and m.known_at < i.ends_at
    left join vintages as p
        on m.market = p.market
        and m.session_date = p.session_date
        and p.role = 'proxy'
        and m.known_at >= p.known_at
        and m.known_at < p.ends_at
)

select
    market,
    session_date,
    known_at,
    open,
    high,
    low,
    close,
    volume,
    volume_symbol,
    superseded_at
from matched
where not is_withdrawn
order by market, session_date, known_at
