"""Queries on the published warehouse, and their rows as table, CSV or JSON.

Belongs here: running one read-only query and printing its rows. Not here: what is in the warehouse.
"""

import io
import json
from pathlib import Path

import duckdb
import polars as pl

from r2k_pipeline.lake import LakeError
from r2k_pipeline.warehouse import open_warehouse


def run_query(warehouse: Path, query: str, output: str, memory_limit: str) -> str:
    """The rows of one query as `table`, `csv` or `json`. Raises LakeError with DuckDB's message."""
    with open_warehouse(warehouse, memory_limit) as connection:
        try:
            rows = connection.sql(query).pl()
        except duckdb.Error as error:
            raise LakeError(f"query: {error}") from error
    return render(rows, output)


def render(rows: pl.DataFrame, output: str) -> str:
    """Rows as text."""
    match output:
        case "csv":
            buffer = io.BytesIO()
            rows.write_csv(buffer)
            return buffer.getvalue().decode().rstrip("\n")
        case "json":
            return json.dumps(rows.to_dicts(), indent=2, default=str)
        case _:
            with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
                return str(rows)
