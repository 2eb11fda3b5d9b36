"""Builds one derived table of a lake and what it reads, without Dagster: for tests that are about that table."""

from graphlib import TopologicalSorter

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.orchestration.tables import derived_tables


def build_with_upstreams(run: Run, table: type[Table]) -> pl.DataFrame:
    """The rows of `table`, built from the raw log of the run's lake and left there with all it reads."""
    derived = {entry.table.dotted(): entry for entry in derived_tables()}
    wanted = [table.dotted()]
    graph: dict[str, list[str]] = {}
    while wanted:
        name = wanted.pop()
        graph[name] = [upstream for upstream in derived[name].upstreams if upstream in derived]
        wanted += [upstream for upstream in graph[name] if upstream not in graph]
    for name in TopologicalSorter(graph).static_order():
        rows = derived[name].build(run)
        run.lake.write(derived[name].table, derived[name].table.validate(rows, cast=True))
    return run.lake.read(table)
