-- Volume at price of one market: the bins of the newest row of features.volume_profiles known at `ts`, of the window
-- `for_window`. Each bar's volume (1 a bar for time at price) is spread evenly over its range, as definitions.md says;
-- the bins are those of the profile, 0.25 % of the price wide.
create macro profile_bins(for_market, for_window, ts) as table
with bars as (
    select session_date, low, high, volume
    from market_bars_as_of(ts)
    where market = for_market
),

profile as (
    select start_date, session_date, method
    from features.volume_profiles
    where
        market = for_market
        and profile_window = for_window
        and session_date = (
            select max(session_date)
            from positioning_vs_technicals_as_of(ts)
            where market = for_market
        )
        and poc is not null
),

spread as (
    select
        bars.low,
        bars.high,
        case profile.method when 'proxy_volume' then coalesce(bars.volume, 0) else 1 end as volume,
        unnest(
            generate_series(
                floor(ln(bars.low) / 0.0025 + 0.5)::bigint,
                floor(ln(bars.high) / 0.0025 + 0.5)::bigint
            )
        ) as bin
    from bars
    inner join profile on bars.session_date >= profile.start_date and bars.session_date < profile.session_date
),

edged as (
    select
        *,
        exp((bin - 0.5) * 0.0025) as bin_low,
        exp((bin + 0.5) * 0.0025) as bin_high
    from spread
)

select
    bin_low,
    bin_high,
    sum(
        case
            when high > low then volume * (least(high, bin_high) - greatest(low, bin_low)) / (high - low) else volume
        end
    ) as volume
from edged
group by bin_low, bin_high
order by bin_low
