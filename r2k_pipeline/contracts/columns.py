"""Column constructors: one per unit, so that a unit is written once and every table states it.

Belongs here: the dtype, unit and finiteness of a kind of quantity. Not here: what a table holds.
Instants are UTC; floats refuse NaN and infinity (null means not known or not defined, never 0).
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import dataframely as dy

from r2k_pipeline.contracts.units import Unit

MEASURES: Final = ("dimension", "additive", "semi_additive", "non_additive")
CHOICES: Final = "choices"
"""Metadata key of a column's closed list of values."""
Column = TypeVar("Column", bound=dy.Column)


SQL_TYPES: Final[dict[type[dy.Column], str]] = {
    dy.String: "varchar",
    dy.Bool: "boolean",
    dy.Date: "date",
    dy.Datetime: "timestamptz",
    dy.Float64: "double",
    dy.Int64: "bigint",
}


def sql_type_of(column: dy.Column) -> str:
    """The name of the column's type in the warehouse's SQL."""
    return SQL_TYPES[type(column)]


def additive(column: Column) -> Column:
    """A measure whose sum means something over every key: flows over groups and weeks, counts over items."""
    return _measured(column, "additive")


def semi_additive(column: Column) -> Column:
    """A stock: its sum means something over groups at one moment, never over time."""
    return _measured(column, "semi_additive")


def dimension(column: Column) -> Column:
    """A number to group by, like a month."""
    return _measured(column, "dimension")


def choices_of(column: dy.Column) -> tuple[str, ...]:
    """The values of a column that has a closed list of them; none of any other."""
    return tuple((column.metadata or {}).get(CHOICES, ()))


def unit_of(column: dy.Column) -> Unit:
    """The unit of its values."""
    unit: Unit = (column.metadata or {})["unit"]
    return unit


def measure_of(column: dy.Column) -> str:
    """One of MEASURES: keys, texts, days and flags are dimensions; a number is additive only if declared so."""
    if column.primary_key or not isinstance(column, dy.Float64 | dy.Int64):
        return "dimension"
    return str((column.metadata or {}).get("measure", "non_additive"))


def _measured(column: Column, measure: str) -> Column:
    column.metadata = {**(column.metadata or {}), "measure": measure}
    return column


def _float(unit: Unit, text: str, nullable: bool, low: float | None = None, high: float | None = None) -> dy.Float64:
    return dy.Float64(nullable=nullable, min=low, max=high, description=text, metadata={"unit": unit})


def text(description: str, *, key: bool = False, nullable: bool = False, regex: str | None = None) -> dy.String:
    """Free or patterned text, no unit."""
    return dy.String(
        primary_key=key, nullable=nullable, regex=regex, description=description, metadata={"unit": Unit.TEXT}
    )


def choice(values: Sequence[str], description: str, *, key: bool = False, nullable: bool = False) -> dy.String:
    """Text out of a closed list; the list is part of the contract."""
    return dy.String(
        primary_key=key,
        nullable=nullable,
        check=lambda column: column.is_in(list(values)),
        description=description,
        metadata={"unit": Unit.TEXT, CHOICES: tuple(values)},
    )


def flag(description: str, *, nullable: bool = False) -> dy.Bool:
    """True or false."""
    return dy.Bool(nullable=nullable, description=description, metadata={"unit": Unit.FLAG})


def day(description: str, *, key: bool = False, nullable: bool = False) -> dy.Date:
    """A calendar day, local to the exchange or to the report it names."""
    return dy.Date(primary_key=key, nullable=nullable, description=description, metadata={"unit": Unit.DAY})


def instant(description: str, *, key: bool = False, nullable: bool = False) -> dy.Datetime:
    """A moment, UTC, microseconds."""
    return dy.Datetime(
        primary_key=key, nullable=nullable, time_zone="UTC", description=description, metadata={"unit": Unit.INSTANT}
    )


def points(description: str, *, nullable: bool = False, positive: bool = True) -> dy.Float64:
    """A price or level in index points (USD a share for an ETF); `positive=False` for differences of prices."""
    return dy.Float64(
        nullable=nullable,
        min_exclusive=0.0 if positive else None,
        description=description,
        metadata={"unit": Unit.POINTS},
    )


def number(unit: Unit, description: str, *, nullable: bool = False, low: float | None = None) -> dy.Float64:
    """A real number in a stated unit that has no constructor of its own."""
    return _float(unit, description, nullable, low)


def ratio(description: str, *, nullable: bool = False) -> dy.Float64:
    """A ratio, 1 = 100 %."""
    return _float(Unit.RATIO, description, nullable)


def share_oi(description: str) -> dy.Float64:
    """A share of open interest, -1..1; null where it is not known."""
    return _float(Unit.SHARE_OI, description, True, -1.0, 1.0)


def percentile(description: str) -> dy.Float64:
    """A rank or an oscillator on 0..100; null where it is not defined yet."""
    return _float(Unit.RANK, description, True, 0.0, 100.0)


def usd(description: str) -> dy.Float64:
    """US dollars; null where they are not known."""
    return _float(Unit.USD, description, True)


def contracts(description: str, *, nullable: bool = False, signed: bool = False) -> dy.Int64:
    """A whole number of futures contracts as reported."""
    low = None if signed else 0
    return dy.Int64(nullable=nullable, min=low, description=description, metadata={"unit": Unit.CONTRACTS})


def equivalents(description: str, *, signed: bool = False) -> dy.Float64:
    """Contracts in today's contract equivalents: reported contracts x row multiplier / today's multiplier.

    Null where a contract unit cannot be converted.
    """
    return _float(Unit.EQUIVALENTS, description, True, None if signed else 0.0)


def count(unit: Unit, description: str, *, key: bool = False, nullable: bool = False) -> dy.Int64:
    """A non-negative whole number of `unit` (traders, touches, sessions, rows)."""
    return dy.Int64(primary_key=key, nullable=nullable, min=0, description=description, metadata={"unit": unit})
