-- What was known at each session's close. The report is the one with the greatest report date among those released by
-- then, so that a later correction of an older week never takes its place. A session that arrived late is known from
-- its recording, and has the positions of its own close. The institution and the speculator are groups of the market's
-- primary report; the columns of asset managers and leveraged funds repeat them where these are the groups. Rows known
-- by `published_until` are taken from the last generation, and only later ones are made.
-- by: market
with bars as (
    select
        b.market,
        b.session_date,
        min(b.known_at) as known_at,
        any_value(s.close_at) as close_at,
        any_value(m.is_inverse) as is_inverse
    from staging.market_bars as b
    inner join reference.markets as m on b.market = m.market
    inner join reference.sessions as s on m.calendar = s.calendar and b.session_date = s.session_date
    group by b.market, b.session_date
    having min(b.known_at) > getvariable('published_until')
),

crosses as (
    select
        market,
        session_date,
        string_agg(fast || 'x' || slow || ' ' || direction, ', ' order by fast, slow) as crossed
    from features.moving_average_crosses
    where fast >= 50
    group by market, session_date
),

nearest as (
    select
        market,
        session_date,
        any_value(price) filter (role = 'support' and nearness = 1) as support_price,
        any_value(distance_atr) filter (role = 'support' and nearness = 1) as support_distance_atr,
        any_value(born_date) filter (role = 'support' and nearness = 1) as support_born_date,
        any_value(price) filter (role = 'support' and nearness = 2) as support_2_price,
        any_value(distance_atr) filter (role = 'support' and nearness = 2) as support_2_distance_atr,
        any_value(price) filter (role = 'resistance' and nearness = 1) as resistance_price,
        any_value(distance_atr) filter (role = 'resistance' and nearness = 1) as resistance_distance_atr,
        any_value(born_date) filter (role = 'resistance' and nearness = 1) as resistance_born_date,
        any_value(price) filter (role = 'resistance' and nearness = 2) as resistance_2_price,
        any_value(distance_atr) filter (role = 'resistance' and nearness = 2) as resistance_2_distance_atr,
        any_value(price) filter (role = 'around') as around_price,
        any_value(low) filter (role = 'around') as around_low,
        any_value(high) filter (role = 'around') as around_high,
        any_value(born_date) filter (role = 'around') as around_born_date
    from features.levels
    where nearness <= 2 and known_at > getvariable('published_until')
    group by market, session_date
),

-- Of the ranges open around the close the innermost counts.
ranges as (
    select r.*, (i.close - r.low) / nullif(r.high - r.low, 0) as position
    from features.open_ranges as r
    inner join features.daily_indicators as i using (market, session_date)
    where i.close between r.low and r.high and r.known_at > getvariable('published_until')
    qualify row_number() over (partition by market, session_date order by r.start_date desc) = 1
),

reports as (
    select p.*, coalesce(p.superseded_at, 'infinity'::timestamptz) as ends_at, g.role, lower(g.label) as label
    from marts.positioning_vintages as p
    inner join reference.markets as m on p.market = m.market and p.report_type = m.primary_report_type
    inner join marts.trader_groups as g using (trader_group)
),

spans as (
    select distinct market, report_date, released_at, known_at, ends_at from reports
),

-- The newest report at each moment at which what is known of any report changed.
newest as (
    select
        m.market,
        m.known_at,
        max(r.report_date) as report_date,
        arg_max(r.released_at, r.report_date) as released_at
    from (
        select market, known_at from spans
        union
        select market, ends_at from spans
    ) as m
    left join spans as r on m.market = r.market and r.known_at <= m.known_at and m.known_at < r.ends_at
    group by m.market, m.known_at
),

dated as (
    select
        b.market,
        b.session_date,
        b.known_at,
        b.close_at,
        b.is_inverse,
        n.report_date,
        n.released_at,
        c.session_date as last_cross_date,
        c.crossed as last_cross
    from bars as b
    asof left join newest as n on b.market = n.market and b.close_at >= n.known_at
    asof left join crosses as c on b.market = c.market and b.session_date >= c.session_date
),

joined as (
    select
        b.market,
        b.session_date,
        b.known_at,
        i.close,
        b.is_inverse,
        i.return_1d,
        i.rsi_14,
        i.sma_20,
        i.sma_50,
        i.sma_100,
        i.sma_200,
        i.ema_20,
        i.macd,
        i.macd_signal,
        i.macd_histogram,
        i.atr_14,
        i.bollinger_upper,
        i.bollinger_lower,
        i.high_252d,
        i.low_252d,
        i.realised_volatility_20d,
        i.drawdown_ratio,
        i.moving_average_order,
        i.missing_sessions_252d,
        b.last_cross_date,
        b.last_cross,
        s.support_price,
        s.support_distance_atr,
        s.support_born_date,
        s.support_2_price,
        s.support_2_distance_atr,
        s.resistance_price,
        s.resistance_distance_atr,
        s.resistance_born_date,
        s.resistance_2_price,
        s.resistance_2_distance_atr,
        s.around_price,
        s.around_low,
        s.around_high,
        s.around_born_date,
        g.start_date as range_start_date,
        g.low as range_floor,
        g.high as range_ceiling,
        g.core_low as range_core_low,
        g.core_high as range_core_high,
        g.position as range_position_ratio,
        g.parent_start_date as range_parent_start_date,
        p.poc as poc_250,
        p.value_area_low as value_area_low_250,
        p.value_area_high as value_area_high_250,
        p.volume_symbol,
        b.report_date,
        b.released_at,
        b.session_date - b.report_date as report_age_days,
        coalesce(a.open_interest_contracts, l.open_interest_contracts) as open_interest_contracts,
        a.label as institution_label,
        a.net_contracts as institution_net_contracts,
        a.net_share_oi as institution_net_share_oi,
        a.net_percentile_156w as institution_net_percentile_156w,
        a.net_weeks_156w as institution_net_weeks_156w,
        a.net_contracts_change_1w as institution_net_contracts_change_1w,
        a.long_contracts_change_1w as institution_long_contracts_change_1w,
        a.short_contracts_change_1w as institution_short_contracts_change_1w,
        a.net_share_oi_change_1w as institution_net_share_oi_change_1w,
        a.dominant_flow as institution_dominant_flow,
        a.positioning_state as institution_positioning_state,
        l.label as speculator_label,
        l.net_contracts as speculator_net_contracts,
        l.net_share_oi as speculator_net_share_oi,
        l.net_percentile_156w as speculator_net_percentile_156w,
        l.net_weeks_156w as speculator_net_weeks_156w,
        l.net_contracts_change_1w as speculator_net_contracts_change_1w,
        l.long_contracts_change_1w as speculator_long_contracts_change_1w,
        l.short_contracts_change_1w as speculator_short_contracts_change_1w,
        l.net_share_oi_change_1w as speculator_net_share_oi_change_1w,
        l.dominant_flow as speculator_dominant_flow,
        l.positioning_state as speculator_positioning_state,
        case when l.trader_group = 'leveraged_funds' then l.net_contracts end as leveraged_funds_net_contracts,
        case when l.trader_group = 'leveraged_funds' then l.net_share_oi end as leveraged_funds_net_share_oi,
        case when l.trader_group = 'leveraged_funds' then l.net_percentile_156w end as leveraged_funds_net_percentile_156w,
        case when l.trader_group = 'leveraged_funds' then l.net_weeks_156w end as leveraged_funds_net_weeks_156w,
        case when l.trader_group = 'leveraged_funds' then l.net_contracts_change_1w end as leveraged_funds_net_contracts_change_1w,
        case when l.trader_group = 'leveraged_funds' then l.long_contracts_change_1w end as leveraged_funds_long_contracts_change_1w,
        case when l.trader_group = 'leveraged_funds' then l.short_contracts_change_1w end as leveraged_funds_short_contracts_change_1w,
        case when l.trader_group = 'leveraged_funds' then l.net_share_oi_change_1w end as leveraged_funds_net_share_oi_change_1w,
        case when l.trader_group = 'leveraged_funds' then l.dominant_flow end as leveraged_funds_dominant_flow,
        case when l.trader_group = 'leveraged_funds' then l.positioning_state end as leveraged_funds_positioning_state,
        case when a.trader_group = 'asset_manager' then a.net_contracts end as asset_manager_net_contracts,
        case when a.trader_group = 'asset_manager' then a.net_share_oi end as asset_manager_net_share_oi,
        case when a.trader_group = 'asset_manager' then a.net_percentile_156w end as asset_manager_net_percentile_156w,
        case when a.trader_group = 'asset_manager' then a.net_weeks_156w end as asset_manager_net_weeks_156w,
        case when a.trader_group = 'asset_manager' then a.net_contracts_change_1w end as asset_manager_net_contracts_change_1w,
        case when a.trader_group = 'asset_manager' then a.long_contracts_change_1w end as asset_manager_long_contracts_change_1w,
        case when a.trader_group = 'asset_manager' then a.short_contracts_change_1w end as asset_manager_short_contracts_change_1w,
        case when a.trader_group = 'asset_manager' then a.net_share_oi_change_1w end as asset_manager_net_share_oi_change_1w,
        case when a.trader_group = 'asset_manager' then a.dominant_flow end as asset_manager_dominant_flow,
        case when a.trader_group = 'asset_manager' then a.positioning_state end as asset_manager_positioning_state
    from dated as b
    inner join features.daily_indicators as i using (market, session_date)
    left join nearest as s on b.market = s.market and b.session_date = s.session_date
    left join ranges as g on b.market = g.market and b.session_date = g.session_date
    left join features.volume_profiles as p
        on b.market = p.market and b.session_date = p.session_date and p.profile_window = 'rolling_250'
        and p.known_at > getvariable('published_until')
    left join reports as l
        on b.market = l.market
        and b.report_date = l.report_date
        and b.close_at >= l.known_at
        and b.close_at < l.ends_at
        and l.role = 'speculator'
    left join reports as a
        on b.market = a.market
        and b.report_date = a.report_date
        and b.close_at >= a.known_at
        and b.close_at < a.ends_at
        and a.role = 'institution'
)

-- States and setups: the rules of setups.toml add columns to those of joined.
from query(getvariable('setups_query'))
order by market, session_date
