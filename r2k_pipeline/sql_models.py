"""SQL models: a `.sql` file is a table; its path is its name, its FROM clauses are its upstreams.

Belongs here: reading, parsing and running one SELECT over upstream Parquet in a DuckDB of its own.
Not here: where Parquet lives (lake.py), publishing (warehouse.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import sqlglot
from sqlglot import exp

from r2k_pipeline.contracts.table import LAYERS

BY_MARKET: Final = "-- by: market"
"""The header line of a model whose rows need those of their own market alone."""
TEXT_AS_POLARS: Final = {"produce_arrow_string_view": "true", "arrow_output_version": "1.4"}
"""Settings by which DuckDB hands text over in the layout that Polars keeps it in: it would be copied otherwise."""


@dataclass(frozen=True)
class SqlModel:
    """One SELECT: `name` is `layer.table`, `query` its text, `comment` the leading why."""

    name: str
    query: str

    @cached_property
    def upstreams(self) -> tuple[str, ...]:
        """The lake tables it reads, sorted, as `layer.table`."""
        tables = sqlglot.parse_one(self.query, dialect="duckdb").find_all(exp.Table)
        return tuple(sorted({f"{table.db}.{table.name}" for table in tables if table.db in LAYERS}))

    @cached_property
    def reads_as_of(self) -> bool:
        """Whether it asks for the moment of knowledge, which is that of the latest fetch unless a user says."""
        return "getvariable('as_of')" in self.query

    @cached_property
    def is_by_market(self) -> bool:
        """Whether its header says that no row needs another market's, so that it may run on a few markets at a time."""
        return BY_MARKET in self.query.splitlines()

    @cached_property
    def comment(self) -> str:
        """The leading comment: why the model is as it is."""
        lines = self.query.splitlines()
        head = lines[: next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))]
        return " ".join(line.removeprefix("--").strip() for line in head if line != BY_MARKET)


def read_models(folder: Path) -> tuple[SqlModel, ...]:
    """Every model below `folder`: `folder/layer/table.sql` is `layer.table`."""
    return tuple(
        SqlModel(f"{file.parent.name}.{file.stem}", file.read_text("utf-8")) for file in sorted(folder.glob("*/*.sql"))
    )


def run_model(
    model: SqlModel,
    files: Mapping[str, list[Path]],
    variables: Mapping[str, Any],
    *,
    memory_limit: str,
    empty: Mapping[str, pl.DataFrame] | None = None,
    markets: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of `model` over the Parquet `files` of its upstreams; `variables` reach it by getvariable.

    An upstream without files stands in as the frame in `empty`. Given `markets`, only their rows are read, of the
    upstreams that have a market. Raises duckdb.Error with the model's name.
    """
    with duckdb.connect(config={"memory_limit": memory_limit, **TEXT_AS_POLARS}) as connection:
        for name, value in variables.items():
            connection.execute(f"set variable {name} = ?", [value])
        try:
            for upstream in model.upstreams:
                connection.execute(f"create schema if not exists {upstream.split('.')[0]}")
                if files[upstream]:
                    names = ", ".join(_quoted(str(file)) for file in files[upstream])
                    has_market = markets is not None and "market" in pl.read_parquet_schema(files[upstream][0])
                    rows_of = f"where market in ({', '.join(map(_quoted, markets or ()))})" if has_market else ""
                    connection.execute(f"create view {upstream} as from read_parquet([{names}]) {rows_of}")
                else:
                    connection.register("absent", (empty or {})[upstream].to_arrow())
                    connection.execute(f"create table {upstream} as from absent")
            rows: pl.DataFrame = connection.sql(model.query).pl()
            return rows
        except duckdb.Error as error:
            raise type(error)(f"sql model {model.name}: {error}") from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
