"""The base of every contract: which layer a table lives in and what it is called everywhere.

Belongs here: the one naming rule (class `DailyPrices`, layer `staging` -> `staging.daily_prices`) and the
register of all tables. Not here: columns (columns.py) or tables (prices.py, cot.py, ...).
"""

import re
from functools import cache
from typing import Any, ClassVar

import dataframely as dy
import polars as pl

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
    def fit(cls, frame: pl.DataFrame) -> pl.DataFrame | None:
        """`frame` in the contract's types and order if all of it holds every rule, else None: `filter` says what broke.

        As `filter(cast=True)` where nothing breaks, in a tenth of its time: that marks every row by every rule. Raises
        dataframely's SchemaError for a missing column, as `filter` does.
        """
        try:
            typed: pl.DataFrame = cls.cast(frame)
        except pl.exceptions.PolarsError:
            return None
        rules = [rule.expr for name, rule in cls._validation_rules(with_cast=False).items() if name != "primary_key"]
        holds = typed.select(rule.all().alias(str(number)) for number, rule in enumerate(rules))
        return typed if all(holds.row(0)) and _is_unique(typed.select(cls.primary_key())) else None

    @classmethod
    def description(cls) -> str:
        """What one row is, from the docstring's first paragraph."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def _is_unique(keys: pl.DataFrame) -> bool:
    """Whether no row of `keys` is there twice: cheapest where they ascend, as mostly, then where no hashes meet."""
    ascends = pl.lit(False)
    for name in reversed(keys.columns):
        column, before = pl.col(name), pl.col(name).shift()
        ascends = (column > before) | ((column == before) & ascends)
    if keys.select(ascends.all()).item() or keys.hash_rows().n_unique() == keys.height:
        return True
    return not keys.is_duplicated().any()
