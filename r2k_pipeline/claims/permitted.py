"""Which SQL a claim may run, by the tree that DuckDB itself runs: one SELECT over the readable tables.

Belongs here: refusing a query before it runs. Not here: time and memory (query_limits.py, worker.py), which rows of a
table were known (known_views.py).
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final

import duckdb

from r2k_pipeline.claims.query_limits import one_select
from r2k_pipeline.errors import QueryError, RefusedError

QUERIES: Final = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
ROW_FUNCTIONS: Final = {"unnest", "range", "generate_series"}
"""Functions allowed in FROM: they make rows of their arguments and read nothing."""
MACROS: Final = {"latest", "as_of"}
"""Macros of ours allowed in FROM: rows of a readable table, as known at the claim's moment."""
PLAIN_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
OUR_SCHEMAS: Final = {"", "main", "pg_catalog"}
"""Schemas of DuckDB's own functions; functions of an attached file would read it at another moment."""
UNSTABLE: Final = frozenset(
    {"current_timestamp", "current_time", "current_localtime", "current_localtimestamp", "getenv"}
    | {"age", "reservoir_quantile"}
)
"""Unstable functions that the catalogue does not mark: `age` of one argument counts from today, a reservoir depends
on the threads."""
ONE_SELECT: Final = "must be one SELECT and nothing else"

Node = Mapping[str, Any]
Names = frozenset[str]


def check_permitted(
    connection: duckdb.DuckDBPyConnection, query: str, readable: Collection[str], parameters: Collection[str]
) -> None:
    """Raise QueryError for anything but one SELECT over `readable` alone, with exactly these parameters.

    A second parser would judge another query than the one that runs, so this walks DuckDB's own tree.
    """
    try:
        statement = one_select(connection, query)
    except RefusedError as error:
        raise QueryError(ONE_SELECT) from error
    except QueryError as error:
        raise QueryError(f"not SQL: {error}") from error
    unstable = _unstable(connection) - MACROS
    for node, named in _nodes(_tree(connection, query)):
        _check_source(node, readable, named)
        _check_functions(node, unstable)
    if apart := statement.named_parameters ^ set(parameters):
        raise QueryError(f"parameters given and parameters used differ: {', '.join(sorted(apart))}")


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    ((text,),) = connection.execute("select json_serialize_sql($query::varchar)", {"query": query}).fetchall()
    try:
        parsed = json.loads(text)
    except RecursionError as error:
        raise QueryError("is nested too deeply") from error
    if parsed["error"] or len(parsed["statements"]) != 1:
        raise QueryError(ONE_SELECT)
    return parsed["statements"]


def _nodes(tree: Any) -> Iterator[tuple[Node, Names]]:
    """Every object of the tree, however deep, with the names of queries (CTEs) that mean those queries there.

    Outside of the query that names it, and before it, such a name would mean a table, a function or a file.
    """
    waiting: list[tuple[Any, Names]] = [(tree, frozenset())]
    while waiting:
        part, named = waiting.pop()
        if isinstance(part, list):
            waiting.extend((each, named) for each in part)
        if not isinstance(part, dict):
            continue
        if part.get("type") == "RECURSIVE_CTE_NODE":
            named |= {part["cte_name"].lower()}
        for entry in (part.get("cte_map") or {}).get("map", ()):
            waiting.append((entry["value"], named))
            named |= {_plain(entry["key"].lower())}
        yield part, named
        waiting.extend((each, named) for key, each in part.items() if key != "cte_map")


def _plain(name: str) -> str:
    if not PLAIN_NAME.fullmatch(name):
        raise QueryError(f"must not name a query {name!r}: take letters, digits and _")
    return name


def _check_source(node: Node, readable: Collection[str], named: Names) -> None:
    """Raise QueryError for a query that writes, and for rows from anywhere but `readable` and `named` queries."""
    kind = str(node.get("type"))
    if kind == "SHOW_REF" or (kind.endswith("_NODE") and kind not in QUERIES):
        raise QueryError(ONE_SELECT)
    if node.get("sample"):
        raise QueryError("must not sample: its answer does not depend on the data alone")
    if kind == "TABLE_FUNCTION":
        called = node["function"]
        if called.get("function_name", "").lower() not in ROW_FUNCTIONS | MACROS or called["schema"]:
            raise QueryError(_not_readable(called.get("function_name", "that"), readable))
    if kind == "BASE_TABLE":
        path = [node[f"{part}_name"].lower() for part in ("catalog", "schema", "table")]
        # Part by part: a quoted name may contain a dot.
        is_readable = any(path == ["", "", *name.split(".")][-3:] for name in readable)
        if not is_readable and path not in (["", "", name] for name in named):
            raise QueryError(_not_readable(".".join(filter(None, path)), readable))


def _check_functions(node: Node, unstable: Collection[str]) -> None:
    """Raise QueryError for a function that depends on more than the data, also if it is called without brackets."""
    columns = list(node.get("column_names") or [])
    name = str(node.get("function_name") or (columns[0] if len(columns) == 1 else "")).lower()
    if name in unstable or node.get("schema", "") not in OUR_SCHEMAS or node.get("catalog", "") not in ("", "system"):
        raise QueryError(f"must not call {name}: its answer does not depend on the data alone")


def _not_readable(name: str, readable: Collection[str]) -> str:
    return f"must not read {name!r}; there are: {', '.join(readable)}"


@cache
def _unstable(connection: duckdb.DuckDBPyConnection) -> Names:
    """Functions that change from call to call or depend on the machine, by DuckDB's own catalogue."""
    functions = connection.execute("select function_name, stability, macro_definition from duckdb_functions()")
    rows = functions.fetchall()
    names = UNSTABLE | {name for name, stability, _ in rows if stability not in (None, "CONSISTENT")}
    return names | {name for name, _, macro in rows if macro and {"FROM", *names} & set(re.findall(r"\w+", macro))}
