"""Makes the dashboard of this folder a file that Superset imports, and keeps its datasets' columns as contracts say.

Belongs here: what Superset's own export leaves open: the URI of the warehouse, the schema's name in PostgreSQL, and
the columns' descriptions. Not here: charts, metrics, layout (the YAML files), the server's settings.
"""

import argparse
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from r2k_pipeline.contracts.columns import measure_of, sql_type_of
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables import TABLES

FOLDER: Final = Path(__file__).resolve().parent
READ_ONLY: Final = "access_mode=read_only&enable_external_access=false&lock_configuration=true"
"""The file is opened for reading, SQL reaches no other file, and nobody can set these back."""
POSTGRESQL_SCHEMA: Final = "r2k"
"""Where `r2k publish` puts marts and meta."""
POSTGRESQL_SESSION: Final = {"options": "-c timezone=UTC -c default_transaction_read_only=on"}
"""Superset writes the bounds of a time filter without a zone; and whatever the role may do, Superset only reads."""
SUPERSET_TYPES: Final = {"timestamptz": "TIMESTAMP WITH TIME ZONE"}
"""What Superset calls a type where it is not the warehouse's name in capitals."""
COLUMNS: Final = "\ncolumns:\n"
"""The last key of a dataset's file: all below it is written by `columns`."""


def warehouse_uri(warehouse: Path) -> str:
    """The read-only SQLAlchemy URI of a warehouse file; SQLAlchemy takes the path as it is, so nothing is quoted."""
    return f"duckdb:///{warehouse.absolute()}?{READ_ONLY}"


def write_bundle(file: Path, uri: str) -> None:
    """Writes the archive for Superset's import, its database at `uri`; in PostgreSQL, in the schema that is ours there.

    The archive holds the URI as given, its password too: it is as secret as that.
    """
    file.touch(mode=0o600)
    in_postgresql = uri.startswith("postgres")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(FOLDER.rglob("*.yaml")):
            part = yaml.safe_load(path.read_text("utf-8"))
            if "sqlalchemy_uri" in part:
                part = _placed(part, uri, in_postgresql)
            if "table_name" in part and in_postgresql:
                part = _moved(part)
            name = Path("bundle", path.relative_to(FOLDER))
            archive.writestr(str(name), yaml.safe_dump(part, sort_keys=False, allow_unicode=True))


def _placed(database: dict[str, Any], uri: str, in_postgresql: bool) -> dict[str, Any]:
    session = {"engine_params": {"connect_args": POSTGRESQL_SESSION}} if in_postgresql else {}
    return {**database, "sqlalchemy_uri": uri, "extra": {**database["extra"], **session}}


def _moved(dataset: dict[str, Any]) -> dict[str, Any]:
    sql = dataset["sql"] and re.sub(r"\b(?:marts|meta)\.(?=\w)", f"{POSTGRESQL_SCHEMA}.", dataset["sql"])
    return {**dataset, "schema": POSTGRESQL_SCHEMA, "sql": sql}


def datasets() -> Iterator[tuple[Path, type[Table]]]:
    """Every dataset's file and the contract of the table it reads."""
    for path in sorted(FOLDER.glob("datasets/**/*.yaml")):
        dataset = yaml.safe_load(path.read_text("utf-8"))
        (table,) = re.findall(r"\bfrom (\w+\.\w+)", dataset["sql"] or "from {schema}.{table_name}".format(**dataset))
        yield path, TABLES[table]


def build_columns(table: type[Table]) -> str:
    """A dataset's columns as YAML, one a line: names, types, units and meanings of the contract."""
    lines = []
    for name, column in table.columns().items():
        kind = sql_type_of(column)
        unit, adds = table.units()[name], measure_of(column).replace("_", "-")
        described = {
            "column_name": name,
            "type": SUPERSET_TYPES.get(kind, kind.upper()),
            "is_dttm": kind in {"date", "timestamptz"},
            "groupby": True,
            "filterable": True,
            "description": f"{column.description} [{unit}{'' if adds == 'dimension' else f'; {adds}'}]",
        }
        lines.append("- " + yaml.safe_dump(described, default_flow_style=True, sort_keys=False, width=10_000).strip())
    return "\n".join(lines) + "\n"


def write_columns() -> None:
    """Writes the columns of every dataset anew, below what its file says above them."""
    for path, table in datasets():
        said = path.read_text("utf-8").partition(COLUMNS)[0]
        path.write_text(said + COLUMNS + build_columns(table), "utf-8")


def main(arguments: list[str]) -> None:
    """`bundle.py zip FILE --warehouse PATH | --uri URI`, or `bundle.py columns`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("columns", help="write the datasets' columns anew from the contracts")
    archive = commands.add_parser("zip", help="write the archive that Superset imports")
    archive.add_argument("file", type=Path)
    place = archive.add_mutually_exclusive_group(required=True)
    place.add_argument("--warehouse", type=Path, help="the DuckDB file, opened read-only")
    place.add_argument("--uri", help="another SQLAlchemy URI, as postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE")
    chosen = parser.parse_args(arguments)
    if chosen.command == "columns":
        write_columns()
        return
    if chosen.warehouse and not chosen.warehouse.is_file():
        parser.error(f"{chosen.warehouse} is not there: publish one with `r2k run`")
    write_bundle(chosen.file, chosen.uri or warehouse_uri(chosen.warehouse))
    print(f"wrote {chosen.file}; next: superset import-dashboards -p {chosen.file} -u USER")


if __name__ == "__main__":
    main(sys.argv[1:])
