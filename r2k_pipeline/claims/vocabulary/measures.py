"""The measures of the vocabulary by name: columns of the readable tables, averages of any length, derived ones.

Belongs here: which columns are measures. Not here: the derived ones (derived.py), what is said of them (relations.py).
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import dataframely as dy

from r2k_pipeline.claims.vocabulary.derived import DERIVED
from r2k_pipeline.claims.vocabulary.measure import FURTHER_KEYS, GROUP_KEY, Measure, is_day_key
from r2k_pipeline.contracts import marts, prices
from r2k_pipeline.contracts.columns import choices_of, unit_of
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables import claims, indicators

FIRST: Final[tuple[type[Table], ...]] = (
    prices.MarketBars,
    indicators.DailyIndicators,
    marts.WeeklyPositioning,
    marts.PositioningVsTechnicals,
)
"""If several tables have a column of one name, the first is read; one name is one quantity."""
_OF_DAYS: Final = re.compile(r"(sma|ema)_(\d{1,3})")


def measure_of(name: str) -> Measure | None:
    """The measure with this name: a derived one, a column, or sma_N and ema_N for any number of sessions."""
    found = DERIVED.get(name) or columns().get(name)
    if found is None and (average := _OF_DAYS.fullmatch(name)) and int(average[2]) > 1:
        kind = "mean" if average[1] == "sma" else "exponential mean, weight 2/(N + 1), seeded with the first N,"
        return Measure(name, "number", Unit.POINTS, f"{kind} of the closes of {average[2]} sessions", derived="average")
    return found


def names() -> list[str]:
    """Every measure, derived ones first."""
    return [*DERIVED, *columns()]


@cache
def columns() -> Mapping[str, Measure]:
    """The columns of the readable tables that have one row a market and day (and trader group, or other market)."""
    found: dict[str, Measure] = {}
    for table in dict.fromkeys((*FIRST, *claims.READABLE)):
        if _is_of_days(table):
            found |= {each.name: each for each in _columns_of(table) if each.name not in found}
    return MappingProxyType(found)


def _columns_of(table: type[Table]) -> Iterator[Measure]:
    kinds = {dy.Float64: "number", dy.Int64: "number", dy.String: "text", dy.Date: "day"}
    for name, column in table.columns().items():
        if kind := None if column.primary_key else kinds.get(type(column)):
            yield Measure(name, kind, unit_of(column), column.description or "", table, choices=choices_of(column))


def _is_of_days(table: type[Table]) -> bool:
    keys = {
        name: column
        for name, column in table.columns().items()
        if column.primary_key and not isinstance(column, dy.Datetime)
    }
    others = [name for name, column in keys.items() if not is_day_key(column) and name != "market"]
    days = len(keys) - len(others) - ("market" in keys)
    is_known = not others or set(others) == GROUP_KEY or (len(others) == 1 and others[0] in FURTHER_KEYS)
    return "market" in keys and days == 1 and is_known
