"""The data dictionary as tables of the site: every table of the contracts, every column with unit and meaning.

Belongs here: its layout for the site. Not here: what tables hold (contracts/), docs/tables.md (dictionary.py).
"""

from r2k_pipeline.contracts.columns import sql_type_of
from r2k_pipeline.contracts.table import LAYERS, Table
from r2k_pipeline.report.site.tables import Asked, Column, DataTable, build_table
from r2k_pipeline.tables import TABLES

_OF = "meta.column_dictionary"
_COLUMNS = (
    Column(f"{_OF}.column_name", label="column", verbatim=True),
    Column(f"{_OF}.data_type", label="type", verbatim=True),
    Column(f"{_OF}.unit", verbatim=True),
    Column(f"{_OF}.is_key", label="key", verbatim=True),
    Column(f"{_OF}.is_nullable", label="may be null", verbatim=True),
    Column(f"{_OF}.meaning", verbatim=True),
)


def dictionary() -> tuple[DataTable, ...]:
    """One table for each table of the contracts, by layer and name; `layer.table.column` is a row's id."""
    return tuple(_table(table) for layer in LAYERS for _, table in sorted(TABLES.items()) if table.layer == layer)


def _table(table: type[Table]) -> DataTable:
    rows = [
        {
            "anchor": f"{table.dotted()}.{name}",
            "column_name": name,
            "data_type": sql_type_of(column),
            "unit": table.units()[name],
            "is_key": "key" if column.primary_key else "",
            "is_nullable": "null" if column.nullable else "",
            "meaning": column.description or "",
        }
        for name, column in table.columns().items()
    ]
    asked = Asked(tuple(rows), "")
    return build_table(table.dotted(), table.dotted(), _COLUMNS, asked, row_id="{anchor}", note=table.description())
