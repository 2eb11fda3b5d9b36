"""Keys: digests of everything that a table's rows depend on. A table with an unchanged key is not built again.

Belongs here: the parts of a key. The moment and the fetch log change at every run, so only the part of them that a
table depends on is in its key. Not here: the tables, the record of keys (build.py).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.claims.note import moments_of, read_shipped_notes
from r2k_pipeline.claims.vocabulary.known_tables import NEW_YORK, TIMES
from r2k_pipeline.claims.vocabulary.known_tables import Sessions as SessionTimes
from r2k_pipeline.claims.vocabulary.readings import moments_in
from r2k_pipeline.contracts.clock import select_known
from r2k_pipeline.contracts.meta import Fetches, FetchLog
from r2k_pipeline.contracts.table import Table, ends_before
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import digest_of, short_digest
from r2k_pipeline.lake import Lake
from r2k_pipeline.origins import digests_of
from r2k_pipeline.quoting import literal, parquet
from r2k_pipeline.runs import Run
from r2k_pipeline.sql_models import SqlModel
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.claims import Claims
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.tables.registry import DerivedTable

LIBRARIES: Final = ("duckdb", "exchange-calendars", "numba", "numpy", "polars")
"""Libraries that compute values: another version may compute other values."""
DATED: Final[Mapping[type[Table], Sequence[str]]] = {
    Sessions: ("open_at", "close_at", "settles_at"),
    CotReleases: ("released_at",),
}
"""Tables of dated facts, and their columns of instants from which on a fact counts."""


def keys_of(run: Run, derived: DerivedTable) -> Iterator[str]:
    """Digests of everything that a table's rows depend on. If one of them is as recorded, its rows come out the same.

    A digest covers code, settings, markets, the moment and the content of the upstreams. The fetch log grows at every
    run, so only fetches that bear on existing rows count. The moment counts by the dated facts that it has reached.
    Claims have a second digest: a verdict reads rows as they were known at its moment, so upstream rows count only if
    they were known by the last such moment.
    """
    names = derived.upstreams
    versions = {
        name: digest_of_fetches(run, derived) if name == FetchLog.dotted() else run.lake.version(TABLES[name])
        for name in names
    }
    yield _key(run, derived, versions)
    if derived.table is Claims and not run.is_replay:
        last = max(_judged(run), default=datetime.min.replace(tzinfo=UTC))
        yield _key(run, derived, _known_rows(run.lake, [n for n in names if n != FetchLog.dotted()], last))


def _key(run: Run, derived: DerivedTable, reads: Mapping[str, str | list[str]]) -> str:
    parts: dict[str, Any] = {
        "table": derived.table.dotted(),
        **digests_of(run.settings, run.markets),
        **library_versions(),
        "moment": moment_in_key(run, derived),
        "reads": reads,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _known_rows(lake: Lake, names: Iterable[str], moment: datetime) -> dict[str, list[str]]:
    """What each table has of rows known at `moment`: digests of the parts of earlier years, and one of other rows.

    The rows are digested by DuckDB, which needs the memory of only a few of them; files were digested before.
    """
    at = literal(moment)
    found: dict[str, list[str]] = {}
    with duckdb.connect(config={"memory_limit": "256MB", "threads": "1"}) as connection:
        for name in names:
            table, files = TABLES[name], lake.files(name)
            earlier = [file for file in files if table.in_parts and ends_before(file.name, moment)]
            found[name] = [f"{file.name} {digest_of(file)}" for file in earlier]
            if not (others := [file for file in files if file not in earlier]):
                continue
            known = select_known(table, parquet(others), at)
            query = f"select count(*), sum(hash(known)), bit_xor(hash(known)) from ({known}) as known"
            try:
                ((count, *digests),) = connection.sql(query).fetchall()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise R2kError(name, f"cannot read {others[0].parent}: {reason}", lake.run) from error
            found[name] += [f"{count} {digests}"] if count else []
    return found


@cache
def library_versions() -> dict[str, str]:
    """The versions of LIBRARIES that this process uses; to look them up takes a tenth of a run with nothing new."""
    return {library: version(library) for library in LIBRARIES}


def moment_in_key(run: Run, derived: DerivedTable) -> str:
    """The part of the run's moment that the table's rows depend on.

    SQL that asks for `as_of` compares it with instants of sessions and releases that it names, with the ends of days
    and with `recorded_at`; in a run that is no replay, every raw row was recorded by its moment. So the last of these
    instants that was reached is enough. A replay and meta.fetches, which shows the log itself, depend on the moment
    itself.
    """
    if "today" in derived.values:
        return str(run.clock().date())
    if "as_of" not in derived.values:
        return ""
    if run.is_replay or derived.table is Fetches:
        return run.as_of.isoformat()
    if derived.table is Claims:
        return " ".join(moment.isoformat() for moment in _judged(run))
    query = derived.made.query if isinstance(derived.made, SqlModel) else None
    named = {
        table: [column for column in columns if query is None or column in query]
        for table, columns in DATED.items()
        if table.dotted() in derived.upstreams
    }
    return last_reached(run.lake, run.as_of, named).isoformat()


def _judged(run: Run) -> list[datetime]:
    """The moments, up to the run's, at which readings of the shipped notes are judged."""
    rows = run.lake.read(Sessions, TIMES)
    names = {market.market: market.calendar for market in run.markets}
    calendars = {name: SessionTimes.of_rows(rows, name) for name in {NEW_YORK, *names.values()}}
    new_york = calendars[NEW_YORK]
    judged = partial(moments_in, sessions=new_york, sessions_of=lambda market: calendars[names.get(market, NEW_YORK)])
    moments = moments_of(read_shipped_notes(), judged)
    return [moment for moment in moments if moment <= run.as_of]


def last_reached(lake: Lake, moment: datetime, instants: Mapping[type[Table], Sequence[str]] = DATED) -> datetime:
    """The last of `instants` up to `moment`, columns by table; at least the beginning of its day."""
    found = [lake.read(table, names).unpivot(names)["value"] for table, names in instants.items() if names]
    day = pl.Series([moment.replace(hour=0, minute=0, second=0, microsecond=0)], dtype=pl.Datetime("us", "UTC"))
    moments = pl.concat([day, *found])
    last: datetime = moments.filter(moments <= moment).max()  # type: ignore[assignment]
    return last


def digest_of_fetches(run: Run, derived: DerivedTable) -> str:
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
    return short_digest(rows.sort(rows.columns).write_csv().encode())
