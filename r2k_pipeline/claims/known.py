"""What a claim may read: a view of each such table, cut at the variable `known`, and data_ends.

Belongs here: which tables. Not here: which rows were known (contracts/clock.py), who asks (box.py).
"""

from collections.abc import Iterator, Mapping
from typing import Final

import r2k_pipeline.contracts  # noqa: F401  (fills TABLES)
from r2k_pipeline.contracts.clock import as_of_macros, select_cut, select_standing
from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.shipped import shipped

_KNOWN: Final = "getvariable('known')"
READABLE: Final = (
    "staging.daily_prices",
    "staging.cot_positions",
    "staging.market_bars",
    "features.daily_indicators",
    "features.moving_average_crosses",
    "features.swing_pivots",
    "features.volume_profiles",
    "features.consolidations",
    "features.open_ranges",
    "features.level_evidence",
    "features.levels",
    "marts.weekly_positioning",
    "marts.positioning_vs_technicals",
    "marts.markets",
    "marts.sessions",
    "marts.trader_groups",
)
"""The tables that a claim may read, by the names they have in the warehouse."""
_BARS: Final = "staging.market_bars"
"""Of these a claim sees only rows that stood, one bar for each session; the others are as in a snapshot."""
_BARE: Final = ("staging.price_vintages", "marts.positioning_vintages", "staging.cot_releases")
"""Further tables that data_ends reads; it cuts them itself."""
SOURCES: Final = tuple(sorted({TABLES[name].stands_of or name for name in READABLE} | set(_BARE)))
"""The tables that all of these are made from."""


def known_views(relations: Mapping[str, str]) -> Iterator[str]:
    """Statements that create every readable table as a view, and data_ends.

    `relations`: what to select each of SOURCES from.
    """
    for layer in sorted({name.split(".")[0] for name in READABLE}):
        yield f"create schema {layer}"
    for name in READABLE:
        table = TABLES[name]
        select = select_standing if name == _BARS else select_cut
        yield f"create view {name} as {select(table, relations[table.stands_of or name], _KNOWN)}"
    for name in _BARE:
        yield f"create view {name} as from {relations[name]}"
    yield from as_of_macros(_BARE)
    yield shipped("sql/macros/data_ends.sql").read_text("utf-8")
