"""The relations of the vocabulary: what each takes and means. They are few, and each fits every measure of its kind.

Belongs here: their names, operands, meanings and examples, of which docs/claims.md has a table. Not here: how a
relation is judged (row_relations.py, structures.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Takes(StrEnum):
    """What stands on the right of a relation."""

    VALUE = "a number, a text or a day, as the measure is; of texts also a list"
    OPERAND = "a number, another measure, `before`, `now`, or a market; or a list of them"
    PAIR = "two of these"
    NUMBER = "a number"
    DAY = "a day"
    SINCE = 'a day, a month as "2017-09", or "ever"'
    SINCES = "such a day, or a list of them, which are readings"
    COUNT = "a number of sessions or reports"
    COUNTS = "a number of sessions or reports; or a list of them, which are readings"
    OTHER = "`before`, or a market; or a list of them, which are readings"
    TEXT = "a text"


@dataclass(frozen=True)
class Relation:
    """A relation: its right side, its meaning, an example; `pattern`: what a text must match."""

    takes: Takes
    meaning: str
    example: str
    pattern: str = ".+"


COMPARISONS: Final[Mapping[str, Relation]] = MappingProxyType(
    {
        "is": Relation(Takes.VALUE, "the value, to the printed precision", "rsi_14.is = 33.29"),
        "above": Relation(Takes.OPERAND, "greater than each operand", 'close.above = ["sma_50", "sma_200"]'),
        "below": Relation(Takes.OPERAND, "less than each operand", "rsi_14.below = 30"),
        "between": Relation(Takes.PAIR, "from the lower to the higher of two", "close.between = [1927, 2117]"),
        "at": Relation(Takes.NUMBER, "within a quarter of a percent", "price.at = 2050"),
        "near": Relation(Takes.NUMBER, "within half an ATR", "poc_250.near = 2284"),
    }
)
"""Each also with a prefix of PREFIXES: `change_is`, `rank_above`, `change_rank_above`."""
PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "change_rank_": "of the rank of the change, 0..100, among all changes known (52 at least)",
        "change_": "of the change from the row before, in the measure's unit; in percent if the number has a %",
        "rank_": "of the rank, 0..100, among all values known (52 at least)",
        "": "",
    }
)
OTHERS: Final[Mapping[str, Relation]] = MappingProxyType(
    {
        "before": Relation(Takes.VALUE, "the value in the row before", "net.is = 80.6, net.before = 32.1"),
        "was": Relation(
            Takes.VALUE,
            "the value in some row of `since`, before the last",
            'positioning_state.was = ["long", "extreme_long"], positioning_state.since = 2025-01-01',
        ),
        "lowest_since": Relation(
            Takes.SINCE, "less than in every row after that day", "close.lowest_since = 2024-05-01"
        ),
        "highest_since": Relation(
            Takes.SINCE, "greater than in every row after that day", 'net.highest_since = "ever"'
        ),
        "record_since": Relation(
            Takes.SINCE, "some row after that day is above every row up to it", "high.record_since = 2024-07-09"
        ),
        "first_since": Relation(
            Takes.SINCE,
            "the measure's comparison is true, and was not in any row after that day",
            'net.above = 0, net.first_since = "2022-06"',
        ),
        "slower_than": Relation(
            Takes.OTHER,
            "its change is smaller than that of the row before, or of a market",
            'long.change_below = 0, long.slower_than = ["before", "SPX"]',
        ),
        "crossed_above": Relation(Takes.NUMBER, "above, and not above in the row before", "rsi_14.crossed_above = 50"),
        "crossed_below": Relation(Takes.NUMBER, "below, and not below in the row before", "rsi_14.crossed_below = 50"),
    }
)
ROWS: Final[Mapping[str, Relation]] = MappingProxyType(
    {
        "on": Relation(
            Takes.DAY, "the row of that day, instead of the last one", "low.is = 1984.92, low.on = 2025-03-13"
        ),
        "since": Relation(
            Takes.SINCE, "some row from that day on (each row: `for`)", "price.at = 2050, price.since = 2025-02-19"
        ),
        "for": Relation(Takes.COUNTS, "each of the last rows: a streak", "net.below = 0, net.for = 135"),
        "within": Relation(
            Takes.COUNTS,
            "any of the next sessions; judged when they are over",
            "price.at = 1989, price.within = [10, 33]",
        ),
        "throughout": Relation(
            Takes.COUNTS,
            "each of the next sessions; judged when they are over",
            'close.below = "sma_50", close.throughout = 20',
        ),
        "over": Relation(
            Takes.COUNT,
            "how many rows back a change begins; one, if not said",
            "sma_50.change_is = -15, sma_50.over = 20",
        ),
        "against": Relation(
            Takes.TEXT,
            "the other market of a column of cross_market",
            'relative_strength_20d_ratio.below = 0, relative_strength_20d_ratio.against = "SPX"',
        ),
        "anchor": Relation(
            Takes.TEXT, "where an anchored average begins", 'vwap.above = "close", vwap.anchor = "high_252d"'
        ),
        "profile_window": Relation(
            Takes.TEXT, "which volume profile", 'value_area_low.at = 2000, value_area_low.profile_window = "rolling_60"'
        ),
    }
)
"""Which rows the comparisons of the same measure are about."""


def split(relation: str) -> tuple[str, str] | None:
    """The prefix and the comparison of a relation such as `change_rank_above`; None if it is none."""
    for prefix in PREFIXES:
        base = relation.removeprefix(prefix)
        if relation.startswith(prefix) and base in COMPARISONS:
            return prefix, base
    return None


def all_relations() -> dict[str, Relation]:
    """Every relation of a measure with rows, by the name that a note writes."""
    compared = {prefix + name: relation for prefix in PREFIXES for name, relation in COMPARISONS.items()}
    return compared | dict(OTHERS) | dict(ROWS)
