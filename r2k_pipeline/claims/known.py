"""What was known at a moment, as SQL: one view for each table that a claim may read, cut at the variable `known`.

Belongs here: which rows of a published table were known when. Not here: who asks (box.py), what tables hold (sql/).
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import r2k_pipeline.contracts  # noqa: F401  (fills TABLES)
from r2k_pipeline.contracts.table import TABLES

_KNOWN: Final = "known_at <= getvariable('known')"
_STANDING: Final = f"{_KNOWN} and (superseded_at is null or superseded_at > getvariable('known'))"
_BARS: Final = "staging.market_bars"


class _View(NamedTuple):
    """Where a view's rows come from, and which of them were known."""

    source: str
    where: str


def _dated(table: str, day: str = "session_date") -> dict[str, _View]:
    """A feature: its rows are known with the first vintage of the bar of their day."""
    return {table: _View(table, f"(market, {day}) in (select (market, session_date) from {{bars}} where {_KNOWN})")}


_VIEWS: Final[Mapping[str, _View]] = {
    "staging.daily_prices": _View("staging.price_vintages", f"{_STANDING} and not is_withdrawn"),
    "staging.cot_positions": _View("staging.cot_position_vintages", f"{_STANDING} and not is_withdrawn"),
    _BARS: _View(_BARS, _STANDING),
    **_dated("features.daily_indicators"),
    **_dated("features.moving_average_crosses"),
    **_dated("features.swing_pivots", "confirmed_date"),
    **_dated("features.volume_profiles"),
    **_dated("features.consolidations", "confirmed_date"),
    **_dated("features.open_ranges"),
    **_dated("features.levels"),
    "marts.weekly_positioning": _View("marts.positioning_vintages", _STANDING),
    "marts.positioning_vs_technicals": _View("marts.positioning_vs_technicals", _KNOWN),
    **{name: _View(name, "true") for name in ("marts.markets", "marts.sessions", "marts.trader_groups")},
}
READABLE: Final = tuple(_VIEWS)
"""The tables that a claim may read, by the names they have in the warehouse."""
SOURCES: Final = tuple(sorted({view.source for view in _VIEWS.values()}))
"""The tables that those are made from."""


def known_views(relations: Mapping[str, str]) -> Iterator[str]:
    """Statements that create every readable table as a view; `relations`: what to select each of SOURCES from.

    A row that was revised after the moment `known` stands, as it did then: `superseded_at` is null.
    """
    for layer in sorted({name.split(".")[0] for name in _VIEWS}):
        yield f"create schema {layer}"
    for name, view in _VIEWS.items():
        columns = ", ".join(
            "null::timestamptz as superseded_at" if column == "superseded_at" else column
            for column in TABLES[name].column_names()
        )
        where = view.where.format(bars=relations[_BARS])
        yield f"create view {name} as select {columns} from {relations[view.source]} where {where}"
