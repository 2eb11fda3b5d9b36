"""A snapshot: one published generation as it was known at one moment, on one locked connection; no rebuild.

Belongs here: cutting a generation by views, tables that sum up its rows at the moment. Not here: which rows a moment
has (contracts/clock.py), how the file is opened (warehouse.py), what readers say (report/, claims/).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.contracts.clock import select_cut
from r2k_pipeline.contracts.marts import Markets, TraderGroups
from r2k_pipeline.contracts.meta import Fetches, Generation
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.folders import Folders
from r2k_pipeline.generations import lake_as_of
from r2k_pipeline.lake import Lake
from r2k_pipeline.locked import PUBLISHED, Cut
from r2k_pipeline.quoting import literal
from r2k_pipeline.settings import Settings
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.builders import BUILDERS, Input
from r2k_pipeline.tables.column_dictionary import ColumnDictionary
from r2k_pipeline.tables.forms import Form
from r2k_pipeline.tables.level_outcomes import LevelOutcomes
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from r2k_pipeline.transforms.epochs import as_first_known
from r2k_pipeline.transforms.setups import read_setups
from r2k_pipeline.warehouse import open_warehouse

TIMELESS: Final[tuple[type[Table], ...]] = (Markets, TraderGroups, ColumnDictionary)
"""Configuration and dictionaries: the same at every moment."""
WHOLE: Final = Cut(datetime.max.replace(tzinfo=UTC), ())
"""No cut. The file is attached all the same, so that other code in this process may open it too."""
NOT_KEPT: Final[Mapping[type[Table], str]] = {
    Fetches: "meta.fetches has the latest attempts alone and is empty at a past moment; next: r2k run --as-of MOMENT"
}
"""Tables without a past, which are empty at a past moment, and the reason."""


@dataclass(frozen=True)
class Snapshot:
    """`file` is the DuckDB file that is open, in `lake`; `generation` its row of meta.generation, as it was published.

    `moment`: everything in it was known by then. `is_past`: the generation also has later data.
    """

    file: Path
    connection: duckdb.DuckDBPyConnection
    generation: Mapping[str, Any]
    moment: datetime
    is_past: bool
    lake: Folders
    _summed: set[type[Table]] = field(default_factory=set)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(self, *_error: object) -> None:
        self.connection.close()

    def ask(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """The rows of one SELECT; summaries that it names are computed first. Raises duckdb.Error."""
        for table in summaries_in(query) if self.is_past else ():
            self._sum_up(table)
        return self.connection.sql(query, params=parameters or None)

    def read(self, table: type[Table], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows of a table, `columns` or all of the contract in its order."""
        rows: pl.DataFrame = self.ask(f"select {', '.join(columns or table.column_names())} from {table.dotted()}").pl()
        return rows

    def _sum_up(self, table: type[Table]) -> None:
        """Compute a summary table at a past moment, once."""
        if table in self._summed:
            return
        builder = BUILDERS[table]
        given = {each.name: _given(self, each) for each in builder.given}
        rows = table.validate(builder.rows(given | {"setups": read_setups()}), cast=True)
        self.connection.register("summary", rows.to_arrow())
        self.connection.execute(f"insert into {table.dotted()} by name from summary")
        self.connection.unregister("summary")
        self._summed.add(table)


def as_stream(rows: pl.DataFrame) -> bytes:
    """Rows as an Arrow stream, for another process."""
    sink = BytesIO()
    rows.write_ipc_stream(sink, compat_level=pl.CompatLevel.oldest())
    return sink.getvalue()


def _given(snapshot: Snapshot, wanted: Input) -> pl.DataFrame:
    """An input of a summary, in its form, as it was at the moment."""
    assert wanted.table is not None
    rows = snapshot.read(wanted.table, wanted.columns)
    return as_first_known(rows) if wanted.form is Form.FIRST_KNOWN else rows


SUMMARIES: Final[tuple[type[Table], ...]] = (LevelOutcomes, SetupOutcomes)
"""Tables that sum up all of history; at a past moment they are computed from its rows on demand."""


def summaries_in(query: str) -> list[type[Table]]:
    """The summaries that a query names."""
    return [table for table in SUMMARIES if table.table in query.lower()]


def cut_at(moment: datetime) -> Cut:
    """The cut that removes what was known after `moment` from a published generation."""
    tables = [table for table in TABLES.values() if table.layer in PUBLISHED_LAYERS]
    at = literal(moment)
    schemas = (f"create schema {layer}" for layer in PUBLISHED_LAYERS)
    return Cut(moment, (*schemas, *(_cut(table, at) for table in tables)))


def _cut(table: type[Table], moment: str) -> str:
    """The statement that makes a table of the generation one of the moment. Raises TypeError for one with no rule."""
    name, published = table.dotted(), f"{PUBLISHED}.{table.stands_of or table.dotted()}"
    if table is Generation:
        return f"create view {name} as select * replace ({moment} as as_of) from {published}"
    if table in SUMMARIES:
        return f"create table {name} as from {published} limit 0"
    if table in NOT_KEPT:
        return f"create view {name} as from {published} where false"
    if table.stands_of or table.known_by or table in TIMELESS:
        return f"create view {name} as {select_cut(table, published, moment)}"
    raise TypeError(f"{name}: nothing says what it is at a past moment; next: known_by, or a list of snapshot.py")


def open_snapshot(lake: Lake, as_of: datetime | None = None, memory_limit: str = "1GB") -> Snapshot:
    """The published generation of `lake` at `as_of` (default: uncut). The caller must close it.

    Raises R2kError where nothing was published yet, or by another version.
    """
    return snapshot_over(lake.warehouse, as_of, memory_limit)


def snapshot_over(warehouse: Path, as_of: datetime | None = None, memory_limit: str = "1GB") -> Snapshot:
    """The generation in the DuckDB file `warehouse`, as open_snapshot; it may be one that is not published yet."""
    file = warehouse.resolve()
    with of_this_version(warehouse):
        connection = open_warehouse(warehouse, memory_limit, cut_at(as_of) if as_of else WHOLE)
        try:
            (published,) = connection.sql(f"from {PUBLISHED}.{Generation.dotted()}").pl().to_dicts()
        except (duckdb.Error, ValueError):
            connection.close()
            raise
    moment: datetime = min(as_of or published["as_of"], published["as_of"])
    return Snapshot(file, connection, published, moment, moment < published["as_of"], Folders.around(warehouse))


def snapshot_of(settings: Settings) -> Snapshot:
    """The snapshot that the settings ask for. Raises R2kError."""
    lake = lake_as_of(settings.lake, settings.source, settings.as_of)
    return open_snapshot(lake, settings.as_of, settings.memory_limit)


@contextmanager
def of_this_version(warehouse: Path) -> Iterator[None]:
    """A context for our own queries on `warehouse`. Raises R2kError for a missing table or column, and for damage."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        reason = str(error).splitlines()[0]
        raise R2kError(warehouse, f"published by another version: {reason}", Folders.around(warehouse).run) from error
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise R2kError(warehouse, f"cannot be read: {reason}", Folders.around(warehouse).run) from error


@contextmanager
def reading(lake: Lake, as_of: datetime | None = None, memory_limit: str = "1GB") -> Iterator[Snapshot]:
    """A snapshot for our own queries, closed at the end. Raises R2kError, also for what another version published."""
    with of_this_version(lake.warehouse), open_snapshot(lake, as_of, memory_limit) as snapshot:
        yield snapshot


def reading_of(settings: Settings) -> AbstractContextManager[Snapshot]:
    """The snapshot that the settings ask for, as `reading`."""
    lake = lake_as_of(settings.lake, settings.source, settings.as_of)
    return reading(lake, settings.as_of, settings.memory_limit)
