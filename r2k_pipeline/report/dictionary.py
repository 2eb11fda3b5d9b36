"""The data dictionary as Markdown: every table of the contracts with key, rules, columns, units and meanings.

Belongs here: the layout of docs/tables.md, which `python -m r2k_pipeline.report.dictionary > docs/tables.md` writes
anew; with `--schema` the columns alone, as docs/schema/ keeps them of each version. Not here: what tables hold
(contracts/, tables/), comments in the warehouse (warehouse.py).
"""

import sys
from collections.abc import Iterator
from typing import Final

import polars as pl

from r2k_pipeline.contracts.columns import measure_of, sql_type_of
from r2k_pipeline.contracts.table import LAYERS, PUBLISHED_LAYERS, Table
from r2k_pipeline.tables import TABLES
from r2k_pipeline.vendors import in_full

LAYER_NOTES: Final = {
    "reference": "What configuration and calendars say, upstream of everything. In the lake only.",
    "raw": "Facts: what a vendor said and when we learned it. Append-only. In the lake only.",
    "staging": "The facts as known at `as_of`, one row per key.",
    "features": "Indicators, crosses, pivots, profiles, levels: computed from staging alone.",
    "marts": "What analysts, SQL users and BI tools read.",
    "meta": "About the data itself: what was published, fetched and refused, and what columns mean.",
}
"""What each layer is."""
INTRODUCTION: Final = """# Tables

Generated from the contracts by `python -m r2k_pipeline.report.dictionary > docs/tables.md`: edit the
contracts, not this. The same texts are comments in the warehouse (`select * from duckdb_columns()`) and rows of
`meta.column_dictionary`. Keys are **bold**. Null means not known or not defined, never 0; a column that may be
null says so. Instants are UTC. An additive measure may be summed over the keys of one market and report type, a
semi-additive one over trader groups but not over time, any other never; of vintages, those that stand at one moment."""


def build_schema() -> str:
    """The published tables and columns as CSV, a column each: what docs/schema/VERSION.csv keeps of a release."""
    rows = [
        (table.dotted(), name, sql_type_of(column), column.primary_key, column.nullable, table.units()[name])
        for _, table in sorted(TABLES.items())
        if table.layer in PUBLISHED_LAYERS
        for name, column in table.columns().items()
    ]
    columns = ["table", "column", "type", "is_key", "is_nullable", "unit"]
    return pl.DataFrame(rows, columns, orient="row").write_csv()


def build_dictionary() -> str:
    """The whole page; ends with a newline."""
    parts = [INTRODUCTION, "## Whose data", "\n".join(f"- {paragraph}" for paragraph in in_full(is_sample=False))]
    for layer in LAYERS:
        parts += [f"## {layer}", LAYER_NOTES[layer]]
        parts += [_section(table) for name, table in sorted(TABLES.items()) if table.layer == layer]
    return "\n\n".join(parts) + "\n"


def _section(table: type[Table]) -> str:
    rules = [f"`{rule}`" for rule in table._schema_validation_rules() if rule != "primary_key"]
    lines = [f"### {table.dotted()}", "", table.description()]
    lines += ["", f"Every row holds: {', '.join(rules)}."] if rules else []
    return "\n".join([*lines, "", "| column | type | unit | meaning |", "|---|---|---|---|", *_rows(table)])


def _rows(table: type[Table]) -> Iterator[str]:
    for name, column in table.columns().items():
        label = f"**{name}**" if column.primary_key else name
        sql_type = sql_type_of(column) + (", may be null" if column.nullable else "")
        adds = measure_of(column).replace("_", "-")
        unit = table.units()[name] + (f"; {adds}" if adds in ("additive", "semi-additive") else "")
        cells = (label, sql_type, unit, column.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(build_schema() if "--schema" in sys.argv else build_dictionary(), end="")
