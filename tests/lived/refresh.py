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

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.reference import Sessions
from r2k_pipeline.orchestration.ingest import ingest_prices, ingest_reports
from r2k_pipeline.orchestration.publication import describe_generation
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.orchestration.tables import DerivedTable, derived_tables

LEFT_OUT: Final = frozenset({"marts.claims", "reference.sessions", "meta.column_dictionary"})
"""Claims start a process of their own, sessions are built once a life, the dictionary is of the contracts."""


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
    """Build every table from raw and publish; the message of the first that breaks its contract.

    `spent` is filled with what each table took, by its name.
    """
    _sessions(run)
    for derived in (table for table in in_order() if table.table.dotted() not in LEFT_OUT):
        wall, cpu = time.perf_counter(), time.process_time()
        frame = derived.build(run)
        fitting = derived.table.fit(frame)
        if fitting is None:
            _, failure = derived.table.filter(frame, cast=True)
            return [f"{derived.table.dotted()} contract: {failure.counts()}"]
        run.lake.write(derived.table, fitting)
        if spent is not None:
            spent[derived.table.dotted()] = Spent(time.perf_counter() - wall, time.process_time() - cpu)
    run.lake.write(Generation, describe_generation(run))
    return [*_errors(run)]


def _errors(run: Run) -> Iterator[str]:
    """Findings that make a run fail."""
    from r2k_pipeline.contracts.findings import Findings

    for row in run.lake.read(Findings).filter(pl.col("severity") == "error").iter_rows(named=True):
        yield f"{row['check_name']} {row['row_key']}: {row['evidence']}"
