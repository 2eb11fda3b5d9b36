"""One run without Dagster: fetch, build every table, publish; what failed, by name.

Belongs here: the order of these steps, so that a day of a life takes a second or two. Not here: expectations.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import Final

import polars as pl

from r2k_pipeline.contracts.claims import Claims
from r2k_pipeline.contracts.findings import Findings
from r2k_pipeline.contracts.meta import ColumnDictionary
from r2k_pipeline.contracts.reference import Sessions
from r2k_pipeline.lake import LakeError
from r2k_pipeline.orchestration.ingest import ingest_prices, ingest_reports
from r2k_pipeline.orchestration.publication import publish
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.orchestration.tables import DerivedTable, derived_tables

LEFT_EMPTY: Final = (Claims, ColumnDictionary)
"""Claims start a process of their own, the dictionary is of the contracts alone."""


@cache
def in_order() -> tuple[DerivedTable, ...]:
    """Every derived table after those that it reads."""
    derived = {table.table.dotted(): table for table in derived_tables()}
    reads = {name: [up for up in table.upstreams if up in derived] for name, table in derived.items()}
    return tuple(derived[name] for name in TopologicalSorter(reads).static_order())


def fetch(run: Run) -> list[str]:
    """Fetch prices and reports into the raw log; the messages of what failed or is held."""
    intakes = [*ingest_prices(run, _sessions(run)), ingest_reports(run)]
    return [message for intake in intakes for message in intake.failures["message"]]


def _sessions(run: Run) -> pl.DataFrame:
    if not run.lake.files(Sessions.dotted()):
        run.lake.write(Sessions, next(table for table in in_order() if table.table is Sessions).build(run))
    return run.lake.read(Sessions)


@dataclass(frozen=True)
class Spent:
    """What one table took: wall and CPU (all threads) seconds."""

    wall: float
    cpu: float


def build(run: Run, spent: dict[str, Spent] | None = None) -> list[str]:
    """Build every table from raw and publish; the message of the first that breaks its contract, or of the gate.

    `spent` is filled with what each table took, by its name.
    """
    _sessions(run)
    for table in LEFT_EMPTY:
        run.lake.write(table, table.create_empty())
    for derived in (derived for derived in in_order() if derived.table not in (*LEFT_EMPTY, Sessions)):
        wall, cpu = time.perf_counter(), time.process_time()
        rows, kept = derived.rows_and_kept(run)
        fitting = derived.table.fit(rows)
        if fitting is None:
            _, failure = derived.table.filter(rows, cast=True)
            return [f"{derived.table.dotted()} contract: {failure.counts()}"]
        run.lake.write(derived.table, fitting, kept)
        if spent is not None:
            spent[derived.table.dotted()] = Spent(time.perf_counter() - wall, time.process_time() - cpu)
    try:
        publish(run)
    except LakeError as error:
        return [str(error), *_errors(run)]
    return [*_errors(run)]


def _errors(run: Run) -> Iterator[str]:
    """Findings that make a run fail."""
    for row in run.lake.read(Findings).filter(pl.col("severity") == "error").iter_rows(named=True):
        yield f"{row['check_name']} {row['row_key']}: {row['evidence']}"
