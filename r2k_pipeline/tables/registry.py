"""Every derived table with its model: SQL by file, the others by their builder.

Belongs here: what both kinds have in common for who builds and shows them. Not here: the tables, who reads the lake for
them (inputs.py), what Dagster makes of a table (orchestration/assets.py).
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import SqlModel, read_models
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.builders import BUILDERS, Builder
from r2k_pipeline.tables.findings import findings_model, read_checks

SQL: Final = shipped("sql")


@dataclass(frozen=True)
class DerivedTable:
    """One table: its contract, and the query or the function that makes it."""

    table: type[Table]
    made: SqlModel | Builder

    @property
    def values(self) -> tuple[str, ...]:
        """Its inputs beside tables, by name; `as_of` is the moment by which its rows were known."""
        return self.made.variables if isinstance(self.made, SqlModel) else self.made.values

    @property
    def needs_moment(self) -> bool:
        """Whether it can be made only after the run's moment is fixed: it reads that, or bars as known, or grows."""
        by_bars = isinstance(self.made, Builder) and self.made.reads_bars
        return by_bars or "as_of" in self.values or self.table.grows

    @cached_property
    def upstreams(self) -> tuple[str, ...]:
        """The tables that it is made from, sorted. SQL with `as_of` needs the fetch log, which gives the moment."""
        if isinstance(self.made, Builder):
            return tuple(table.dotted() for table in self.made.upstreams)
        return tuple(sorted({*self.made.upstreams, *([FetchLog.dotted()] if "as_of" in self.values else [])}))

    @property
    def kind(self) -> str:
        """What makes it."""
        return "duckdb" if isinstance(self.made, SqlModel) else "polars"

    @property
    def why(self) -> str:
        """The comment of its query, or the docstring of its function."""
        return self.made.comment if isinstance(self.made, SqlModel) else self.made.function.__doc__ or ""


@cache
def derived_tables() -> tuple[DerivedTable, ...]:
    """All of them, by name: reference, staging, features, marts, meta (but for what publishing itself writes)."""
    models = [model for model in read_models(SQL) if model.name in TABLES]
    models.append(findings_model(read_checks(SQL / "checks")))
    of_models = (DerivedTable(TABLES[model.name], model) for model in models)
    of_builders = (DerivedTable(table, builder) for table, builder in BUILDERS.items())
    return tuple(sorted((*of_models, *of_builders), key=lambda derived: derived.table.dotted()))
