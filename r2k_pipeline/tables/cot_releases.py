"""When reports became public: by the ledger, unless fetches show that it was later or earlier.

Belongs here: what raw and the fetch log prove about a release. Not here: the ledger (sources/release_calendar.py).
"""

from datetime import datetime

import polars as pl

from r2k_pipeline.contracts.columns import choice, day, instant, text
from r2k_pipeline.contracts.cot import FETCHED_ITEM, RELEASE_BASES, CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.table import AHEAD, Table
from r2k_pipeline.sources.protocol import came_live
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import Calendar, Stored

READ = ("ok", "held", "absent")
"""Statuses of attempts that prove whether a report was there: the file was read, or it did not exist yet."""
AS_OF_DAY = pl.duration(days=1)
"""Positions are those of a day's close: a report that was recorded before that day had ended shows a wrong clock."""


class CotReleases(
    Table,
    layer="staging",
    known_by="released_at",
    known_with="staging.cot_position_vintages",
    looks_ahead="report_date",
):
    """When one COT report became public, and how we know."""

    report_date = day("as-of day of the report", key=True)
    released_at = instant("when the report became public")
    scheduled_at = instant("when the rule alone has it out: what could be known of it beforehand")
    release_basis = choice(RELEASE_BASES, "seen to come out then; announced, or by the rule; or estimated")
    reason = text("the rule or the event that set the moment")
    provenance = text("where that is written")


@builds(CotReleases)
def cot_releases(
    reports: Stored[CotReports], log: Stored[FetchLog], as_of: datetime, calendar: Calendar
) -> pl.DataFrame:
    """The ledger's rows of all reports received or due soon, with the moments that fetches show instead."""
    until, seen = (as_of + AHEAD).date(), reports["report_date"].unique()
    ledger = calendar.releases(seen.filter(seen <= until), until)
    return observe_releases(ledger, reports, log)


def observe_releases(ledger: pl.DataFrame, reports: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """The `ledger` (CotReleases), corrected where fetches contradict it; `reports` are CotReports, `log` the FetchLog.

    **Later** (`actual`): the live file that first brought a report was read after the ledger's release and did not have
    it yet. The report then came out when it was first recorded. A file on disk proves no absence: it may be older than
    its name, or an extract. **Earlier** (`estimated`): a report that was recorded before the ledger's release, from
    whatever source, was out by then. All other reports keep the ledger's moment. The correction counts at every as_of:
    a replay of a moment before the report was recorded must not show it.
    """
    due = ledger.select("report_date", "released_at", ledger_provenance="provenance")
    seen = reports.group_by("report_date").agg(seen_at=pl.col("recorded_at").min()).join(due, on="report_date")
    ended_at = pl.col("report_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + AS_OF_DAY
    early = seen.filter(pl.col("seen_at").is_between(ended_at, "released_at", closed="left"))
    observed = [_observed(_late(seen, reports, log), "actual", "observed: absent at {}, there at {}", "absent_at")]
    observed += [_observed(early, "estimated", "in hand before its release by the ledger, {}, at {}", "released_at")]
    return ledger.update(pl.concat(observed), on="report_date").select(CotReleases.column_names())


def _late(seen: pl.DataFrame, reports: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """Reports of `seen` that their live file lacked when it was read after their release, and the last such moment."""
    first = reports.filter(came_live()).select("report_date", seen_at="recorded_at", item=FETCHED_ITEM)
    read = log.filter(pl.col("table_name") == CotReports.dotted(), pl.col("status").is_in(READ))
    return (
        first.unique()
        .join(seen, on=["report_date", "seen_at"])
        .join(read.select("item", absent_at="fetched_at"), on="item")
        .filter(pl.col("absent_at").is_between("released_at", "seen_at", closed="none"))
        .group_by("report_date", "seen_at", "ledger_provenance")
        .agg(pl.col("absent_at").max())
    )


def _observed(seen: pl.DataFrame, basis: str, reason: str, before: str) -> pl.DataFrame:
    """Rows of the ledger with the moment of recording; `reason` names the moment `before` and that one."""
    when = [pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S UTC") for name in (before, "seen_at")]
    return seen.select(
        "report_date",
        released_at="seen_at",
        release_basis=pl.lit(basis),
        reason=pl.format(reason, *when),
        provenance=pl.lit("raw and fetch log of this lake; the ledger: ") + pl.col("ledger_provenance"),
    )
