"""The syntax of SQL texts, by DuckDB's own parser: what a query names, before it runs.

Belongs here: parsing. Not here: what follows from it (sql_models.py, transforms/setups.py).
"""

import json
from functools import cache
from typing import Any, Final

import duckdb

_SERIALIZE: Final = "select json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)"


def nodes_of(text: str) -> list[dict[str, Any]]:
    """Every node of the syntax of SELECT statements, inner ones first. Raises ValueError where the text is none."""
    (serialized,) = _parser().execute(_SERIALIZE, [text]).fetchone() or ("",)
    nodes: list[dict[str, Any]] = []

    def found(node: dict[str, Any]) -> dict[str, Any]:
        nodes.append(node)
        return node

    syntax = json.loads(serialized, object_hook=found)
    if syntax["error"]:
        raise ValueError(syntax["error_message"])
    return nodes


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """A connection that only parses; to open one takes longer than to parse most queries."""
    return duckdb.connect(config={"threads": "1"})
