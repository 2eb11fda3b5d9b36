"""Measures that are not columns: positions by side, prices of the day, levels, crosses, moves, ranges.

Belongs here: their names, units, meanings and, if only their own apply, their relations. Not here: how they are
judged (known_rows.py, structures.py).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.relations import Relation, Takes
from r2k_pipeline.contracts.units import Unit

ROLES: Final = "support|resistance"
CROSS: Final = r"(\d+x\d+ )?(up|down)|\d+x\d+"

DERIVED: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Measure(
                "price",
                "number",
                Unit.POINTS,
                "the index: during the day (low to high) and at the close",
                derived="price",
            ),
            *(
                Measure(
                    side,
                    "number",
                    Unit.EQUIVALENTS,
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
                "swing_high",
                "number",
                Unit.POINTS,
                "confirmed swing highs, as features.swing_pivots",
                derived="swing_high",
            ),
            Measure("swing_low", "number", Unit.POINTS, "confirmed swing lows", derived="swing_low"),
            Measure(
                "level",
                "number",
                Unit.POINTS,
                "a swing of the last 300 sessions that a zone of features.levels holds",
                derived="level",
                needs=("at",),
                own_relations={
                    "at": Relation(Takes.NUMBER, "a swing within a quarter of a percent", "level.at = 1924"),
                    "role": Relation(Takes.TEXT, "support or resistance", 'level.role = "support"', ROLES),
                },
            ),
            Measure(
                "cross",
                "text",
                "day",
                "crosses of averages: fast x slow and direction",
                derived="cross",
                own_relations={
                    "is": Relation(
                        Takes.TEXT,
                        "which; without lengths any of SMA 50, 100, 200; without it up or down",
                        'cross.is = "50x200 down"',
                        CROSS,
                    ),
                    "on": Relation(
                        Takes.DAY, "such a cross at that close; without it, the last one", "cross.on = 2025-03-13"
                    ),
                    "since": Relation(Takes.SINCE, "some such cross from that day on", "cross.since = 2025-03-01"),
                    "count_is": Relation(Takes.NUMBER, "how many such crosses there were", "cross.count_is = 24"),
                    "within": Relation(Takes.COUNTS, "one in the next sessions", "cross.within = 20"),
                },
            ),
            Measure(
                "move",
                "number",
                Unit.RATIO,
                "from one day to another, by extremes and by closes",
                derived="move",
                needs=("from",),
                compares=("is", "above", "below"),
                own_relations={
                    "from": Relation(Takes.DAY, "the first day", "move.from = 2022-01-04"),
                    "to": Relation(Takes.DAY, "the last day, if not the moment's session", "move.to = 2022-10-13"),
                    "is": Relation(Takes.NUMBER, "its size, in percent", 'move.is = "-27.54 %"'),
                    "above": Relation(Takes.NUMBER, "more than", 'move.above = "10 %"'),
                    "below": Relation(Takes.NUMBER, "less than", 'move.below = "-10 %"'),
                },
            ),
            Measure(
                "retracement",
                "number",
                Unit.POINTS,
                "the price at which a ratio of a move is retraced, by extremes and by closes",
                derived="retracement",
                needs=("from", "to", "ratio", "is"),
                own_relations={
                    "from": Relation(Takes.DAY, "where the move began", "retracement.from = 2022-01-04"),
                    "to": Relation(Takes.DAY, "where it ended", "retracement.to = 2022-10-13"),
                    "ratio": Relation(Takes.NUMBER, "the part retraced", "retracement.ratio = 0.236"),
                    "is": Relation(Takes.NUMBER, "the price", "retracement.is = 3804.76"),
                },
            ),
            Measure(
                "range",
                "number",
                Unit.POINTS,
                "a span of sessions: the band of its closes, 1st to 99th percentile",
                derived="range",
                needs=("from", "to"),
                compares=("low", "high"),
                own_relations={
                    "from": Relation(Takes.DAY, "its first session", "range.from = 2023-12-13"),
                    "to": Relation(Takes.DAY, "its last session", "range.to = 2024-07-09"),
                    "low": Relation(Takes.NUMBER, "lower edge, within half a percent", "range.low = 1927"),
                    "high": Relation(Takes.NUMBER, "upper edge, within half a percent", "range.high = 2117"),
                },
            ),
            *(
                Measure(
                    name,
                    "day",
                    "day",
                    f"the session after the {extreme} close of the last 20, 60 or 252 sessions",
                    derived=name,
                    needs=("on",),
                    own_relations={"on": Relation(Takes.DAY, "the day on which it began", f"{name}.on = 2025-02-19")},
                )
                for name, extreme in (("decline", "highest"), ("rise", "lowest"))
            ),
            Measure(
                "poc",
                "number",
                Unit.POINTS,
                "the point of control of daily bars since a day, in bins of 5 points",
                derived="poc",
                needs=("since",),
                compares=("near", "above", "below"),
                own_relations={
                    "since": Relation(Takes.SINCES, "the first day in it", "poc.since = 2024-12-13"),
                    "near": Relation(Takes.NUMBER, "within half an ATR", "poc.near = 2284"),
                    "above": Relation(Takes.OPERAND, "above a number or a measure", 'poc.above = "close"'),
                    "below": Relation(Takes.OPERAND, "below a number or a measure", 'poc.below = "close"'),
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
"""By name. One without `own_relations` takes all relations."""
