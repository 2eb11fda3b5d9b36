"""The measures of the vocabulary: the columns of the readable tables by name, and a few that are derived.

Belongs here: names, units, meanings. Not here: their rows (known_rows.py, structures.py), what is said of them
(relations.py).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import dataframely as dy

from r2k_pipeline.claims.vocabulary.relations import Relation, Takes
from r2k_pipeline.contracts import marts, prices
from r2k_pipeline.contracts.columns import choices_of
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables import claims, indicators

FIRST: Final[tuple[type[Table], ...]] = (
    prices.MarketBars,
    indicators.DailyIndicators,
    marts.WeeklyPositioning,
    marts.PositioningVsTechnicals,
)
"""Of a name that several tables have, which is then the same quantity, the first table is read."""
GROUP_KEY: Final = frozenset({"report_type", "trader_group"})
OTHER_MARKET: Final = "other_market"
POINTS: Final = "index points"
_OF_DAYS: Final = re.compile(r"(sma|ema)_(\d{1,3})")


@dataclass(frozen=True)
class Measure:
    """What a claim is about: a column of `table`, or a derived quantity (`derived`: its name in structures or rows).

    `kind`: number, text or day. `words`: the relations of a derived measure that takes only its own.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    table: type[Table] | None = None
    derived: str | None = None
    choices: tuple[str, ...] = ()
    words: Mapping[str, Relation] | None = None

    @property
    def is_of_group(self) -> bool:
        """Whether its value belongs to a trader group."""
        of_table = self.table is not None and set(self.table.primary_key()) >= GROUP_KEY
        return of_table or self.derived in ("position", "flow")

    @property
    def is_price(self) -> bool:
        """Whether it is a price of the index."""
        return self.unit == POINTS

    @property
    def is_ratio(self) -> bool:
        """Whether a percentage of it means percentage points, 1 = 100 %."""
        return self.unit.startswith(("ratio", "share"))

    @property
    def day_column(self) -> str:
        """The column of its table that dates a row."""
        assert self.table is not None
        return next(name for name, column in self.table.columns().items() if _is_day_key(column))

    @property
    def is_of_other(self) -> bool:
        """Whether its rows compare the market with another one."""
        return self.table is not None and OTHER_MARKET in self.table.primary_key()


def _own(takes: Takes, meaning: str, example: str) -> Relation:
    return Relation(takes, meaning, example)


DERIVED: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Measure(
                "price", "number", POINTS, "the index: during the day (low to high) and at the close", derived="price"
            ),
            *(
                Measure(
                    side,
                    "number",
                    "today's contract equivalents",
                    f"{meaning} of the group; ranks and extremes in contracts and in share of open interest",
                    derived="position",
                )
                for side, meaning in (
                    ("long", "long positions"),
                    ("short", "short positions"),
                    ("net", "long less short positions"),
                )
            ),
            Measure(
                "bar",
                "text",
                "text",
                "the day's bar against the one before: outside, inside, up, down",
                derived="bar",
                choices=("outside", "inside", "up", "down"),
            ),
            Measure(
                "swing_high", "number", POINTS, "confirmed swing highs, as features.swing_pivots", derived="swing_high"
            ),
            Measure("swing_low", "number", POINTS, "confirmed swing lows", derived="swing_low"),
            Measure(
                "level",
                "number",
                POINTS,
                "a swing of the last 300 sessions that a zone of features.levels holds",
                derived="level",
                words={
                    "at": _own(Takes.NUMBER, "a swing within a quarter of a percent", "level.at = 1924"),
                    "role": _own(Takes.TEXT, "support (a low) or resistance (a high)", 'level.role = "support"'),
                },
            ),
            Measure(
                "cross",
                "text",
                "day",
                "crosses of averages: fast x slow and direction",
                derived="cross",
                words={
                    "is": _own(
                        Takes.TEXT, "which cross; without lengths any of SMA 50, 100, 200", 'cross.is = "50x200 down"'
                    ),
                    "on": _own(
                        Takes.DAY, "such a cross at that close; without it, the last one", "cross.on = 2025-03-13"
                    ),
                    "since": _own(Takes.SINCE, "some such cross from that day on", "cross.since = 2025-03-01"),
                    "count_is": _own(Takes.NUMBER, "how many such crosses there were", "cross.count_is = 24"),
                    "within": _own(Takes.COUNT, "one in the next sessions", "cross.within = 20"),
                },
            ),
            Measure(
                "move",
                "number",
                "ratio, 1 = 100 %",
                "from one day to another, by extremes and by closes",
                derived="move",
                words={
                    "from": _own(Takes.DAY, "the first day", "move.from = 2022-01-04"),
                    "to": _own(Takes.DAY, "the last day; the moment's session, if not said", "move.to = 2022-10-13"),
                    "is": _own(Takes.NUMBER, "its size, in percent", 'move.is = "-27.54 %"'),
                    "above": _own(Takes.NUMBER, "more than", 'move.above = "10 %"'),
                    "below": _own(Takes.NUMBER, "less than", 'move.below = "-10 %"'),
                },
            ),
            Measure(
                "retracement",
                "number",
                POINTS,
                "the price at which a ratio of a move is retraced, by extremes and by closes",
                derived="retracement",
                words={
                    "from": _own(Takes.DAY, "where the move began", "retracement.from = 2022-01-04"),
                    "to": _own(Takes.DAY, "where it ended", "retracement.to = 2022-10-13"),
                    "ratio": _own(Takes.NUMBER, "the part retraced", "retracement.ratio = 0.236"),
                    "is": _own(Takes.NUMBER, "the price", "retracement.is = 3804.76"),
                },
            ),
            Measure(
                "range",
                "number",
                POINTS,
                "a span of sessions: the band of its closes, 1st to 99th percentile",
                derived="range",
                words={
                    "from": _own(Takes.DAY, "its first session", "range.from = 2023-12-13"),
                    "to": _own(Takes.DAY, "its last session", "range.to = 2024-07-09"),
                    "low": _own(Takes.NUMBER, "lower edge, within half a percent", "range.low = 1927"),
                    "high": _own(Takes.NUMBER, "upper edge, within half a percent", "range.high = 2117"),
                },
            ),
            *(
                Measure(
                    name,
                    "day",
                    "day",
                    f"the session after the {extreme} close of the last 20, 60 or 252 sessions",
                    derived=name,
                    words={"on": _own(Takes.DAY, "the day on which it began", f"{name}.on = 2025-02-19")},
                )
                for name, extreme in (("decline", "highest"), ("rise", "lowest"))
            ),
            Measure(
                "poc",
                "number",
                POINTS,
                "the point of control of daily bars since a day, in bins of 5 points",
                derived="poc",
                words={
                    "since": _own(Takes.SINCE, "the first day; a list of days are readings", "poc.since = 2024-12-13"),
                    "near": _own(Takes.NUMBER, "within half an ATR", "poc.near = 2284"),
                    "above": _own(Takes.OPERAND, "above a number or a measure", 'poc.above = "close"'),
                    "below": _own(Takes.OPERAND, "below a number or a measure", 'poc.below = "close"'),
                },
            ),
            Measure(
                "flow",
                "text",
                "text",
                "the group's week: buying or selling on both sides; mixed, if longs and shorts both rose or fell",
                derived="flow",
                choices=("buying", "selling", "mixed"),
            ),
        )
    }
)
"""The few that are no column; those without `words` take all relations."""


def measure_of(name: str) -> Measure | None:
    """The measure with this name: a derived one, a column, or sma_N and ema_N for any number of sessions."""
    found = DERIVED.get(name) or columns().get(name)
    if found is None and (average := _OF_DAYS.fullmatch(name)) and int(average[2]) > 1:
        kind = "mean" if average[1] == "sma" else "exponential mean, weight 2/(N + 1), seeded with the first N,"
        return Measure(name, "number", POINTS, f"{kind} of the closes of {average[2]} sessions", derived="average")
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
            yield Measure(name, kind, table.units()[name], column.description or "", table, choices=choices_of(column))


def _is_of_days(table: type[Table]) -> bool:
    keys = {
        name: column
        for name, column in table.columns().items()
        if column.primary_key and not isinstance(column, dy.Datetime)
    }
    others = [name for name, column in keys.items() if not _is_day_key(column) and name != "market"]
    days = len(keys) - len(others) - ("market" in keys)
    return "market" in keys and days == 1 and (not others or set(others) in ({*GROUP_KEY}, {OTHER_MARKET}))


def _is_day_key(column: dy.Column) -> bool:
    return column.primary_key and isinstance(column, dy.Date)
