"""The builder: builds, validates and writes the derived tables in order, and skips tables that would not change.

Belongs here: order, the record of versions, the outcome for each table. Not here: making a table (tables/), its inputs
(inputs.py), its key (keys.py), files (lake.py), callers.
"""

import json
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.files import write_atomically
from r2k_pipeline.inputs import rows_and_kept
from r2k_pipeline.keys import keys_of
from r2k_pipeline.lake import Lake
from r2k_pipeline.runs import Run
from r2k_pipeline.tables.registry import DerivedTable, derived_tables

State = Literal["built", "unchanged", "failed"]


@dataclass(frozen=True)
class Outcome:
    """The outcome for one table. `version`: digest of its content; if it failed, the old table stays.

    `broken` counts rows by the rule that they break, `examples` are some of them. Seconds: wall, and CPU of all
    threads.
    """

    table: type[Table]
    state: State
    rows: int
    version: str
    seconds: float
    cpu_seconds: float
    broken: Mapping[str, int]
    examples: pl.DataFrame | None = None

    def message(self) -> str:
        """Why it failed."""
        broken = dict(self.broken)
        return f"{self.table.dotted()}: rows break the contract, by rule: {broken}; the old table stays"


def build_tables(
    run: Run, wanted: Iterable[type[Table]] | None = None, given: Iterable[type[Table]] = ()
) -> Iterator[Outcome]:
    """Build `wanted` tables (default: all) and what they read, upstreams first; one outcome each, as they are done.

    Tables that are `given` are read from the lake as they are. Stops after the first table that failed.
    """
    for derived in in_order(wanted, given):
        run = run.fixed() if derived.needs_moment else run
        outcome = build_table(run, derived)
        yield outcome
        if outcome.state == "failed":
            return


def in_order(
    wanted: Iterable[type[Table]] | None = None, given: Iterable[type[Table]] = ()
) -> tuple[DerivedTable, ...]:
    """`wanted` tables (default: all) and their upstreams except the `given` ones, upstreams first."""
    skipped = {table.dotted() for table in given}
    derived = {name: entry for name, entry in _by_name().items() if name not in skipped}
    names = list(derived) if wanted is None else [table.dotted() for table in wanted]
    graph: dict[str, list[str]] = {}
    while names:
        name = names.pop()
        graph[name] = [upstream for upstream in derived[name].upstreams if upstream in derived]
        names += [upstream for upstream in graph[name] if upstream not in graph]
    return tuple(derived[name] for name in TopologicalSorter(graph).static_order())


@cache
def _by_name() -> dict[str, DerivedTable]:
    return {entry.table.dotted(): entry for entry in derived_tables()}


def outdated_tables(run: Run, built: Container[str] = ()) -> list[str]:
    """The tables that were not built from what the lake has now, by this program, at the moment of `run`.

    Tables in `built` are not looked at. The calendar of sessions, which depends on today, is never outdated: a run may
    pass midnight.
    """
    record = Record(run.lake)
    asked = [d for d in derived_tables() if "today" not in d.values and d.table.dotted() not in built]
    return [d.table.dotted() for d in asked if not any(record.has(d.table, key) for key in keys_of(run, d))]


def build_table(run: Run, derived: DerivedTable) -> Outcome:
    """Build one table whose upstreams are built, or skip it if its key and its content are as recorded."""
    table, record, began, cpu = derived.table, Record(run.lake), time.perf_counter(), time.process_time()

    def outcome(state: State, broken: Mapping[str, int], examples: pl.DataFrame | None = None) -> Outcome:
        spent = time.perf_counter() - began, time.process_time() - cpu
        return Outcome(table, state, run.lake.count(table), run.lake.version(table), *spent, broken, examples)

    keys: list[str] = []
    for key in keys_of(run, derived):  # the second one, of claims, is costly: it is asked for if the first is new
        keys.append(key)
        if record.has(table, key):
            if len(keys) > 1:
                record.put(table, keys)
            return outcome("unchanged", {})
    with run.lake.replacing(table) as replaced:
        for bucket, (rows, kept) in enumerate(rows_and_kept(run, derived)):
            if (fitting := table.fit(rows)) is None:
                _, failure = table.filter(rows, cast=True)
                return outcome("failed", failure.counts(), failure.invalid())
            replaced.add(fitting, bucket, kept)
            del rows, fitting  # else they would be in memory while the next ones are made
        replaced.finish()
    record.put(table, keys)
    return outcome("built", {})


@dataclass(frozen=True)
class Record:
    """The keys and the version of each table's last build. If the record is lost or damaged, tables are built again."""

    lake: Lake

    @property
    def file(self) -> Path:
        """The record of a lake, a file beside its tables."""
        return self.lake.derived / "versions.json"

    def has(self, table: type[Table], key: str) -> bool:
        """Whether the table on disk was built from `key`."""
        recorded = self._read().get(table.dotted())
        if not isinstance(recorded, list) or key not in recorded[:-1] or not self.lake.files(table.dotted()):
            return False
        return bool(recorded[-1] == self.lake.version(table))

    def put(self, table: type[Table], keys: Sequence[str]) -> None:
        """Record that the table on disk was built from what each of `keys` is a digest of."""
        recorded = {**self._read(), table.dotted(): [*keys, self.lake.version(table)]}
        body = json.dumps(recorded, indent=1, sort_keys=True).encode()
        write_atomically(self.file, body, lambda _: None, durable=False)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            recorded = json.loads(self.file.read_bytes())
            return recorded if isinstance(recorded, dict) else {}
        return {}
