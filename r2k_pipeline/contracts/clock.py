"""The one clock: the rows of a table known at a moment, as frames and as SQL, both made from its contract.

Belongs here: which rows and values. Not here: the column that dates a row (each contract names it), callers. Rows are
*known* at a moment if they were known by then; of these, those not superseded or withdrawn by then *stand*.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final, TypeVar

import polars as pl

from r2k_pipeline.contracts.table import AHEAD, DATED_LAYERS, TABLES, Table

ENDS: Final = ("superseded_at", "withdrawn_at")
"""Instants from which a row does not stand any more."""
TOMBSTONE: Final = "is_withdrawn"
"""Flag of a vintage that withdraws its row."""
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def rows_known_at(table: type[Table], rows: Frame, moment: datetime) -> Frame:
    """The `rows` of `table` known by `moment`; columns that became known later are null.

    A dating column that `rows` lack, as they are of an older version, is ignored.
    """
    names = rows.collect_schema().names()
    later = [
        pl.when(pl.col(instant).is_null() | (pl.col(instant) <= moment)).then(column).alias(column)
        for column, instant in table.known_later.items()
        if column in names and instant in names
    ]
    is_known = pl.col(table.known_by) <= moment if table.known_by in names else pl.lit(True)
    return rows.filter(is_known).with_columns(later)


def standing_at(table: type[Table], rows: Frame, moment: datetime) -> Frame:
    """The `rows` of `table` that stood at `moment`: known by then, and neither superseded nor withdrawn by then."""
    known = rows_known_at(table, rows, moment)
    names = known.collect_schema().names()
    ended = [pl.col(name).is_not_null() for name in ENDS if name in names]
    gone = [pl.col(TOMBSTONE)] if TOMBSTONE in names else []
    return known.filter(~pl.any_horizontal(pl.lit(False), *ended, *gone))


def select_known(table: type[Table], relation: str, moment: str) -> str:
    """`rows_known_at` as SQL: `relation` has rows of `table`, `moment` is an expression of type timestamptz.

    For a calendar also the rows that are known in advance.
    """
    known = f" where {table.known_by} <= {moment}" if table.known_by else ""
    if table.looks_ahead:
        known = f" where {table.looks_ahead} <= ({moment} + interval {AHEAD.days} days)::date"
    return f"select {_as_they_were(table, moment)} from {relation}{known}"


def select_standing(table: type[Table], relation: str, moment: str) -> str:
    """`standing_at` as SQL; where `table` has what stands of another one, `relation` has that one's rows."""
    vintages = TABLES[table.stands_of] if table.stands_of else table
    names = vintages.column_names()
    stands = [f"({name} is null or {name} > {moment})" for name in ENDS if name in names]
    stands += [f"not {TOMBSTONE}"] if TOMBSTONE in names else []
    columns = _as_they_were(vintages, moment, table.column_names() if table is not vintages else ())
    return f"select {columns} from {relation} where {' and '.join([f'{vintages.known_by} <= {moment}', *stands])}"


def select_cut(table: type[Table], relation: str, moment: str) -> str:
    """A published table at a moment, as SQL: the rows that stood if it keeps only those, else all known by then."""
    return (select_standing if table.stands_of else select_known)(table, relation, moment)


def as_of_macros(names: Collection[str]) -> Iterator[str]:
    """Statements that create, for every dated table, the macro `NAME_as_of(ts)`: the rows that stood at `ts`.

    `names`: the tables that are there, as `layer.name`.
    """
    for name, table in TABLES.items():
        is_dated = table.layer in DATED_LAYERS and (table.known_by or table.stands_of) and not table.looks_ahead
        if is_dated and (table.stands_of or name) in names:
            rows = select_standing(table, table.stands_of or name, "ts::timestamptz")
            yield f"create macro {table.table}_as_of(ts) as table {rows}"


def _as_they_were(table: type[Table], moment: str, names: Collection[str] = ()) -> str:
    """The columns `names` or all of a table's rows, null where they were known later than at `moment`."""
    later = {
        name: f"case when {instant} <= {moment} then {name} end as {name}"
        for name, instant in table.known_later.items()
    }
    if names or later:  # not `* replace (...)`: DuckDB 1.0 does not put a macro's argument into that
        return ", ".join(later.get(name, name) for name in names or table.column_names())
    return "*"
