"""Values, names and files as SQL writes them.

Belongs here: quoting, in one place for DuckDB and PostgreSQL. Not here: any query.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path


def literal(value: str | Path | date | float | None) -> str:
    """A text, a day, an instant, a number, a flag or null as SQL writes it."""
    match value:
        case None:
            return "null"
        case datetime():
            return f"timestamptz '{value.isoformat()}'"
        case date():
            return f"date '{value.isoformat()}'"
        case str() | Path():
            return "'" + str(value).replace("'", "''") + "'"
        case _:
            return str(value)


def identifier(name: str) -> str:
    """A name, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def pattern(file: Path) -> str:
    """The glob that only this path fits: DuckDB takes every path that it reads for a pattern."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(file))


def parquet(files: Iterable[Path]) -> str:
    """What stands behind FROM for the rows of these files and no others, columns by name.

    Nothing is read from their path: DuckDB would make a column of a folder that is named `key=value`.
    """
    patterns = ", ".join(literal(pattern(file)) for file in files)
    return f"read_parquet([{patterns}], hive_partitioning = false, union_by_name = true)"
