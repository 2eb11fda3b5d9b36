"""The base of every contract: which layer a table lives in and what it is called everywhere.

Belongs here: the one naming rule (class `DailyPrices`, layer `staging` -> `staging.daily_prices`) and the
register of all tables. Not here: columns (columns.py) or tables (prices.py, cot.py, ...).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choices_of, unit_of

COLUMNS = "__dataframely_columns__"
"""Where dataframely keeps a schema's columns, in order."""
LAYERS = ("reference", "raw", "staging", "features", "marts", "meta")
PUBLISHED_LAYERS = LAYERS[2:]
"""Those that the warehouse has."""
DATED_LAYERS: Final = ("staging", "features", "marts")
"""Layers whose rows are dated by `known_at` where they have it; raw is a log, reference and meta are not dated."""
BY_SESSION: Final = {
    "withdrawn_at": ("withdrawn_at", "withdrawn_date"),
    "volume_known_at": ("volume_known_at", "volume", "volume_symbol"),
    "setup_known_at": ("setup_known_at", "setup"),
}
"""Instants at or after the close of the session that brings the columns which each of them dates."""
BY_DAY: Final = {"net_notional_usd": "report_date"}
"""Columns that need the close of a session before their row became known, with the day of that session."""
LATER: Final = {"superseded_at": ("superseded_at",), **BY_SESSION}
"""Instants of columns that become known later than their row, with the columns that each of them dates."""
AHEAD: Final = timedelta(days=14)
"""How far ahead a calendar's rows count as known: far enough to contain the next report, also after holidays."""
BY_NAME: Final = ""
"""Stands for `known_by` where a contract leaves it to the names of its columns."""

TABLES: "dict[str, type[Table]]" = {}
"""Every table by its dotted name, filled as the contract modules are imported."""


class Table(dy.Schema):
    """A table of the lake: its columns, key and rules; the docstring says what one row is.

    When its rows are known:
    `known_by` is the column with the instant at which a row became known. None: the rows are not dated, as in an
    aggregate over all of history.
    `known_later` has the columns that became known later than their row, each with the instant that dates it.
    `known_with` is the table that must have a row of the same key before a row counts as known.
    `stands_of` is the table of vintages of which it has those that stand.
    `looks_ahead` is the day of a row of a calendar, which is known AHEAD of that day.

    How it is kept:
    `may_change`: another version may change its rows (judgements, book-keeping, a calendar); the gate does not compare.
    `grows`: published rows stay, and new ones are added.
    `in_parts`: a table of features that grows is kept in parts (files) by the years in which rows were known.
    """

    layer: ClassVar[str]
    table: ClassVar[str]
    known_by: ClassVar[str | None]
    known_with: ClassVar[str | None]
    known_later: ClassVar[Mapping[str, str]]
    stands_of: ClassVar[str | None]
    looks_ahead: ClassVar[str | None]
    may_change: ClassVar[bool]
    grows: ClassVar[bool]
    in_parts: ClassVar[bool]

    def __init_subclass__(
        cls,
        layer: str,
        known_by: str | None = BY_NAME,
        known_with: str | None = None,
        stands_of: str | None = None,
        looks_ahead: str | None = None,
        may_change: bool = False,
        grows: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if layer not in LAYERS:
            raise TypeError(f"{cls.__name__}: layer {layer!r} is not one of {LAYERS}")
        cls.layer = layer
        cls.table = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        columns: dict[str, dy.Column] = cls.__dict__[COLUMNS]
        keys_first = sorted(columns, key=lambda name: not columns[name].primary_key)
        setattr(cls, COLUMNS, {name: columns[name] for name in keys_first})
        is_dated = "known_at" in columns and layer in DATED_LAYERS and stands_of is None
        by_name = "known_at" if is_dated else None
        cls.known_by = by_name if known_by == BY_NAME else known_by
        cls.known_with, cls.stands_of, cls.grows = known_with, stands_of, grows
        cls.looks_ahead, cls.may_change = looks_ahead, may_change
        cls.in_parts = grows and layer == "features"
        later = {column: instant for instant, dated in LATER.items() if instant in columns for column in dated}
        cls.known_later = {column: instant for column, instant in later.items() if column in columns}
        TABLES[cls.dotted()] = cls

    @classmethod
    def dotted(cls) -> str:
        """`layer.table`, the name in SQL."""
        return f"{cls.layer}.{cls.table}"

    @classmethod
    def day_column(cls) -> str:
        """Its first column of days: in raw, the day that a fact is about."""
        return next(name for name, column in cls.columns().items() if isinstance(column, dy.Date))

    @classmethod
    @cache
    def units(cls) -> dict[str, str]:
        """Unit of every column, as its text; of a column with a closed list of values, the list."""
        return {
            name: f"one of {', '.join(values)}" if (values := choices_of(column)) else str(unit_of(column))
            for name, column in cls.columns().items()
        }

    @classmethod
    def fit(cls, frame: pl.DataFrame) -> pl.DataFrame | None:
        """`frame` cast to the contract's types and order, or None if a row breaks a rule (`filter` shows which).

        Equal to `filter(cast=True)` for good rows, in a tenth of its time, because it does not mark every row by every
        rule. Raises dataframely's SchemaError for a missing column, as `filter` does.
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


SCHEMA_VERSION: Final = 3
"""Version of the published tables and columns, which BI tools read. Every change of them needs a new one: docs/schema/
keeps each version, the CHANGELOG lists the changes."""
PART_YEARS: Final = 5
"""Years of a part of a table that grows: a day's rows touch one part, and a century has twenty files."""
BUCKET_MARKETS: Final = 6
"""Markets of one part of a table that grows. They are built together, so this bounds the memory of a run."""


def buckets_of(markets: Sequence[str]) -> list[Sequence[str]]:
    """Markets in buckets of BUCKET_MARKETS, in their configured order: one that is added comes into the last bucket.

    A bucket of markets is built at a time, and has files of its own: of eight markets, `0-2020.parquet` has the rows of
    the first six known in 2020 to 2024, `1-2020.parquet` those of the other two.
    """
    return [markets[start : start + BUCKET_MARKETS] for start in range(0, len(markets), BUCKET_MARKETS)]


def parts_of(rows: pl.DataFrame, bucket: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """The parts of a bucket of a table that grows, by name: the rows known in `PART_YEARS` years.

    A part is named after its bucket and the first of its years.
    """
    first_year = (pl.col("known_at").dt.year() // PART_YEARS * PART_YEARS).alias("first_year")
    for (year,), part in rows.group_by(first_year, maintain_order=True):
        yield f"{bucket}-{year}.parquet", part


def ends_before(part: str, moment: datetime) -> bool:
    """Whether the years of a part, by its name, ended before the year of `moment`."""
    _, _, year = part.removesuffix(".parquet").partition("-")
    return year.isdecimal() and int(year) + PART_YEARS <= moment.year


def _is_unique(keys: pl.DataFrame) -> bool:
    """Whether no row of `keys` occurs twice; tries ascending order first, then distinct hashes, as both are cheap."""
    ascends = pl.lit(False)
    for name in reversed(keys.columns):
        column, before = pl.col(name), pl.col(name).shift()
        ascends = (column > before) | ((column == before) & ascends)
    if keys.select(ascends.all()).item() or keys.hash_rows().n_unique() == keys.height:
        return True
    return not keys.is_duplicated().any()
