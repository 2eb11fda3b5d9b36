"""What a claim may read: a view of each such table, cut at the variable `known`, and macros over them.

Belongs here: the views. Not here: of which tables (tables/claims.py), which rows were known (contracts/clock.py), who
asks (sandbox.py).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from r2k_pipeline.contracts.clock import as_of_macros, select_cut, select_standing
from r2k_pipeline.shipped import shipped
from r2k_pipeline.tables import TABLES, claims

_KNOWN: Final = "getvariable('known')"
READABLE: Final = tuple(table.dotted() for table in claims.READABLE)
"""The tables that a claim may read, by the names they have in the warehouse."""
_BARS: Final = "staging.market_bars"
"""Of this table a claim reads only the current vintage of each session; the others are as in a snapshot."""
_MART: Final = "marts.positioning_vs_technicals"
_BARE: Final = tuple(table.dotted() for table in claims.BARE)
SOURCES: Final = tuple(table.dotted() for table in claims.SOURCES)
"""The tables that all of these are made from."""


def known_views(relations: Mapping[str, str]) -> Iterator[str]:
    """Statements that create every readable table as a view, and the macros place_of, data_ends, as_of and latest.

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
    yield from as_of_macros((*_BARE, _MART))
    for macro in ("place_of", "data_ends", "as_of", "latest"):
        yield shipped(f"sql/macros/{macro}.sql").read_text("utf-8")
