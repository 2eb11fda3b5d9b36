-- The CFTC's names of trader groups and their roles, in the order of its reports: financial, disaggregated, legacy.
select
    trader_group,
    report_family,
    label,
    meaning,
    role,
    sort_order
from (
    values
    ('dealer', 'tff', 'Dealers', 'sell side: banks and brokers that make markets and hedge', 1),
    ('asset_manager', 'tff', 'Asset managers', 'pensions, funds, insurers: institutional, mostly long', 2),
    ('leveraged_funds', 'tff', 'Leveraged funds', 'hedge funds, commodity trading advisors and pools', 3),
    ('producer_merchant', 'disaggregated', 'Producers', 'producers, merchants, processors, users: they hedge goods', 4),
    ('swap_dealer', 'disaggregated', 'Swap dealers', 'dealers in swaps on commodities who hedge them in futures', 5),
    ('managed_money', 'disaggregated', 'Managed money', 'commodity trading advisors, pools and funds', 6),
    ('other_reportables', 'tff and disaggregated', 'Other reportables', 'reportable traders of no other group', 7),
    ('noncommercial', 'legacy', 'Noncommercial', 'reportable traders who do not hedge a business', 8),
    ('commercial', 'legacy', 'Commercial', 'reportable traders who hedge a business', 9),
    ('nonreportable', 'all', 'Nonreportable', 'the residual: positions below the reporting level', 10)
) as groups (trader_group, report_family, label, meaning, sort_order)
left join reference.trader_roles using (trader_group)
order by sort_order
