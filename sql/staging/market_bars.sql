-- All features read this: the index's prices with its proxy's volume, because the volume that vendors print for an
-- index is not its own; that of a fund is. One row for each moment at which the index's prices or the proxy's settled volume changed.
with vintages as (
    select
        s.market,
        s.role,
        s.role = 'proxy' or coalesce(m.price_series = 'fund', false) as has_volume,
        p.*
    from staging.price_vintages as p
    inner join reference.market_symbols as s using (symbol)
    inner join reference.markets as m on s.market = m.market
    where s.role in ('index', 'proxy')
),

-- Of the index only its prices.
prices as (
    select market, session_date, known_at, open, high, low, close, is_withdrawn
    from vintages
    where role = 'index'
    qualify
        {'open': open, 'high': high, 'low': low, 'close': close, 'is_withdrawn': is_withdrawn}
        is distinct from lag({'open': open, 'high': high, 'low': low, 'close': close, 'is_withdrawn': is_withdrawn})
            over (partition by market, session_date order by known_at)
),

-- Of the proxy, or the fund, only its settled volume, and that it was withdrawn.
proxies as (
    select
        market,
        session_date,
        greatest(known_at, if(is_withdrawn, null, volume_known_at)) as known_at,
        if(is_withdrawn, null, volume) as volume,
        if(is_withdrawn, null, symbol) as volume_symbol
    from vintages
    where has_volume and (is_withdrawn or volume is not null)
    qualify
        if(is_withdrawn, null, vintages.volume)
        is distinct from lag(if(is_withdrawn, null, vintages.volume))
            over (partition by market, session_date order by revision)
),

volumes as (
    select *, row_number() over (partition by market, session_date order by known_at) = 1 as is_first from proxies
),

-- The first volume settles a bar and begins no vintage.
moments as (
    select
        market,
        session_date,
        known_at,
        lead(known_at) over (partition by market, session_date order by known_at) as superseded_at
    from (
        select market, session_date, known_at from prices
        union
        select v.market, v.session_date, v.known_at
        from volumes as v
        semi join prices as p on v.market = p.market and v.session_date = p.session_date and v.known_at > p.known_at
        where not v.is_first
    )
),

matched as (
    select
        m.*,
        p.open,
        p.high,
        p.low,
        p.close,
        p.is_withdrawn,
        coalesce(v.known_at, f.known_at) as volume_at,
        if(v.known_at is null, f.volume, v.volume) as volume,
        if(v.known_at is null, f.volume_symbol, v.volume_symbol) as volume_symbol
    from moments as m
    asof inner join prices as p
        on m.market = p.market and m.session_date = p.session_date and m.known_at >= p.known_at
    asof left join volumes as v
        on m.market = v.market and m.session_date = v.session_date and m.known_at >= v.known_at
    left join volumes as f
        on m.market = f.market
        and m.session_date = f.session_date
        and f.is_first
        and f.known_at < coalesce(m.superseded_at, 'infinity'::timestamptz)
)

select
    b.market,
    b.session_date,
    b.known_at,
    b.open,
    b.high,
    b.low,
    b.close,
    s.session_number,
    b.volume,
    b.volume_symbol,
    if(b.volume is null, null, b.volume_at) as volume_known_at,
    b.superseded_at
from matched as b
inner join reference.markets as m on b.market = m.market
inner join reference.sessions as s on m.calendar = s.calendar and b.session_date = s.session_date
where not b.is_withdrawn
order by b.market, b.session_date, b.known_at
