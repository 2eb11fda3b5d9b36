-- The CFTC's names of trader groups and their roles, in the order of its reports.
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
    ('other_reportables', 'tff', 'Other reportables', 'corporate treasuries, small banks and others', 4),
    ('noncommercial', 'legacy', 'Noncommercial', 'reportable traders who do not hedge a business', 5),
    ('commercial', 'legacy', 'Commercial', 'reportable traders who hedge a business', 6),
    ('nonreportable', 'both', 'Nonreportable', 'the residual: positions below the reporting level', 7)
) as groups (trader_group, report_family, label, meaning, sort_order)
left join reference.trader_roles using (trader_group)
order by sort_order
