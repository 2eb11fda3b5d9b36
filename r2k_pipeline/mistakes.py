"""Mistakes in a user's file, in plain words: key, value, rule and the nearest name that is allowed.

Belongs here: reading such a file, pydantic's errors reworded for users. Not here: the models, printing (callers).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from r2k_pipeline.errors import MistakesError
from r2k_pipeline.files import refuse_special

_REWORDED: Final = {
    "missing": "is missing",
    "string_pattern_mismatch": "does not fit the pattern '{pattern}'",
    "literal_error": "is not one of {expected}",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "none_required": "should be left out",
}
"""Messages by pydantic's error type, filled from its context; pydantic's own text is kept for other types."""


class Strict(BaseModel):
    """A table of a file: its values never change; an unknown key, NaN and infinity are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_toml(file: Path, setting: str, example: str) -> dict[str, Any]:
    """The content of a file that `setting` names, such as `example`. Raises MistakesError."""
    import tomllib  # noqa: PLC0415  (settings import this module, and most runs have no such file)

    try:
        refuse_special(file)
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise MistakesError(f"{file}: no such file; set {setting} to an existing {example}") from error
    except OSError as error:
        raise MistakesError(f"{file}: unreadable: {error.strerror}; set {setting} to a {example}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise MistakesError(f"{file}: not TOML: {error}") from error


def say_mistakes(error: ValidationError, model: type[BaseModel], about: str = "") -> Iterator[str]:
    """Each error of a `model` as `key = value: mistake`; `about` replaces the key if a rule concerns the whole."""
    for found in error.errors():
        key = ".".join(map(str, found["loc"])) or about
        if found["type"] == "extra_forbidden":
            meant = ", ".join(nearest(str(found["loc"][-1]), _keys(model)))
            yield f"{key}: no such key; next: remove it, or rename it to {meant}"
            continue
        shown = "" if found["type"] == "missing" else _shown(found["input"])
        yield f"{key}{shown}: {_reason(found)}".removeprefix(": ")


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The name most similar to the one written; all names if none is similar."""
    there_are = sorted(names)
    return get_close_matches(name, there_are, n=1) or there_are


def _keys(model: type[BaseModel]) -> set[str]:
    """Every key of a model and of the tables in it."""
    schema = model.model_json_schema()
    return {key for table in (schema, *schema.get("$defs", {}).values()) for key in table.get("properties", {})}


def _reason(found: Any) -> str:
    facts = found.get("ctx", {})
    if found["type"] == "value_error":  # a rule of ours, which pydantic would introduce as a "Value error"
        return str(facts["error"])
    if found["type"] in _REWORDED:
        return _REWORDED[found["type"]].format_map(facts)
    message: str = found["msg"]
    return re.sub(r"^(Input|[A-Z][a-z]+) should", "should", message)


def _shown(value: object) -> str:
    """` = value` as written in TOML; empty for a table, a list or no value."""
    if isinstance(value, bool):
        return f" = {str(value).lower()}"
    if isinstance(value, str):
        return f" = {value!r}"
    return f" = {value}" if isinstance(value, int | float | date) else ""
