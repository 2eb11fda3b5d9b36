"""The syntax of SQL texts, by DuckDB's own parser: what a query names, before it runs.

Belongs here: parsing. Not here: what follows from it (sql_models.py, transforms/setups.py, claims/data_ends.py).
"""

import json
from functools import cache
from typing import Any, Final

import duckdb

SYNTAX: Final = (
    "select json_serialize_sql($text, skip_null := true, skip_empty := true, skip_default := true) as syntax"
)
"""The query for the syntax of a text, as JSON."""


def nodes_of(text: str) -> list[dict[str, Any]]:
    """Every node of the syntax of SELECT statements of our own, inner ones first. Raises ValueError for other text."""
    (serialized,) = _parser().execute(SYNTAX, {"text": text}).fetchone() or ("",)
    return nodes_in(serialized)


def nodes_in(serialized: str) -> list[dict[str, Any]]:
    """Every node of an answer to SYNTAX, inner ones first. Raises ValueError where the text was no SELECT."""
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
