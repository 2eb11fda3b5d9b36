-- What was known at each session's close. A report enters by its release, never by its as-of day: the greatest
-- report date released by then, so that a later correction of an older week never takes its place.
with bars as (
    select market, session_date, greatest(b.known_at, s.close_at) as known_at
    from staging.market_bars as b
    inner join reference.markets as m using (market)
    inner join reference.sessions as s using (calendar, session_date)
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

supports as (
    select *
    from features.levels
    where role = 'support'
    qualify row_number() over (partition by market, session_date order by price desc, level_id) = 1
),

resistances as (
    select *
    from features.levels
    where role = 'resistance'
    qualify row_number() over (partition by market, session_date order by price, level_id) = 1
),

reports as (
    select
        market,
        report_date,
        max(released_at) as released_at,
        max(known_at) as known_at,
        any_value(w) filter (trader_group = 'leveraged_funds') as leveraged,
        any_value(w) filter (trader_group = 'asset_manager') as managers
    from marts.weekly_positioning as w
    where report_type = 'tff_futures'
    group by market, report_date
),

dated as (
    select b.*, max(r.report_date) as report_date
    from bars as b
    left join reports as r on b.market = r.market and r.known_at <= b.known_at
    group by all
)

select
    b.market,
    b.session_date,
    b.known_at,
    i.close,
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
    c.session_date as last_cross_date,
    c.crossed as last_cross,
    s.price as support_price,
    s.distance_atr as support_distance_atr,
    s.evidence as support_evidence,
    h.price as resistance_price,
    h.distance_atr as resistance_distance_atr,
    h.evidence as resistance_evidence,
    p.poc as poc_250,
    p.value_area_low as value_area_low_250,
    p.value_area_high as value_area_high_250,
    p.volume_symbol,
    b.report_date,
    r.released_at,
    b.session_date - b.report_date as report_age_days,
    r.leveraged.net_contracts as leveraged_funds_net_contracts,
    r.leveraged.net_share_oi as leveraged_funds_net_share_oi,
    r.leveraged.net_percentile_156w as leveraged_funds_net_percentile_156w,
    r.leveraged.net_contracts_change_1w as leveraged_funds_net_contracts_change_1w,
    r.leveraged.dominant_flow as leveraged_funds_dominant_flow,
    r.leveraged.positioning_state as leveraged_funds_positioning_state,
    r.managers.net_contracts as asset_manager_net_contracts,
    r.managers.net_share_oi as asset_manager_net_share_oi,
    r.managers.net_percentile_156w as asset_manager_net_percentile_156w,
    r.managers.net_contracts_change_1w as asset_manager_net_contracts_change_1w,
    r.managers.dominant_flow as asset_manager_dominant_flow,
    r.managers.positioning_state as asset_manager_positioning_state
from dated as b
inner join features.daily_indicators as i using (market, session_date)
asof left join crosses as c on b.market = c.market and b.session_date >= c.session_date
left join supports as s on b.market = s.market and b.session_date = s.session_date
left join resistances as h on b.market = h.market and b.session_date = h.session_date
left join features.volume_profiles as p
    on b.market = p.market and b.session_date = p.session_date and p.profile_window = 'rolling_250'
left join reports as r on b.market = r.market and b.report_date = r.report_date
order by b.market, b.session_date
