"""SQL that converts a column of any DuckDB type to a type of the output format without silent loss.

Belongs here: types. Not here: running the query (query.py), writing the rows (row_formats.py).
"""

from typing import Any, Final, Literal

from r2k_pipeline.quoting import identifier

Format = Literal["table", "csv", "json", "parquet"]

NUMBERS: Final = frozenset(
    ["boolean", "decimal", "double", "float"]
    + [f"{unsigned}{size}" for unsigned in ("", "u") for size in ("tinyint", "smallint", "integer", "bigint")]
)
WIDE_INTEGERS: Final = frozenset(["hugeint", "uhugeint"])
INSTANTS: Final = frozenset(["timestamp with time zone", *(f"timestamp{unit}" for unit in ("", "_s", "_ms", "_ns"))])
PARQUET: Final = NUMBERS | INSTANTS | {"varchar", "date", "time", "blob"}
NESTED: Final = frozenset(["list", "array", "struct", "map", "union", "variant"])


def projection(columns: list[str], types: list[Any], output: Format) -> str:
    """The select list that gives `columns` as `output` holds them; for json one column `row` of JSON text.

    Text and tables: numbers and flags as they are, instants in ISO 8601, nested values as JSON, all else as text.
    """
    cells = dict(zip(columns, types, strict=True))
    if output == "json":
        members = (f"{identifier(name)} := {_json(identifier(name), type_)}" for name, type_ in cells.items())
        return f"to_json(struct_pack({', '.join(members)}))::varchar as row"
    cell = _parquet if output == "parquet" else _text
    return ", ".join(f"{cell(identifier(name), type_)} as {identifier(name)}" for name, type_ in cells.items())


def _text(value: str, type_: Any) -> str:
    if type_.id in NUMBERS:
        return value
    if type_.id in WIDE_INTEGERS:
        return _decimal(value)
    if type_.id in INSTANTS:
        return _instant(value, type_)
    return f"({_json(value, type_)})::varchar" if type_.id in NESTED else f"{value}::varchar"


def _parquet(value: str, type_: Any) -> str:
    if _fits_parquet(type_):
        return value
    return _decimal(value) if type_.id in WIDE_INTEGERS else _text(value, type_)


def _fits_parquet(type_: Any) -> bool:
    if type_.id in ("list", "struct"):
        return all(_fits_parquet(child) for _, child in type_.children)
    return type_.id in PARQUET


def _json(value: str, type_: Any, depth: int = 0) -> str:
    """JSON of a value. JSON has no NaN (null) and no infinity (text)."""
    kind = type_.id
    if kind in ("float", "double"):
        return f"case when isfinite({value}) then to_json({value}) when not isnan({value}) then {_said(value)} end"
    if kind in NUMBERS | WIDE_INTEGERS | {"varchar"}:
        return f"to_json({value})"
    if kind in INSTANTS:
        return f"to_json({_instant(value, type_)})"
    return _json_of_nested(value, type_, depth) if kind in NESTED else _said(value)


def _json_of_nested(value: str, type_: Any, depth: int) -> str:
    """JSON of a nested value, part by part; `depth` gives each lambda's parameter its own name."""
    item = f"item_{depth}"
    parts = {} if type_.id == "variant" else dict(type_.children)
    match type_.id:
        case "list" | "array":
            each = _json(item, parts["child"], depth + 1)
            return f"to_json(list_transform({value}::{parts['child']}[], lambda {item}: {each}))"
        case "map":
            each = _json(item, parts["value"], depth + 1)
            keys = f"list_transform(map_keys({value}), lambda {item}: {item}::varchar)"
            return f"to_json(map({keys}, list_transform(map_values({value}), lambda {item}: {each})))"
        case "struct" if all(parts):
            names = {identifier(name): part for name, part in parts.items()}
            named = (f"{name} := {_json(f'{value}.{name}', part, depth)}" for name, part in names.items())
            return f"case when {value} is not null then to_json(struct_pack({', '.join(named)})) end"
        case _:
            return _said(value)


def _said(value: str) -> str:
    return f"to_json({value}::varchar)"


def _instant(value: str, type_: Any) -> str:
    """ISO 8601; an instant of a zone is shown in UTC, as the connection is."""
    zone = " || ':00'" if type_.id == "timestamp with time zone" else ""
    return f"case when isfinite({value}) then replace({value}::varchar, ' ', 'T'){zone} else {value}::varchar end"


def _decimal(value: str) -> str:
    """Arrow holds 38 digits; for more, DuckDB raises an error instead of returning another number."""
    return f"{value}::decimal(38, 0)"
