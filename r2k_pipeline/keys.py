"""Keys: a digest of everything that a table's rows depend on; a table whose key did not change is not built again.

Belongs here: what is in a key; of a run's moment and of its fetch log, which change at every run, only what bears on a
table. Not here: the tables, the record of keys (build.py).
"""

import hashlib
import json
from collections.abc import Collection
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from r2k_pipeline.claims.note import moments_of, read_shipped_notes
from r2k_pipeline.claims.vocabulary.known_tables import TIMES
from r2k_pipeline.claims.vocabulary.known_tables import Sessions as Calendar
from r2k_pipeline.claims.vocabulary.readings import moments_in
from r2k_pipeline.contracts.meta import Fetches, FetchLog
from r2k_pipeline.lake import Lake
from r2k_pipeline.origins import digests_of
from r2k_pipeline.runs import Run
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.claims import Claims
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.tables.registry import DerivedTable

LIBRARIES: Final = ("duckdb", "exchange-calendars", "numba", "numpy", "polars")
"""Libraries that compute values: another version may compute other values."""
DATED: Final = {Sessions: ("open_at", "close_at", "settles_at"), CotReleases: ("released_at",)}
"""Tables of dated facts, and the instants from which on they count."""


def key_of(run: Run, derived: DerivedTable) -> str:
    """A digest of everything that a table's rows depend on: code, settings, markets, moment, content of its upstreams.

    The fetch log grows at every run: only fetches that bear on existing rows count. Of the moment only the dated facts
    that it has reached count.
    """
    parts: dict[str, Any] = {
        "table": derived.table.dotted(),
        **digests_of(run.settings, run.markets),
        **library_versions(),
        "moment": dated_by(run, derived),
        "reads": {
            name: looks_of(run, derived) if name == "raw.fetch_log" else run.lake.version_of(name)
            for name in derived.upstreams
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """The versions of LIBRARIES that this process uses; to look them up takes a tenth of a run with nothing new."""
    return {library: version(library) for library in LIBRARIES}


def dated_by(run: Run, derived: DerivedTable) -> str:
    """The part of the run's moment that the table's rows depend on.

    SQL that asks for `as_of` compares it with instants of sessions and releases, with the ends of days and with
    `recorded_at`; in a run that is no replay, every raw row was recorded by its moment. So the last of these instants
    that was reached is enough. A replay and meta.fetches, which shows the log itself, depend on the moment itself.
    """
    if "today" in derived.values:
        return str(run.clock().date())
    if "as_of" not in derived.values:
        return ""
    if run.is_replay or derived.table is Fetches:
        return run.as_of.isoformat()
    if derived.table is Claims:
        sessions = Calendar.of_rows(run.lake.read(Sessions, TIMES))
        moments = moments_of(read_shipped_notes(), partial(moments_in, sessions=sessions))
        return " ".join(moment.isoformat() for moment in moments if moment <= run.as_of)
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

    A fetch proves that later rows were not there before; it proves nothing about rows recorded before it.
    """
    log = run.lake.read(FetchLog)
    if derived.table is Fetches:
        return _digest(log)
    found = []
    for name in (name for name in derived.upstreams if name.startswith("raw.") and name != FetchLog.dotted()):
        rows = run.lake.read(TABLES[name], ["recorded_at"])
        if rows.height:
            found.append(log.filter(pl.col("table_name") == name, pl.col("fetched_at") <= rows["recorded_at"].max()))
    return _digest(pl.concat(found)) if found else ""


def _digest(rows: pl.DataFrame) -> str:
    """Text that is the same for the same rows in any order."""
    return hashlib.sha256(rows.sort(rows.columns).write_csv().encode()).hexdigest()[:16]
