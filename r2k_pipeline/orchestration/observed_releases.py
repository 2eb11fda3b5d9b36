"""Releases as this lake saw them: a report that a fetch after its release did not find came out later than that.

Belongs here: what the fetch log proves about a release. Not here: the ledger (sources/release_calendar.py).
"""

import polars as pl

from r2k_pipeline.contracts.cot import CotReleases, CotReports

READ = ("ok", "held", "absent")
"""Statuses of attempts that would have shown a report: the file was read, or was not there yet."""


def observe_releases(ledger: pl.DataFrame, reports: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """The `ledger` (CotReleases), later where the fetch log shows that a report was not out; never earlier.

    `reports` are CotReports, `log` the FetchLog. A report was absent where the file that first brought it was read
    after the ledger's release and did not have it yet; it came out when it was first recorded. History that a
    file's first fetch brings in bulk keeps the ledger. The moment holds for every as_of: a replay of a moment
    before the report was seen must not show it either, whether or not the proof of its absence came later.
    """
    first = (
        reports.lazy()
        .select("report_date", "recorded_at", item=pl.col("source").str.split("/").list.last())
        .filter(pl.col("recorded_at") == pl.col("recorded_at").min().over("report_date"))
        .unique()
        .collect()
    )
    read = log.filter(pl.col("table_name") == CotReports.dotted(), pl.col("status").is_in(READ))
    absent = (
        first.join(ledger.select("report_date", "released_at"), on="report_date")
        .join(read.select("item", "fetched_at"), on="item")
        .filter(pl.col("fetched_at").is_between("released_at", "recorded_at", closed="none"))
        .group_by("report_date")
        .agg(pl.col("fetched_at").max(), seen_at=pl.col("recorded_at").first())
    )
    when = [pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S UTC") for name in ("fetched_at", "seen_at")]
    observed = absent.select(
        "report_date",
        released_at="seen_at",
        release_basis=pl.lit("actual"),
        reason=pl.format("observed: absent at {}, there at {}", *when),
        provenance=pl.lit("fetch log of this lake"),
    )
    return ledger.update(observed, on="report_date").select(CotReleases.column_names())
