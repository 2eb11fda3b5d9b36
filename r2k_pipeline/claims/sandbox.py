"""The sandbox of a claim's SQL: one SELECT over what was known at a moment, bounded in time, memory and rows.

Belongs here: the requests that it answers. Not here: its process (process.py, worker.py), which SQL is permitted
(permitted.py), which rows were known (known_views.py), verdicts (verdicts.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.claims import worker
from r2k_pipeline.claims.known_views import READABLE, SOURCES, known_views
from r2k_pipeline.claims.process import BoundedProcess, StartError
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.worker import InProcess, Request, Setup
from r2k_pipeline.errors import QueryError, R2kError
from r2k_pipeline.folders import Folders
from r2k_pipeline.holes import QUERY, End, ends_of
from r2k_pipeline.quoting import literal, parquet, pattern
from r2k_pipeline.sql_syntax import SYNTAX, nodes_in

SECONDS: Final = 10.0


class SandboxError(ValueError):
    """A claim's SQL was refused, failed or was stopped; the message gives the reason."""


class Sandbox:
    """A locked-down DuckDB that shows rows as known; every query names the moment.

    Every method raises SandboxError where there is no answer, R2kError where the tables cannot be read.
    """

    def __init__(self, start: Callable[[], BoundedProcess | InProcess], tables: KnownTables, lake: Folders) -> None:
        self._start, self.tables, self._lake = start, tables, lake
        self._bars: dict[tuple[str, datetime], pl.DataFrame] = {}

    @cached_property
    def process(self) -> BoundedProcess | InProcess:
        """The process for the SQL of claims, started at the first query: a note without SQL needs none."""
        return self._start()

    def close(self) -> None:
        """End the process, if it was started, and close the tables."""
        if "process" in self.__dict__:
            self.process.close()
        self.tables.close()

    @classmethod
    @contextmanager
    def over_files(
        cls, files: Mapping[str, Sequence[Path]], seconds: float = SECONDS, *, is_shipped: bool = False
    ) -> Iterator["Sandbox"]:
        """A sandbox over the Parquet `files` of every table in SOURCES; `is_shipped`: it asks only SQL of our own."""
        relations = {name: parquet(files[name]) for name in SOURCES}
        # Both path and pattern: if they differ, DuckDB matches the pattern before it opens the path.
        paths = {path for name in SOURCES for file in files[name] for path in (str(file), pattern(file))}
        allowed = ", ".join(map(literal, sorted(paths)))
        setup = _setup([f"set allowed_paths = [{allowed}]"], relations, seconds)
        tables, lake = KnownTables.over_files(files), Folders.around(files[SOURCES[0]][0])
        with closing(cls(lambda: _started(setup, is_shipped=is_shipped), tables, lake)) as sandbox:
            yield sandbox

    @classmethod
    @contextmanager
    def over_warehouse(cls, warehouse: Path, connection: duckdb.DuckDBPyConnection) -> Iterator["Sandbox"]:
        """A sandbox over the published file, which `connection` reads too. Raises R2kError where there is none."""
        lake = Folders.around(warehouse)
        if not warehouse.exists():
            raise R2kError(warehouse, "no warehouse yet", lake.run)
        relations = {name: f"published.{name}" for name in SOURCES}
        warehouse = warehouse.resolve()  # once, because a publication may move the link while DuckDB opens the file
        setup = _setup([f"attach {literal(warehouse)} as published (read_only)"], relations, SECONDS)
        with closing(cls(lambda: _started(setup, is_shipped=False), KnownTables(lambda: connection), lake)) as sandbox:
            yield sandbox

    def rows(self, query: str, parameters: Mapping[str, Any], known: datetime) -> pl.DataFrame:
        """The rows of one SELECT over READABLE as they were known at `known`, worker.MOST_ROWS at most."""
        return self._ask(Request(query, parameters, known, READABLE))

    def bars(self, market: str, known: datetime) -> pl.DataFrame:
        """A market's bars as known at `known`, for named checks: staging.market_bars by session."""
        if (market, known) not in self._bars:
            query = "select * from staging.market_bars where market = $market order by session_date"
            self._bars[market, known] = self._ask(Request(query, {"market": market}, known))
        bars = self._bars[market, known]
        if bars.is_empty():
            raise SandboxError(f"no bars of market {market!r} were known at {known:%Y-%m-%d %H:%M} UTC")
        return bars

    def ends(self, known: datetime) -> tuple[End, ...]:
        """The ends and holes of the data that was known at `known`."""
        return ends_of(self._ask(Request(QUERY, {"moment": known}, known)).to_dicts())

    def nodes(self, query: str) -> list[dict[str, Any]]:
        """The nodes of a query's syntax, as nodes_in gives them; none where it is no SELECT."""
        serialized = self._ask(Request(SYNTAX, {"text": query}, None)).item()
        try:
            return nodes_in(serialized)
        except (ValueError, RecursionError):
            return []

    def truths(self, condition: str, evidence: pl.DataFrame, parameters: Mapping[str, Any] | None = None) -> pl.Series:
        """A condition's value for each row of `evidence`: true, false or null."""
        sink = BytesIO()
        evidence.write_ipc_stream(sink, compat_level=pl.CompatLevel.oldest())
        query = f"select (\n{condition}\n) as holds_when from evidence"
        truth = self._ask(Request(query, parameters or {}, None, ("evidence",), sink.getvalue())).get_columns()
        if len(truth) != 1 or truth[0].dtype not in (pl.Boolean, pl.Null):
            raise SandboxError(
                f"holds_when gives {', '.join(str(column.dtype) for column in truth)}, not true or false"
            )
        if len(truth[0]) != evidence.height:
            raise SandboxError(
                f"holds_when gives {len(truth[0])} answers on {evidence.height} rows: give one condition"
            )
        return truth[0].cast(pl.Boolean)

    def _ask(self, request: Request) -> pl.DataFrame:
        try:
            return pl.read_ipc_stream(self.process.ask(request))
        except QueryError as error:
            raise SandboxError(str(error)) from error
        except StartError as error:
            raise R2kError("claims cannot read the published tables", error, self._lake.run) from error


def _setup(statements: Sequence[str], relations: Mapping[str, str], seconds: float) -> Setup:
    return Setup((*statements, "set variable known = null::timestamptz", *known_views(relations)), seconds)


def _started(setup: Setup, *, is_shipped: bool) -> BoundedProcess | InProcess:
    if is_shipped:
        return InProcess(setup)
    process = BoundedProcess(worker.__name__)
    process.setup = setup
    return process
