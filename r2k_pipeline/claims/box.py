"""The box that a claim's SQL runs in: one SELECT over what was known at a moment, bounded in time, memory and rows.

Belongs here: what such SQL may do, and stopping it. Not here: which rows were known (known.py), verdicts (verdicts.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import sqlglot
from sqlglot import exp

from r2k_pipeline.claims.bounds import QueryError, RefusedError, one_select, stopped_after
from r2k_pipeline.claims.known import READABLE, SOURCES, known_views
from r2k_pipeline.lake import LakeError

SECONDS: Final = 10.0
MEMORY: Final = "512MB"
MOST_ROWS: Final = 100
"""Rows of evidence: what a reader can check by eye; a query that needs more should aggregate."""
ROW_SOURCES: Final = (exp.Unnest, exp.GenerateSeries)
"""Functions that may stand in FROM: they make rows of their arguments and read nothing."""

WRITES: Final = (exp.DML, exp.DDL, exp.Command)
"""What a SELECT can hold within it, in a CTE, that is none."""


class BoxError(ValueError):
    """A claim's SQL that may not run, cannot, or was stopped; the message says why."""


class Box:
    """A locked-down DuckDB that shows what was known; every query names the moment."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float = SECONDS) -> None:
        self._connection, self._seconds = connection, seconds

    @classmethod
    @contextmanager
    def over_files(cls, files: Mapping[str, Sequence[Path]], seconds: float = SECONDS) -> Iterator["Box"]:
        """A box over the Parquet `files` of every table in SOURCES."""
        relations = {name: f"read_parquet([{', '.join(map(_quoted, files[name]))}])" for name in SOURCES}
        paths = [_quoted(file) for name in SOURCES for file in files[name]]
        with cls._open([f"set allowed_paths = [{', '.join(paths)}]"], relations, seconds) as box:
            yield box

    @classmethod
    @contextmanager
    def over_warehouse(cls, warehouse: Path, seconds: float = SECONDS) -> Iterator["Box"]:
        """A box over the published file. Raises LakeError where there is none, or none that has these tables."""
        if not warehouse.exists():
            raise LakeError(f"{warehouse}: no warehouse yet; next: r2k run")
        relations = {name: f"published.{name}" for name in SOURCES}
        with cls._open([f"attach {_quoted(warehouse)} as published (read_only)"], relations, seconds) as box:
            yield box

    @classmethod
    @contextmanager
    def _open(cls, setup: Sequence[str], relations: Mapping[str, str], seconds: float) -> Iterator["Box"]:
        """No file but those set up, no network, no extension, no setting, no spill to disk; instants in UTC."""
        config = {"memory_limit": MEMORY, "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        with duckdb.connect(config={**config, "temp_directory": ""}) as connection:
            try:
                for statement in (*setup, "set variable known = null::timestamptz", *known_views(relations)):
                    connection.execute(statement)
            except duckdb.Error as error:
                raise LakeError(f"claims cannot read the published tables: {error}; next: r2k run") from error
            connection.execute("set timezone = 'UTC'; set enable_external_access = false")
            connection.execute("set lock_configuration = true")
            yield cls(connection, seconds)

    def generation(self) -> tuple[str, bool, datetime]:
        """Of a box over a warehouse: the data's label, whether it is the sample, and as of when it was known."""
        row = self._run("select label, is_sample, as_of from published.meta.generation", {}, None).row(0)
        return str(row[0]), bool(row[1]), row[2]

    def rows(self, query: str, parameters: Mapping[str, Any], known: datetime) -> pl.DataFrame:
        """The rows of one SELECT over READABLE as they were known at `known`, MOST_ROWS at most. Raises BoxError."""
        self._refuse(query, READABLE)
        self._bind(query, parameters)
        rows = self._run(f"select * from (\n{query.rstrip().rstrip(';')}\n) limit {MOST_ROWS + 1}", parameters, known)
        if rows.height > MOST_ROWS:
            raise BoxError(f"gives more than {MOST_ROWS} rows: aggregate, or add a limit")
        return rows

    def bars(self, market: str, known: datetime) -> pl.DataFrame:
        """A market's bars as known at `known`, for named checks: staging.market_bars by session."""
        query = "select * from staging.market_bars where market = $market order by session_date"
        bars = self._run(query, {"market": market}, known)
        if bars.is_empty():
            raise BoxError(f"no bars of market {market!r} were known at {known:%Y-%m-%d %H:%M} UTC")
        return bars

    def truths(self, condition: str, evidence: pl.DataFrame) -> pl.Series:
        """What a condition says of each row of `evidence`. Raises BoxError where that is not true, false or null."""
        query = f"select (\n{condition}\n) as truth from evidence"
        self._refuse(query, ("evidence",))
        self._bind(query, {})
        self._connection.register("evidence", evidence.to_arrow())
        truth = self._run(query, {}, None).get_columns()
        if len(truth) != 1 or truth[0].dtype not in (pl.Boolean, pl.Null):
            raise BoxError(f"holds_when gives {', '.join(str(column.dtype) for column in truth)}, not true or false")
        return truth[0].cast(pl.Boolean)

    def _refuse(self, query: str, readable: Sequence[str]) -> None:
        """Raise BoxError for anything but one SELECT over `readable` whose answer depends on them alone."""
        try:
            statements = sqlglot.parse(query, dialect="duckdb")
        except (sqlglot.errors.SqlglotError, RecursionError) as error:
            raise BoxError(f"not SQL: {str(error).splitlines()[0]}") from error
        if len(statements) != 1 or not isinstance(statements[0], exp.Query) or statements[0].find(*WRITES):
            raise BoxError("must be one SELECT and nothing else")
        named = {cte.alias.lower() for cte in statements[0].find_all(exp.CTE)}
        for table in statements[0].find_all(exp.Table):
            if isinstance(table.this, ROW_SOURCES):
                continue
            name = ".".join(filter(None, (table.catalog, table.db, table.name))).lower()
            if not isinstance(table.this, exp.Identifier) or name not in {*readable, *named}:
                raise BoxError(f"must not read {table.sql('duckdb')!r}; there are: {', '.join(readable)}")
        for function in statements[0].find_all(exp.Func):
            names = {function.name} if isinstance(function, exp.Anonymous) else set(function.sql_names())
            if unstable := {name.lower() for name in names} & self._unstable:
                raise BoxError(f"must not call {min(unstable)}: its answer is not a matter of the data")

    def _bind(self, query: str, parameters: Mapping[str, Any]) -> None:
        """Raise BoxError unless DuckDB, too, sees one SELECT, with exactly these parameters."""
        try:
            statement = one_select(self._connection, query)
        except RefusedError as error:
            raise BoxError("must be one SELECT and nothing else") from error
        except QueryError as error:
            raise BoxError(str(error)) from error
        if apart := statement.named_parameters ^ parameters.keys():
            raise BoxError(f"parameters given and parameters used differ: {', '.join(sorted(apart))}")

    def _run(self, query: str, parameters: Mapping[str, Any], known: datetime | None) -> pl.DataFrame:
        self._connection.execute("set variable known = $known::timestamptz", {"known": known})
        try:
            with stopped_after(self._connection, self._seconds):
                rows: pl.DataFrame = self._connection.sql(query, params=dict(parameters)).pl()
                return rows
        except QueryError as error:
            raise BoxError(str(error)) from error

    @cached_property
    def _unstable(self) -> frozenset[str]:
        """Functions whose answer changes from call to call or tells of the machine, by DuckDB's own catalogue."""
        found = self._connection.execute(
            "select distinct function_name from duckdb_functions() where stability <> 'CONSISTENT'"
        )
        return frozenset(name for (name,) in found.fetchall()) | {"current_timestamp", "current_time", "getenv"}


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
