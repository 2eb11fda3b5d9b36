-- The legacy report counts the same contracts on the same day as the financial and the disaggregated one, and draws the
-- reporting level at the same place: its open interest, its reportable positions (spreads included) and the residual are
-- theirs. How it splits the reportable ones is another matter. Consolidated and combined rows are rounded leg by leg.
-- on: staging.cot_positions  severity: warn
with totals as (
    select
        report_type,
        split_part(report_type, '_', 1) as family,
        split_part(report_type, '_', 2) as scope,
        contract_code,
        report_date,
        max(open_interest_contracts) as open_interest,
        coalesce(sum(long_contracts + coalesce(spreading_contracts, 0)) filter (is_reportable), 0) as reportable_long,
        coalesce(sum(short_contracts + coalesce(spreading_contracts, 0)) filter (is_reportable), 0) as reportable_short,
        coalesce(sum(long_contracts) filter (not is_reportable), 0) as nonreportable_long,
        coalesce(sum(short_contracts) filter (not is_reportable), 0) as nonreportable_short,
        max(known_at) as known_at
    from (select *, trader_group <> 'nonreportable' as is_reportable from staging.cot_positions)
    group by report_type, contract_code, report_date
),

compared as (
    select
        t.report_type,
        t.contract_code,
        t.report_date,
        l.report_type as legacy_type,
        greatest(t.known_at, l.known_at) as known_at,
        if(t.contract_code like '%+' or t.scope = 'combined', 3, 0) as slack,
        unnest([
            {'what': 'open interest', 'ours': t.open_interest, 'theirs': l.open_interest},
            {'what': 'reportable longs', 'ours': t.reportable_long, 'theirs': l.reportable_long},
            {'what': 'reportable shorts', 'ours': t.reportable_short, 'theirs': l.reportable_short},
            {'what': 'nonreportable longs', 'ours': t.nonreportable_long, 'theirs': l.nonreportable_long},
            {'what': 'nonreportable shorts', 'ours': t.nonreportable_short, 'theirs': l.nonreportable_short}
        ], recursive := true)
    from totals as t
    inner join totals as l using (scope, contract_code, report_date)
    where t.family <> 'legacy' and l.family = 'legacy'
)

select
    report_type,
    contract_code,
    report_date,
    'open_interest_contracts' as column_name,
    max(known_at) as known_at,
    string_agg(format('{} {}, in {} {}', what, ours::bigint, legacy_type, theirs::bigint), '; ' order by what) as evidence
from compared
where abs(ours - theirs) > slack
group by report_type, contract_code, report_date
