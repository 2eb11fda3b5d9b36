"""The tables about the data itself: checks, findings, gaps, freshness, refused rows, vintages.

Belongs here: what a reader needs to judge the numbers. Not here: the checks (sql/checks), repairs.
"""

from collections.abc import Collection
from typing import Final

from r2k_pipeline.contracts.meta import Fetches
from r2k_pipeline.report.site.tables import Column, DataTable, ask, build_table, with_pages
from r2k_pipeline.snapshot import NOT_KEPT, Snapshot

SHOWN_PER_CHECK: Final = 20
"""Most findings of one check on the page, the newest; the table of checks counts all of them."""
SHOWN_REFUSED: Final = 200
"""Most refused rows on the page, the newest; the caption gives the total."""
_FINDINGS: Final = "meta.findings"
_FETCHES: Final = "meta.fetches"
_QUARANTINE: Final = "meta.quarantine"
_BARS: Final = "staging.price_vintages"
_REPORTS: Final = "staging.cot_position_vintages"


def quality(snapshot: Snapshot, shown: Collection[str]) -> tuple[DataTable, ...]:
    """All tables of the page, as known at the moment; `shown` markets have a page of their own."""
    return (
        _checks(snapshot),
        _coverage(snapshot, shown),
        _reports(snapshot, shown),
        _freshness(snapshot),
        _refused(snapshot),
        _vintages(snapshot),
        _findings(snapshot),
    )


def _checks(snapshot: Snapshot) -> DataTable:
    query = f"""
        select check_name, severity, table_name, count(*) as findings,
            max(coalesce(session_date, report_date)) as newest
        from {_FINDINGS} group by all order by severity, check_name"""
    columns = (
        Column(f"{_FINDINGS}.check_name", label="check", verbatim=True, link="#findings"),
        Column(f"{_FINDINGS}.severity"),
        Column(f"{_FINDINGS}.table_name", label="of table", verbatim=True, link="dictionary.html#{table_name}"),
        Column(f"{_FINDINGS}.row_key", name="findings", label="rows in doubt", unit="rows"),
        Column(f"{_FINDINGS}.session_date", name="newest", label="newest day"),
    )
    return build_table(
        "checks",
        "Reconciliation checks with rows in doubt",
        columns,
        ask(snapshot, query),
        empty="No check doubts a row that was known at this moment.",
        note="A check that is not listed found nothing. Nothing is repaired: the rows stay as they were delivered.",
    )


def _coverage(snapshot: Snapshot, shown: Collection[str]) -> DataTable:
    query = """
        with bars as (
            select market, min(session_date) as first_date, max(session_date) as last_date, count(*) as sessions
            from marts.positioning_vs_technicals group by market
        )
        select b.market, b.first_date, b.last_date, b.sessions,
            count(*) filter (s.session_date between greatest(b.first_date, date '1970-01-01') and b.last_date
                and not exists (from marts.positioning_vs_technicals as m
                    where m.market = b.market and m.session_date = s.session_date)) as missing,
            count(*) filter (s.session_date > b.last_date) as behind
        from bars as b inner join marts.markets as k using (market)
        inner join marts.sessions as s on s.calendar = k.calendar and s.close_at <= $moment::timestamptz
        group by all order by any_value(k.sort_order), b.market"""
    mart = "marts.positioning_vs_technicals"
    columns = (
        Column(f"{mart}.market", link="{page}", verbatim=True),
        Column(f"{mart}.session_date", name="first_date", label="first session"),
        Column(f"{mart}.session_date", name="last_date", label="last session"),
        Column(f"{mart}.session_date", name="sessions", label="sessions", unit="sessions"),
        Column("marts.sessions.session_date", name="missing", label="missing between", unit="sessions"),
        Column("marts.sessions.session_date", name="behind", label="missing since", unit="sessions"),
    )
    return build_table(
        "sessions",
        "Sessions of each market against the exchange calendar",
        columns,
        with_pages(ask(snapshot, query, moment=snapshot.moment), shown),
        note="From 1970: the exchange calendar knows no regular holidays before.",
        empty="No session is known at this moment.",
    )


def _reports(snapshot: Snapshot, shown: Collection[str]) -> DataTable:
    query = """
        with held as (
            select market, report_type, min(report_date) as first_date, max(report_date) as last_date,
                count(distinct report_date) as reports
            from weekly_positioning_as_of($moment::timestamptz) group by all
        )
        select h.market, h.report_type, h.first_date, h.last_date, h.reports,
            count(*) filter (r.report_date between h.first_date and h.last_date) - any_value(h.reports) as missing,
            count(*) filter (r.report_date > h.last_date) as behind
        from held as h left join marts.markets as k using (market)
        inner join staging.cot_releases as r on r.released_at <= $moment::timestamptz
        group by all order by any_value(k.sort_order), h.market, h.report_type"""
    of = "marts.positioning_vintages"
    columns = (
        Column(f"{of}.market", link="{page}", verbatim=True),
        Column(f"{of}.report_type"),
        Column(f"{of}.report_date", name="first_date", label="first report"),
        Column(f"{of}.report_date", name="last_date", label="last report"),
        Column(f"{of}.report_date", name="reports", label="reports", unit="reports"),
        Column("staging.cot_releases.report_date", name="missing", label="missing between", unit="reports"),
        Column("staging.cot_releases.report_date", name="behind", label="missing since", unit="reports"),
    )
    return build_table(
        "reports",
        "COT reports of each market against the release ledger",
        columns,
        with_pages(ask(snapshot, query, moment=snapshot.moment), shown),
        empty="No COT report is known at this moment.",
    )


def _freshness(snapshot: Snapshot) -> DataTable:
    names = ("rows_read", "rows_written", "rows_identical", "rows_quarantined", "rows_held", "rows_withdrawn")
    columns = (
        Column(f"{_FETCHES}.item", verbatim=True),
        Column(f"{_FETCHES}.table_name", label="table", verbatim=True, link="dictionary.html#{table_name}"),
        Column(f"{_FETCHES}.status"),
        Column(f"{_FETCHES}.fetched_at", label="fetched"),
        Column(f"{_FETCHES}.last_ok_at", label="last good"),
        *(Column(f"{_FETCHES}.{name}", label=name.removeprefix("rows_")) for name in names),
        Column(f"{_FETCHES}.message", verbatim=True),
    )
    query = f"""
        select {", ".join(c.key for c in columns)} from {_FETCHES}
        order by status = 'ok', item, table_name"""
    return build_table(
        "freshness",
        "The latest fetch of each symbol and report file",
        columns,
        ask(snapshot, query),
        row_id="fetch-{item}-{table_name}",
        empty=NOT_KEPT[Fetches],
    )


def _refused(snapshot: Snapshot) -> DataTable:
    columns = (
        *(Column(f"{_QUARANTINE}.{name}", verbatim=True) for name in ("row_key", "rule", "source")),
        Column(f"{_QUARANTINE}.recorded_at", label="first refused"),
        Column(f"{_QUARANTINE}.row_values", verbatim=True, label="as delivered"),
    )
    query = f"""
        select {", ".join(c.key for c in columns)} from {_QUARANTINE}
        order by recorded_at desc, row_key, rule limit {SHOWN_REFUSED}"""
    refused = f"select count(*) from {_QUARANTINE}"
    ((count,),) = snapshot.ask(refused).fetchall()
    return build_table(
        "quarantine",
        f"Rows refused, the newest {SHOWN_REFUSED} of {count:,}" if count > SHOWN_REFUSED else "Rows refused",
        columns,
        ask(snapshot, query),
        empty="No row was refused by this moment.",
    )


def _vintages(snapshot: Snapshot) -> DataTable:
    query = f"""
        with vintages as (
            select '{_BARS}' as table_name, symbol as item, session_date as day, revision, known_at, is_withdrawn
            from {_BARS}
            union all
            select '{_REPORTS}', report_type, report_date, revision, known_at, is_withdrawn from {_REPORTS}
        )
        select table_name, item, count(*) as vintages, count(*) filter (revision > 0 and not is_withdrawn) as revised,
            count(*) filter (is_withdrawn) as withdrawn, max(day) filter (revision > 0) as newest
        from vintages group by all order by table_name, item"""
    of = f"{_BARS}.revision"
    columns = (
        Column("meta.fetches.table_name", label="table", verbatim=True, link="dictionary.html#{table_name}"),
        Column("meta.fetches.item", label="symbol or report", verbatim=True),
        Column(of, name="vintages", unit="rows"),
        Column(of, name="revised", unit="rows"),
        Column(f"{_BARS}.is_withdrawn", name="withdrawn", unit="rows"),
        Column(f"{_BARS}.session_date", name="newest", label="newest day revised"),
    )
    return build_table(
        "vintages",
        "Vintages: what was first said, revised and withdrawn",
        columns,
        ask(snapshot, query),
        note="A revised value is a row of its own, known from its own moment; the old one stays.",
        empty="No row is known at this moment.",
    )


def _findings(snapshot: Snapshot) -> DataTable:
    columns = (
        Column(f"{_FINDINGS}.check_name", label="check", verbatim=True),
        Column(f"{_FINDINGS}.severity"),
        Column(f"{_FINDINGS}.row_key", label="row", verbatim=True),
        Column(f"{_FINDINGS}.column_name", label="column", verbatim=True),
        Column(f"{_FINDINGS}.known_at", label="known"),
        Column(f"{_FINDINGS}.evidence", verbatim=True),
    )
    query = f"""
        select {", ".join(c.key for c in columns)} from {_FINDINGS}
        qualify row_number() over (partition by check_name
            order by coalesce(session_date, report_date) desc, row_key desc) <= {SHOWN_PER_CHECK}
        order by severity, check_name, coalesce(session_date, report_date) desc, row_key desc"""
    return build_table(
        "findings",
        f"Rows in doubt, the newest {SHOWN_PER_CHECK} of each check",
        columns,
        ask(snapshot, query),
        empty="No row is in doubt at this moment.",
        note="The table of checks above counts all of them.",
    )
