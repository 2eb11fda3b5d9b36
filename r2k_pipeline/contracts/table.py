"""The base of every contract: which layer a table lives in and what it is called everywhere.

Belongs here: the one naming rule (class `DailyPrices`, layer `staging` -> `staging.daily_prices`) and the
register of all tables. Not here: columns (columns.py) or tables (prices.py, cot.py, ...).
"""

import re
from functools import cache
from typing import Any, ClassVar

import dataframely as dy

COLUMNS = "__dataframely_columns__"
"""Where dataframely keeps a schema's columns, in order."""
LAYERS = ("reference", "raw", "staging", "features", "marts", "meta")
PUBLISHED_LAYERS = LAYERS[2:]
"""Those that the warehouse has."""

TABLES: "dict[str, type[Table]]" = {}
"""Every table by its dotted name, filled as the contract modules are imported."""


class Table(dy.Schema):
    """A table of the lake: its columns, key and rules; the docstring says what one row is."""

    layer: ClassVar[str]
    table: ClassVar[str]

    def __init_subclass__(cls, layer: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if layer not in LAYERS:
            raise TypeError(f"{cls.__name__}: layer {layer!r} is not one of {LAYERS}")
        cls.layer = layer
        cls.table = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        columns: dict[str, dy.Column] = cls.__dict__[COLUMNS]
        keys_first = sorted(columns, key=lambda name: not columns[name].primary_key)
        setattr(cls, COLUMNS, {name: columns[name] for name in keys_first})
        TABLES[cls.dotted()] = cls

    @classmethod
    def dotted(cls) -> str:
        """`layer.table`, the name in SQL."""
        return f"{cls.layer}.{cls.table}"

    @classmethod
    @cache
    def units(cls) -> dict[str, str]:
        """Unit of every column."""
        return {name: (column.metadata or {}).get("unit", "") for name, column in cls.columns().items()}

    @classmethod
    def description(cls) -> str:
        """What one row is, from the docstring's first paragraph."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())
