"""Small warehouses for publishing tests: every published table, every type, the values that are lost most easily.

Belongs here: their rows, through the real publication of the file. Not here: PostgreSQL.
"""

import math
import os
import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.lake import Lake
from r2k_pipeline.postgresql.tables import LAYERS
from r2k_pipeline.tables import TABLES
from r2k_pipeline.warehouse import publish_warehouse
from tests.unit.published import HOMES

PUBLISHED: Final = [table for table in TABLES.values() if table.layer in LAYERS]
MOMENT: Final = datetime(2025, 3, 14, 22, tzinfo=UTC)
VALUES: Final[dict[pl.DataType | type[pl.DataType], list[Any]]] = {
    pl.String: ["", "plain", 'it\'s "quoted"', "tab\tline\nback\\slash", "naïve Ω 株 🦔", "\\N", "null"],
    pl.Float64: [0.0, -0.0, 0.1 + 0.2, 5e-324, -1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e15 + 0.3],
    pl.Int64: [0, -1, 2**63 - 1, -(2**63), 2**53 + 1],
    pl.Boolean: [True, False],
    pl.Date: [date(2025, 3, 14), date(1986, 1, 15), date(9999, 12, 31), date(1, 1, 1), date(2024, 2, 29)],
    pl.Datetime("us", "UTC"): [MOMENT, MOMENT + timedelta(microseconds=1), datetime(1986, 1, 15, 21, tzinfo=UTC)],
}


HEIGHTS: Final = {"a": 24, "b": 31}
"""Rows of every table in each of two generations; texts that are free to vary are the generation's name."""
COUNTED: Final = [table.table for table in PUBLISHED if table.table != "generation"]
ONE_STATEMENT: Final = (
    "select (select generation_id from r2k.generation), "
    + ", ".join(f"(select count(*) from r2k.{name})" for name in COUNTED)
    + ", (select string_agg(distinct marked, ',') from (select contract_codes as marked from r2k.weekly_positioning"
    + " union select name from r2k.markets union select evidence from r2k.findings) as texts)"
)


def is_whole(row: tuple[Any, ...]) -> bool:
    """Whether all that one statement saw is of one generation."""
    mark, *counts, marks = row
    return marks == mark and set(counts) == {HEIGHTS[mark]}


def rows_of_every_kind(table: type[Table], height: int, mark: str) -> pl.DataFrame:
    """`height` rows: distinct keys, else the awkward values of each type, nulls where allowed; `mark` in texts."""
    columns = {}
    for place, (name, column) in enumerate(table.columns().items()):
        dtype = column.dtype
        if column.primary_key:
            values = [_key(dtype, row) for row in range(height)]
        else:
            # A text that is free to vary tells which generation its row is of.
            pool = [mark] if dtype == pl.String and not column.nullable else VALUES[dtype]
            pool = [*pool, None] if column.nullable else pool
            values = [pool[(row + place) % len(pool)] for row in range(height)]
        columns[name] = pl.Series(name, values, dtype)
    return pl.DataFrame(columns)


def _key(dtype: pl.DataType, row: int) -> Any:
    kinds: dict[pl.DataType | type[pl.DataType], Any] = {
        pl.String: f"ключ '{row}'",
        pl.Int64: row - 1,
        pl.Date: date(1990, 1, 1) + timedelta(days=row),
        pl.Datetime("us", "UTC"): MOMENT + timedelta(microseconds=row),
        pl.Float64: row / 3,
    }
    return kinds[dtype]


def build_lake(
    folder: Path,
    mark: str = "a",
    *,
    height: int = 24,
    source: str = "files",
    as_of: datetime = MOMENT,
    published_at: datetime = MOMENT,
    more: dict[type[Table], pl.DataFrame] | None = None,
) -> Lake:
    """A lake whose warehouse holds every published table: `height` rows each, or those of `more`."""
    if more:
        return _build(folder, mark, height, source, as_of, published_at, more)
    shutil.copytree(_built(mark, height, source, as_of, published_at), folder, dirs_exist_ok=True)
    return Lake.of(folder, source)


@cache
def _built(*lake: Any) -> Path:
    """The folder of a lake that many tests want, built once a process; each gets a copy."""
    folder = Path(tempfile.mkdtemp(prefix="of_every_kind_", dir=os.environ.get(HOMES)))
    _build(folder, *lake, more={})
    return folder


def _build(
    folder: Path,
    mark: str,
    height: int,
    source: str,
    as_of: datetime,
    published_at: datetime,
    more: dict[type[Table], pl.DataFrame],
) -> Lake:
    lake = Lake.of(folder, source)
    folder.mkdir(exist_ok=True)
    label = "SAMPLE: synthetic data, not a market" if source == "sample" else source
    generation = rows_of_every_kind(Generation, 1, mark).with_columns(
        pl.lit(mark).alias("generation_id"),
        pl.lit(label).alias("label"),
        pl.lit(source).alias("source"),
        pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of"),
        pl.lit(published_at).cast(pl.Datetime("us", "UTC")).alias("published_at"),
    )
    frames = {table: rows_of_every_kind(table, height, mark) for table in PUBLISHED}
    frames |= {Generation: generation, **more}
    files = {}
    for table, frame in frames.items():
        files[table] = [folder / f"{table.dotted()}.parquet"]
        frame.write_parquet(files[table][0])
    publish_warehouse(lake.warehouse, files, (), "1GB")
    return lake
