"""What of a run's moment and of its fetch log the rows of a table depend on: both change at every run, rows seldom.

Belongs here: which moments and which fetches bear on a table. Not here: the tables, what else is in a key (build.py).
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Final

import polars as pl

from r2k_pipeline.contracts import claims, cot, meta, reference
from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.lake import Lake
from r2k_pipeline.run import Run
from r2k_pipeline.tables.derived import DerivedTable, moments_of_claims

DATED: Final = {
    reference.Sessions: ("open_at", "close_at", "settles_at"),
    cot.CotReleases: ("released_at",),
}
"""Tables of dated facts, and the instants from which on they count."""


def dated_by(run: Run, derived: DerivedTable) -> str:
    """What of the run's moment the table's rows depend on.

    SQL that asks for `as_of` compares it with instants of sessions and releases, with the ends of days and with
    `recorded_at`, which no raw row has later than a run that is no replay. So the last of these that was reached says
    all. A replay and meta.fetches, which shows the log itself, depend on the moment.
    """
    if derived.table is reference.Sessions:
        return str(run.clock().date())
    if not derived.reads_as_of:
        return ""
    if run.is_replay or derived.table is meta.Fetches:
        return run.as_of.isoformat()
    if derived.table is claims.Claims:
        return " ".join(moment.isoformat() for moment in moments_of_claims() if moment <= run.as_of)
    return last_reached(run.lake, run.as_of, derived.upstreams).isoformat()


def last_reached(lake: Lake, moment: datetime, upstreams: Collection[str] | None = None) -> datetime:
    """The last instant up to `moment` at which a day began or a dated fact of `upstreams` (default: of any) counts."""
    instants = [
        lake.read(table, columns).unpivot(columns)["value"]
        for table, columns in DATED.items()
        if upstreams is None or table.dotted() in upstreams
    ]
    day = pl.Series([moment.replace(hour=0, minute=0, second=0, microsecond=0)], dtype=pl.Datetime("us", "UTC"))
    moments = pl.concat([day, *instants])
    last: datetime = moments.filter(moments <= moment).max()  # type: ignore[assignment]
    return last


def looks_of(run: Run, derived: DerivedTable) -> str:
    """A digest of the fetches that bear on the table's rows: those up to the last row of each raw table that it reads.

    A fetch says of later rows that they were not there before; it says nothing of rows recorded before it.
    """
    log = run.lake.read(meta.FetchLog)
    if derived.table is meta.Fetches:
        return _digest(log)
    found = []
    for name in (name for name in derived.upstreams if name.startswith("raw.") and name != meta.FetchLog.dotted()):
        rows = run.lake.read(TABLES[name], ["recorded_at"])
        if rows.height:
            found.append(log.filter(pl.col("table_name") == name, pl.col("fetched_at") <= rows["recorded_at"].max()))
    return _digest(pl.concat(found)) if found else ""


def _digest(rows: pl.DataFrame) -> str:
    """The same text for the same rows, in any order."""
    return hashlib.sha256(rows.sort(rows.columns).write_csv().encode()).hexdigest()[:16]
