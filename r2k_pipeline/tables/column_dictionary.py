"""The dictionary of columns, as a table in the warehouse.

Belongs here: its columns. Not here: the same as a document (report/dictionary.py).
"""

import polars as pl

from r2k_pipeline.contracts.columns import MEASURES, choice, count, dimension, flag, measure_of, sql_type_of, text
from r2k_pipeline.contracts.table import LAYERS, Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds


class ColumnDictionary(Table, layer="meta"):
    """Every column of every published table: unit, meaning, key, nullability."""

    layer_name = choice(LAYERS, "schema", key=True)
    table_name = text("table", key=True)
    column_name = text("column", key=True)
    position = dimension(count(Unit.POSITION, "place in the table, from 1"))
    data_type = text("type in DuckDB")
    unit = text("unit")
    measure = choice(
        MEASURES,
        "what a BI tool may do: group by a dimension; sum an additive measure over any key of one market and report "
        "type, a semi-additive one over trader groups but not over time, a non-additive one never",
    )
    meaning = text("what it is")
    is_key = flag("part of the key")
    is_nullable = flag("may be null: not known or not defined")


@builds(ColumnDictionary)
def column_dictionary(published: tuple[type[Table], ...]) -> pl.DataFrame:
    """One row for each column of the published tables."""
    rows = [
        (
            table.layer,
            table.table,
            name,
            position,
            sql_type_of(column),
            table.units()[name],
            measure_of(column),
            column.description,
            column.primary_key,
            column.nullable,
        )
        for table in published
        for position, (name, column) in enumerate(table.columns().items(), 1)
    ]
    return pl.DataFrame(rows, schema=ColumnDictionary.create_empty().schema, orient="row")
