"""What must hold of a lake after a run was killed or failed, and after the clean run that follows.

Belongs here: the promises, as lists of complaints. Not here: how a lake came to be so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from r2k_pipeline.contracts.meta import FetchLog, RefusedRows
from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.raw_check import FETCHED
from r2k_pipeline.raw_folder import JOURNAL
from r2k_pipeline.warehouse import open_warehouse
from tests.lived.generation_rows import Tables, differences, published_tables

RAW = (*FETCHED, RefusedRows)


@dataclass(frozen=True)
class Expected:
    """What an undisturbed lake has after a day: generation, published tables and raw rows, instants to the second.

    A run that follows a killed one has fetched a microsecond later, and a generation's id is made of instants too:
    nothing else may differ. So the ids in the notes are left out.
    """

    generation_id: str
    tables: Tables
    raw: Tables

    @classmethod
    def of(cls, lake: Lake) -> "Expected":
        """What `lake` has."""
        tables = published_tables(lake)
        raw = {table.dotted(): lake.read(table) for table in RAW}
        return cls(tables["meta.generation"]["generation_id"].item(), _to_the_second(tables), _to_the_second(raw))


def _to_the_second(tables: Tables) -> Tables:
    instants, ids = pl.selectors.datetime().dt.truncate("1s"), (pl.lit(None).alias("generation_id"),)
    notes = Notes.dotted()
    return {name: rows.with_columns(instants, *(ids if name == notes else ())) for name, rows in tables.items()}


def reader_complaints(lake: Lake, allowed: Sequence[Expected]) -> list[str]:
    """Whether a reader sees one of the `allowed` generations, whole: in the DuckDB file and in the Parquet beside."""
    try:
        with open_warehouse(lake.warehouse) as connection:
            names = [*map(".".join, connection.sql("select schema_name, table_name from duckdb_tables()").fetchall())]
            counts = {name: connection.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names}
        tables = published_tables(lake)
        heights = {name: rows.height for name, rows in tables.items()}
        found = [] if counts == heights else [f"the DuckDB file has {counts}, the Parquet files {heights}"]
        if counts.get("meta.generation") != 1:
            found.append("meta.generation has not one row")
        seen = _to_the_second(tables)
    except (R2kError, duckdb.Error, pl.exceptions.PolarsError, OSError) as error:
        return [f"a reader fails: {type(error).__name__}: {error}"]
    differs = [differences(seen, expected.tables) for expected in allowed]
    return found if any(not lines for lines in differs) else [*found, *(line for lines in differs for line in lines)]


def settled_complaints(lake: Lake, expected: Expected, keep: int) -> list[str]:
    """After a clean run: content, raw rows, both accounts, nothing left over."""
    return [*reader_complaints(lake, [expected]), *_of_raw(lake, expected), *_left_over(lake, keep)]


def _of_raw(lake: Lake, expected: Expected) -> Iterator[str]:
    yield from map(str, lake.raw_faults())
    if lake.account() != lake.present_account():
        yield "account.json is not what is there"
    for table in RAW:
        key = [name for name in table.column_names() if name != "recorded_at"]
        ours, theirs = _to_the_second({"": lake.read(table)})[""].select(key), expected.raw[table.dotted()].select(key)
        if not ours.sort(key).equals(theirs.sort(key)):
            yield f"{table.dotted()}: {ours.height} rows, an undisturbed lake has {theirs.height}"
    log = lake.read(FetchLog)
    kept = log["rows_written"] + log["rows_quarantined"] + log["rows_identical"] + log["rows_held"]
    if not log["rows_read"].equals(kept):
        yield "rows read are not rows written, refused, identical and held"
    for table in FETCHED:
        rows, counts = lake.read(table), log.filter(table_name=table.dotted())
        counted = counts["rows_written"].sum() + counts["rows_withdrawn"].sum()
        if rows.height != counted:
            yield f"{table.dotted()}: {rows.height} rows, the fetch log counts {counted}"
        if rows.join(counts, left_on="recorded_at", right_on="fetched_at", how="anti").height:
            yield f"{table.dotted()}: rows of a moment that the fetch log does not have"


def _left_over(lake: Lake, keep: int) -> Iterator[str]:
    for stray in [*lake.root.rglob("*.tmp*"), *lake.root.rglob("*.wal"), *lake.root.rglob(JOURNAL)]:
        yield f"{stray}: left over"
    kept = [*lake.generations.iterdir()]
    if len(kept) > keep:
        yield f"{len(kept)} generations are kept, not {keep}"
