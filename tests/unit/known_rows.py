"""Rows of builders as a replay dates them where no bar came late or was corrected: known at the close of their day.

Belongs here: when a row is known, that nothing is withdrawn, the contract's order. Not here: what a builder computes.
"""

from datetime import time, timedelta

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.transforms.replay import built_columns

UTC_TIME = pl.Datetime("us", "UTC")


def close_at(day: str = "session_date") -> pl.Expr:
    """21:00 UTC of a day: when the bars of these tests are known."""
    return pl.col(day).cast(pl.Date).dt.combine(time()).dt.replace_time_zone("UTC").cast(UTC_TIME) + timedelta(hours=21)


def known_at_close(table: type[Table], rows: pl.DataFrame, dated: str = "session_date") -> pl.DataFrame:
    """The rows of a builder, which have all columns but those that the replay adds, known at the close of their day."""
    assert set(rows.columns) == set(built_columns(table))
    never = {"withdrawn_date": pl.lit(None, pl.Date), "withdrawn_at": pl.lit(None, UTC_TIME)}
    return rows.with_columns(known_at=close_at(dated), **never).select(table.column_names())


def assert_fits(table: type[Table], rows: pl.DataFrame, dated: str = "session_date") -> None:
    """The rows of a builder, known at the close, keep the contract."""
    assert table.filter(known_at_close(table, rows, dated))[1].counts() == {}
