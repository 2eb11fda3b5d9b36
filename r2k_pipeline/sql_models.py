"""SQL models: a `.sql` file is a table; its path is its name, its FROM clauses are its upstreams.

Belongs here: reading, parsing and running one SELECT over upstream Parquet in a database of its own.
Not here: where Parquet lives (lake.py), publishing (warehouse.py).
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow.parquet as pq

from r2k_pipeline.contracts.clock import as_of_macros
from r2k_pipeline.contracts.table import LAYERS
from r2k_pipeline.errors import R2kError
from r2k_pipeline.quoting import literal, parquet
from r2k_pipeline.sql_syntax import nodes_of

BY_MARKET: Final = "-- by: market"
"""The header line of a model that can run on a few markets at a time: its rows depend only on rows of their own market,
or it asks for the variable MARKETS, by which it limits its rows itself."""
MARKETS: Final = "markets"
TEXT_AS_POLARS: Final = {"produce_arrow_string_view": "true", "arrow_output_version": "1.4"}
"""DuckDB settings for text in Polars's own layout, so that it is not copied."""
_NUMBERS: Final = count()
"""For names of databases."""


@dataclass(frozen=True)
class SqlModel:
    """One SELECT: `name` is `layer.table`, `query` its text, `comment` the leading why.

    Of several, the rows come one under the other: they run one at a time, in the memory of one. `order`: columns by
    which the rows are sorted afterwards; Polars does so without a copy of long text, DuckDB would hold it twice.
    """

    name: str
    query: str
    order: tuple[str, ...] = ()

    @cached_property
    def upstreams(self) -> tuple[str, ...]:
        """The lake tables it reads, sorted, as `layer.table`."""
        tables = (
            node for node in self._nodes if node.get("type") == "BASE_TABLE" and node.get("schema_name") in LAYERS
        )
        return tuple(sorted({f"{table['schema_name']}.{table['table_name']}" for table in tables}))

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The names that it asks for by getvariable, sorted."""
        calls = (node["arguments"] for node in self._nodes if node.get("function_name") == "getvariable")
        return tuple(sorted({argument["expression"]["literal"]["text"] for (argument,) in calls}))

    @cached_property
    def _nodes(self) -> list[dict[str, Any]]:
        return nodes_of(self.query)

    @cached_property
    def is_by_market(self) -> bool:
        """Whether its header allows running it on a few markets at a time."""
        return BY_MARKET in self.query.splitlines()

    @cached_property
    def comment(self) -> str:
        """The model's leading comment, which gives its reason."""
        lines = self.query.splitlines()
        head = lines[: next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))]
        return " ".join(line.removeprefix("--").strip() for line in head if line != BY_MARKET)


def read_models(folder: Path) -> tuple[SqlModel, ...]:
    """Every model below `folder`: `folder/layer/table.sql` is `layer.table`."""
    return tuple(
        SqlModel(f"{file.parent.name}.{file.stem}", file.read_text("utf-8")) for file in sorted(folder.glob("*/*.sql"))
    )


def read_macros(folder: Path, tables: Collection[str]) -> tuple[str, ...]:
    """Statements that create the macros over `tables`: those made from their contracts, then those in `folder`.

    A macro comes after those that it calls, for it is bound when it is created.
    """
    texts = {file.stem: file.read_text("utf-8") for file in sorted(folder.glob("*.sql"))}
    called = {
        name: {other for other in texts if other != name and re.search(rf"\b{other}\(", text)}
        for name, text in texts.items()
    }
    return (*as_of_macros(tables), *(texts[name] for name in TopologicalSorter(called).static_order()))


def run_model(
    model: SqlModel,
    files: Mapping[str, list[Path]],
    variables: Mapping[str, Any],
    *,
    memory_limit: str,
    empty: Mapping[str, pl.DataFrame] | None = None,
    markets: Sequence[str] | None = None,
    threads: int | None = None,
) -> pl.DataFrame:
    """The rows of `model` over the Parquet `files` of its upstreams; `variables` reach it by getvariable.

    The frames in `empty` stand in for upstreams without files. Given `markets`, a model that has a variable of that
    name gets them. For any other model only their rows of upstreams with a market are read, and the market is an ENUM,
    which hashes and sorts faster than text. `threads`: one for each processor unless given. Raises duckdb.Error with
    the model's name, R2kError where a file cannot be read.
    """
    if markets and MARKETS in model.variables:
        variables, markets = {**variables, MARKETS: markets}, None
    with _database(memory_limit, threads, reads_files=any(files.values())) as connection:
        for name, value in variables.items():
            connection.execute(f"set variable {name} = ?", [value])
        try:
            if markets:
                connection.execute(f"create type market_name as enum ({', '.join(map(literal, sorted(markets)))})")
            for upstream in model.upstreams:
                _create_upstream(connection, upstream, files[upstream], (empty or {}).get(upstream), markets)
            selects = connection.extract_statements(model.query)
            rows: pl.DataFrame = pl.concat(connection.sql(select).pl() for select in selects)
            rows = rows.cast({pl.Categorical: pl.String})
            return rows.sort(model.order) if model.order else rows
        except duckdb.IOException as error:
            raise R2kError(f"sql model {model.name}", str(error).splitlines()[0]) from error
        except duckdb.Error as error:
            raise type(error)(f"sql model {model.name}: {error}") from error


def _create_upstream(
    connection: duckdb.DuckDBPyConnection,
    upstream: str,
    files: list[Path],
    empty: pl.DataFrame | None,
    markets: Sequence[str] | None,
) -> None:
    """Create the view of an upstream over its files, or a table of `empty` if it has none.

    A raw file may be older than a column of its contract: `empty` has the column, which is null in that file's rows.
    """
    layer, table = upstream.split(".")
    connection.execute(f"create schema if not exists {layer}")
    if files and layer != "raw":
        connection.execute(f"create view {upstream} as {_rows_of(files, markets)}")
        return
    assert empty is not None, f"{upstream} has no files, and no frame stands in for it"
    connection.register("absent", empty.to_arrow())
    if files:
        connection.execute(f"create table {table}_columns as from absent limit 0")
        connection.execute(f"create view {upstream} as from {table}_columns union all by name {_rows_of(files, None)}")
    else:
        connection.execute(f"create table {upstream} as from absent")


@contextmanager
def _database(memory_limit: str, threads: int | None, *, reads_files: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database: with `threads` in a DuckDB of its own, else in that of the models that run alone."""
    if threads:
        with _duckdb(memory_limit, threads, reads_files=reads_files) as connection:
            yield connection
        return
    with _shared_duckdb(memory_limit, reads_files=reads_files).cursor() as connection:
        name = f"model_{next(_NUMBERS)}"
        connection.execute(f"attach ':memory:' as {name}; use {name}")
        try:
            yield connection
        finally:
            connection.execute(f"use memory; detach {name}")


def _duckdb(memory_limit: str, threads: int, *, reads_files: bool) -> duckdb.DuckDBPyConnection:
    limits = {"memory_limit": memory_limit, "threads": str(threads)}
    return duckdb.connect(config={**limits, **TEXT_AS_POLARS, "enable_external_access": str(reads_files).lower()})


@cache
def _shared_duckdb(memory_limit: str, *, reads_files: bool) -> duckdb.DuckDBPyConnection:
    """To start a DuckDB takes 15 ms, as long as a small model; to add a database to it takes 1 ms."""
    return _duckdb(memory_limit, os.cpu_count() or 1, reads_files=reads_files)


def _rows_of(files: list[Path], markets: Sequence[str] | None) -> str:
    """SELECT of all rows of Parquet files or, where they have a market, of those of `markets`."""
    rows = f"from {parquet(files)}"
    if not markets or "market" not in pq.read_schema(files[0]).names:
        return rows
    names = ", ".join(map(literal, markets))
    return f"select * replace (market::market_name as market) {rows} where market in ({names})"
