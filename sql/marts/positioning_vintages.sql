-- Weekly positioning as known after every revision: it is computed anew from the positions known then, and a row is kept
-- if its values differ from those before. Weekly changes are between adjacent reports only: never across a gap, never
-- where a contract could not be converted. Windows count calendar weeks, so a missing report, or an unknown net, is a
-- missing week. Numbers of traders and concentrations exist for one contract only: a trader may be in two, so they are
-- null where contracts were summed. The states' limits are those of setups.toml.
with revisions as (
    select distinct market, report_type, known_at as starts_at
    from staging.market_positions
    where known_at > released_at
    union
    select distinct market, report_type, superseded_at
    from staging.market_positions
    where superseded_at is not null
),

epochs as (
    select
        market,
        report_type,
        starts_at,
        lead(starts_at, 1, 'infinity'::timestamptz) over (partition by market, report_type order by starts_at) as ends_at,
        row_number() over (partition by market, report_type order by starts_at) as epoch,
        count(*) over (partition by market, report_type) > 1 as is_revised
    from (
        select * from revisions
        union all
        select distinct market, report_type, '-infinity'::timestamptz from staging.market_positions
    )
),

-- Traders and concentrations of positions that are one contract's.
alone as (
    select
        p.market,
        p.report_type,
        p.report_date,
        p.trader_group,
        p.known_at,
        any_value(c.traders_long) as traders_long,
        any_value(c.traders_short) as traders_short,
        any_value(c.concentration_net_4_long_percent) as concentration_net_4_long_percent,
        any_value(c.concentration_net_4_short_percent) as concentration_net_4_short_percent,
        any_value(c.concentration_net_8_long_percent) as concentration_net_8_long_percent,
        any_value(c.concentration_net_8_short_percent) as concentration_net_8_short_percent
    from staging.market_positions as p
    inner join reference.market_contracts as m
        on p.market = m.market and p.report_date between m.first_report_date and m.last_report_date
    inner join staging.cot_position_vintages as c
        on m.contract_code = c.contract_code
        and p.report_type = c.report_type
        and p.report_date = c.report_date
        and p.trader_group = c.trader_group
        and p.known_at >= c.known_at
        and p.known_at < coalesce(c.superseded_at, 'infinity'::timestamptz)
        and not c.is_withdrawn
    group by p.market, p.report_type, p.report_date, p.trader_group, p.known_at
    having count(*) = 1
),

summed as (
    select
        p.*,
        e.epoch,
        e.starts_at,
        e.ends_at,
        e.is_revised,
        p.open_interest_contracts is not null as is_convertible,
        c.traders_long,
        c.traders_short,
        c.concentration_net_4_long_percent,
        c.concentration_net_4_short_percent,
        c.concentration_net_8_long_percent,
        c.concentration_net_8_short_percent
    from staging.market_positions as p
    inner join epochs as e
        on p.market = e.market
        and p.report_type = e.report_type
        and p.released_at < e.ends_at
        and p.known_at <= greatest(e.starts_at, p.released_at)
        and coalesce(p.superseded_at, 'infinity'::timestamptz) > greatest(e.starts_at, p.released_at)
    left join alone as c
        on p.market = c.market
        and p.report_type = c.report_type
        and p.report_date = c.report_date
        and p.trader_group = c.trader_group
        and p.known_at = c.known_at
),

closes as (
    select market, session_date, arg_min(close, known_at) as close, min(known_at) as known_at
    from staging.market_bars
    where (market, session_date) in (select market, report_date from staging.market_positions)
    group by market, session_date
),

-- A net is of whole ten-thousandths of a contract: of fractions, nets that are the same would differ in the last digits,
-- and those of a window's mean would depend on what stands before the window.
netted as (
    select
        *,
        (10_000 * (long_contracts - short_contracts))::bigint as net_units,
        net_units / 10_000 as net_contracts,
        net_contracts / nullif(open_interest_contracts, 0) as net_share_oi
    from summed
),

preceded as (
    select
        *,
        lag({
            'report_date': report_date, 'is_convertible': is_convertible, 'codes': contract_codes,
            'long': long_contracts, 'short': short_contracts, 'net': net_contracts,
            'open_interest': open_interest_contracts, 'share': net_share_oi
        }) over (partition by market, report_type, trader_group, epoch order by report_date) as previous
    from netted
),

based as (
    select
        *,
        case
            when previous is null then 'first report'
            when report_date - previous.report_date > 8 then 'gap: no report for the week before'
            when not is_convertible then 'contract unit not convertible'
            when not previous.is_convertible then 'contract unit of the report before not convertible'
            when contract_codes <> previous.codes then 'contracts changed: ' || previous.codes || ' before'
        end as change_basis
    from preceded
),

changed as (
    select
        *,
        case when change_basis is null then long_contracts - previous.long end as long_change,
        case when change_basis is null then short_contracts - previous.short end as short_change,
        case when change_basis is null then net_contracts - previous.net end as net_change,
        case when change_basis is null then open_interest_contracts - previous.open_interest end as open_interest_change,
        case when change_basis is null then net_share_oi - previous.share end as share_change
    from based
),

windowed as (
    select
        * exclude (previous),
        count(net_units) over weeks_26 as n_26,
        min(net_units) over weeks_26 as low_26,
        max(net_units) over weeks_26 as high_26,
        count(net_share_oi) over weeks_26 as n_share_26,
        min(net_share_oi) over weeks_26 as low_share_26,
        max(net_share_oi) over weeks_26 as high_share_26,
        count(net_units) over weeks_52 as n_52,
        min(net_units) over weeks_52 as low_52,
        max(net_units) over weeks_52 as high_52,
        rank(order by net_units desc nulls last) over weeks_52 as place_52,
        sum(net_units) over weeks_52 as sum_52,
        sum(net_units::hugeint * net_units) over weeks_52 as squares_52,
        count(net_units) over weeks_156 as n_156,
        min(net_units) over weeks_156 as low_156,
        max(net_units) over weeks_156 as high_156,
        rank(order by net_units desc nulls last) over weeks_156 as place_156,
        sum(net_units) over weeks_156 as sum_156,
        sum(net_units::hugeint * net_units) over weeks_156 as squares_156
    from changed
    window
        weeks_26 as (
            partition by market, report_type, trader_group, epoch order by report_date
            range between interval 178 days preceding and current row
        ),
        weeks_52 as (
            partition by market, report_type, trader_group, epoch order by report_date
            range between interval 360 days preceding and current row
        ),
        weeks_156 as (
            partition by market, report_type, trader_group, epoch order by report_date
            range between interval 1088 days preceding and current row
        )
),

-- Null until 90 % of the window's weeks are there: 24 of 26, 47 of 52, 141 of 156. A week without a net has no rank.
ranked as (
    select
        *,
        case
            when n_26 >= 24 then 100 * ((net_units - low_26) / nullif(high_26 - low_26, 0))
        end as cot_index_26w,
        case
            when n_share_26 >= 24 then 100 * ((net_share_oi - low_share_26) / nullif(high_share_26 - low_share_26, 0))
        end as willco_26w,
        case when net_contracts is not null and n_52 >= 47 then {
            'index': 100 * ((net_units - low_52) / nullif(high_52 - low_52, 0)),
            'percentile': 100.0 * (n_52 - place_52 + 1) / n_52,
            'zscore': (n_52 * net_units - sum_52)
            / nullif(sqrt(n_52 / (n_52 - 1) * (n_52 * squares_52 - sum_52 * sum_52)), 0)
        } end as rank_52,
        case when net_contracts is not null and n_156 >= 141 then {
            'index': 100 * ((net_units - low_156) / nullif(high_156 - low_156, 0)),
            'percentile': 100.0 * (n_156 - place_156 + 1) / n_156,
            'zscore': (n_156 * net_units - sum_156)
            / nullif(sqrt(n_156 / (n_156 - 1) * (n_156 * squares_156 - sum_156 * sum_156)), 0)
        } end as rank_156
    from windowed
),

-- Six weeks before, give or take the days by which a holiday moves a report.
moved as (
    select *, cot_index_26w - any_value(cot_index_26w) over six_weeks_before as movement_index_6w
    from ranked
    window six_weeks_before as (
        partition by market, report_type, trader_group, epoch order by report_date
        range between interval 44 days preceding and interval 40 days preceding
    )
),

measured as (
    select
        r.market,
        r.report_type,
        r.report_date,
        r.trader_group,
        r.contract_codes,
        r.long_contracts,
        r.short_contracts,
        r.spreading_contracts,
        r.net_contracts,
        r.open_interest_contracts,
        r.net_share_oi,
        case
            when m.is_notional_known
                then r.net_contracts * m.contract_multiplier_usd * if(m.is_inverse, 1 / b.close, b.close)
        end as net_notional_usd,
        r.change_basis,
        r.long_change as long_contracts_change_1w,
        r.short_change as short_contracts_change_1w,
        r.net_change as net_contracts_change_1w,
        r.open_interest_change as open_interest_contracts_change_1w,
        r.share_change as net_share_oi_change_1w,
        -- Not greatest(): of a null and 0 it takes the 0.
        if(r.long_change <= 0, 0, r.long_change) as new_longs_contracts,
        if(r.long_change >= 0, 0, -r.long_change) as long_liquidation_contracts,
        if(r.short_change <= 0, 0, r.short_change) as new_shorts_contracts,
        if(r.short_change >= 0, 0, -r.short_change) as short_covering_contracts,
        case
            when r.long_change is null or (r.long_change = 0 and r.short_change = 0) then null
            when r.long_change >= abs(r.short_change) then 'new_longs'
            when -r.long_change >= abs(r.short_change) then 'long_liquidation'
            when r.short_change > 0 then 'new_shorts'
            else 'short_covering'
        end as dominant_flow,
        r.cot_index_26w,
        r.rank_52.index as cot_index_52w,
        r.rank_156.index as cot_index_156w,
        r.rank_52.percentile as net_percentile_52w,
        r.rank_156.percentile as net_percentile_156w,
        r.rank_52.zscore as net_zscore_52w,
        r.rank_156.zscore as net_zscore_156w,
        r.willco_26w,
        r.movement_index_6w,
        r.n_156 as net_weeks_156w,
        r.traders_long,
        r.traders_short,
        r.long_contracts / nullif(r.traders_long, 0) as long_per_trader_contracts,
        r.short_contracts / nullif(r.traders_short, 0) as short_per_trader_contracts,
        r.concentration_net_4_long_percent,
        r.concentration_net_4_short_percent,
        r.concentration_net_8_long_percent,
        r.concentration_net_8_short_percent,
        case
            when r.rank_156.percentile is null then null
            when r.rank_156.percentile <= getvariable('positioning_limits').extreme_short then 'extreme_short'
            when r.rank_156.percentile <= getvariable('positioning_limits').short then 'short'
            when r.rank_156.percentile < getvariable('positioning_limits').long then 'neutral'
            when r.rank_156.percentile < getvariable('positioning_limits').extreme_long then 'long'
            else 'extreme_long'
        end as positioning_state,
        r.released_at,
        r.release_basis,
        r.epoch,
        r.is_revised,
        greatest(r.starts_at, r.released_at) as known_at,
        r.ends_at
    from moved as r
    inner join reference.markets as m on r.market = m.market
    -- A close that came later than the report changes no published row.
    left join closes as b
        on r.market = b.market
        and r.report_date = b.session_date
        and b.known_at <= greatest(r.starts_at, r.released_at)
),

-- Where anything was revised, a row is a vintage if its values are not those of the epoch before, or if it was not there
-- in it. Compared by their hash of 64 bits: whole rows would be sorted three times.
history as (
    select
        market,
        report_type,
        trader_group,
        report_date,
        epoch,
        ends_at,
        hash(*columns(* exclude (epoch, is_revised, known_at, ends_at))) as fingerprint
    from measured
    where is_revised
),

changes as (
    select
        *,
        lag(report_date) over epochs_of_reports is distinct from report_date
        or lag(epoch) over epochs_of_reports is distinct from epoch - 1
        or lag(fingerprint) over epochs_of_reports is distinct from fingerprint as is_change
    from history
    window epochs_of_reports as (partition by market, report_type, trader_group order by report_date, epoch)
),

islands as (
    select
        *,
        sum(is_change::int) over (partition by market, report_type, trader_group order by report_date, epoch) as island
    from changes
),

spans as (
    select
        market,
        report_type,
        trader_group,
        any_value(report_date) as report_date,
        min(epoch) as epoch,
        nullif(max(ends_at), 'infinity'::timestamptz) as superseded_at
    from islands
    group by market, report_type, trader_group, island
),

vintages as (
    select *, null::timestamptz as superseded_at from measured where not is_revised
    union all by name
    select * from measured inner join spans using (market, report_type, trader_group, report_date, epoch)
)

select
    market,
    report_type,
    report_date,
    trader_group,
    known_at,
    contract_codes,
    long_contracts,
    short_contracts,
    spreading_contracts,
    net_contracts,
    open_interest_contracts,
    net_share_oi,
    net_notional_usd,
    change_basis,
    long_contracts_change_1w,
    short_contracts_change_1w,
    net_contracts_change_1w,
    open_interest_contracts_change_1w,
    net_share_oi_change_1w,
    new_longs_contracts,
    long_liquidation_contracts,
    new_shorts_contracts,
    short_covering_contracts,
    dominant_flow,
    cot_index_26w,
    cot_index_52w,
    cot_index_156w,
    net_percentile_52w,
    net_percentile_156w,
    net_zscore_52w,
    net_zscore_156w,
    willco_26w,
    movement_index_6w,
    net_weeks_156w,
    traders_long,
    traders_short,
    long_per_trader_contracts,
    short_per_trader_contracts,
    concentration_net_4_long_percent,
    concentration_net_4_short_percent,
    concentration_net_8_long_percent,
    concentration_net_8_short_percent,
    positioning_state,
    released_at,
    release_basis,
    superseded_at
from vintages
order by market, report_type, report_date, trader_group, known_at
