"""What was known at a moment, as SQL: one view for each table that a claim may read, cut at the variable `known`.

Belongs here: which rows of a published table were known when. Not here: who asks (box.py), what tables hold (sql/).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from r2k_pipeline.shipped import shipped
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.claims import SOURCES as TABLES_READ

_KNOWN: Final = "known_at <= getvariable('known')"
_STANDING: Final = f"{_KNOWN} and (superseded_at is null or superseded_at > getvariable('known'))"
_BARS: Final = "staging.market_bars"


class _View(NamedTuple):
    """Where a view's rows come from, and which of them were known."""

    source: str
    where: str


_LATER: Final = {
    "superseded_at": ("superseded_at",),
    "withdrawn_at": ("withdrawn_at", "withdrawn_date"),
    "volume_known_at": ("volume_known_at", "volume", "volume_symbol"),
}
"""Columns that become known later than their row, by the column that says when."""
_VIEWS: Final[Mapping[str, _View]] = {
    "staging.daily_prices": _View("staging.price_vintages", f"{_STANDING} and not is_withdrawn"),
    "staging.cot_positions": _View("staging.cot_position_vintages", f"{_STANDING} and not is_withdrawn"),
    _BARS: _View(_BARS, _STANDING),
    "features.daily_indicators": _View("features.daily_indicators", _KNOWN),
    "features.moving_average_crosses": _View("features.moving_average_crosses", _KNOWN),
    "features.swing_pivots": _View("features.swing_pivots", _KNOWN),
    "features.volume_profiles": _View("features.volume_profiles", _KNOWN),
    "features.consolidations": _View("features.consolidations", _KNOWN),
    "features.open_ranges": _View("features.open_ranges", _KNOWN),
    "features.level_evidence": _View("features.level_evidence", _KNOWN),
    "features.levels": _View("features.levels", _KNOWN),
    "marts.weekly_positioning": _View("marts.positioning_vintages", _STANDING),
    "marts.positioning_vs_technicals": _View("marts.positioning_vs_technicals", _KNOWN),
    **{name: _View(name, "true") for name in ("marts.markets", "marts.sessions", "marts.trader_groups")},
}
READABLE: Final = tuple(_VIEWS)
"""The tables that a claim may read, by the names they have in the warehouse."""
_RELEASES: Final = "staging.cot_releases"
_BARE: Final = ("staging.price_vintages", "marts.positioning_vintages", _RELEASES)
"""What data_ends reads beside them; it cuts them itself."""
SOURCES: Final = tuple(table.dotted() for table in TABLES_READ)
"""The tables that those are made from."""


def known_views(relations: Mapping[str, str]) -> Iterator[str]:
    """Statements that create every readable table as a view, and data_ends.

    `relations`: what to select each of SOURCES from.

    A row that was revised after the moment `known` stands, as it did then: what became known of it later is null.
    """
    for layer in sorted({name.split(".")[0] for name in _VIEWS}):
        yield f"create schema {layer}"
    for name, view in _VIEWS.items():
        columns = ", ".join(_as_it_was(TABLES[name].column_names()))
        yield f"create view {name} as select {columns} from {relations[view.source]} where {view.where}"
    for name in _BARE:
        yield f"create view {name} as from {relations[name]}"
    yield shipped("sql/macros/data_ends.sql").read_text("utf-8")


def _as_it_was(columns: Sequence[str]) -> Iterator[str]:
    """The columns of a row, null where they were known later than at the moment."""
    later = {name: at for at, names in _LATER.items() if at in columns for name in names}
    for name in columns:
        at = later.get(name)
        yield name if at is None else f"case when {at} <= getvariable('known') then {name} end as {name}"
