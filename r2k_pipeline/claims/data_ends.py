"""Data that a reading in SQL needs and that was missing at its moment.

Belongs here: which data a reading is about. Not here: where data ends and what is missing (holes.py).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from r2k_pipeline.claims.definitions import Definition
from r2k_pipeline.claims.known_views import READABLE
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.holes import End, say_holes

_REPORTS: Final = frozenset({"cot_positions", "weekly_positioning"})
_NEITHER: Final = frozenset({"markets", "sessions", "trader_groups"})
_PRICES: Final = frozenset(name.split(".")[1] for name in READABLE) - _NEITHER - _REPORTS
"""Readable tables by content; a row of positioning_vs_technicals has prices and, in _POSITIONS, positions."""
_MACROS: Final = re.compile(r"\b(latest|as_of)\s*\(")
"""Macros whose rows are those of positioning_vs_technicals."""
_POSITIONS: Final = re.compile(
    r"(leveraged_funds|asset_manager|institution|speculator|report)_|released_at|alignment|setup"
)
_VOLUME: Final = re.compile(r"volume|poc_|value_area|level|support|resistance")
"""Columns and tables that are made with the volume of the market's proxy."""


def rests_on_reports(column: str) -> bool:
    """Whether a column of the marts that join prices with positions depends on the reports."""
    return _POSITIONS.match(column) is not None


class DataEnds:
    """Where a sandbox's data ends, which is as known at `known_at`, and what is missing in it for a reading."""

    def __init__(self, sandbox: Sandbox, known_at: datetime) -> None:
        self.sandbox = sandbox
        self.known_at = known_at
        self._ends: dict[datetime, tuple[End, ...]] = {}

    def say_missing(self, definition: Definition, known: datetime) -> str | None:
        """Why a reading cannot be judged at `known`; None where it can."""
        if known > self.known_at:
            return f"judged at {known:%Y-%m-%d %H:%M} UTC: not known yet"
        return "; ".join(say_holes(self._about(definition, known))) or None

    def say_windows(self, definition: Definition, known: datetime) -> str | None:
        """The sentence about days missing within the windows that end at `known`; None if there are none."""
        return "; ".join(filter(None, (end.window() for end in self._about(definition, known)))) or None

    def _about(self, definition: Definition, known: datetime) -> Iterator[End]:
        """The ends of the data of a reading: of the markets, symbols and report types that it names, or of all."""
        if known not in self._ends:
            self._ends[known] = self.sandbox.ends(known)
        ends, kinds = self._ends[known], _kinds(definition)
        markets = _named(definition, (end.market for end in ends))
        symbols = _named(definition, (end.symbol for end in ends))
        types = _named(definition, (end.report_type for end in ends)) or _type_of_mart(definition)
        for end in ends:
            if end.kind in kinds and (not markets or end.market in markets):
                is_meant = end.symbol in symbols if symbols else end.role == "index" or _reads_volume(end, definition)
                if is_meant if end.kind == "prices" else not types or end.report_type in types:
                    yield end


def _kinds(definition: Definition) -> set[str]:
    """Whether a reading is about prices, reports or both: the tables that its query names; a check reads prices."""
    query = _query(definition)
    about = {"prices": _PRICES, "reports": _REPORTS}
    named = {kind for kind, tables in about.items() if any(table in query for table in tables)}
    named |= {"prices"} if definition.check else set()
    return named | {"reports"} if _type_of_mart(definition) else named


def _query(definition: Definition) -> str:
    """The SQL, with the table in the place of a macro over it."""
    return _MACROS.sub("marts.positioning_vs_technicals (", (definition.sql or "").lower())


def _type_of_mart(definition: Definition) -> set[str]:
    """The type of the reports whose positions a reading takes from the mart, if it does."""
    query = _query(definition)
    is_of_mart = "positioning_vs_technicals" in query and _POSITIONS.search(query)
    return {"tff_futures"} if is_of_mart and not any(table in query for table in _REPORTS) else set()


def _reads_volume(end: End, definition: Definition) -> bool:
    text = f"{definition.sql or ''} {definition.check or ''}".lower()
    return end.role == "proxy" and (definition.check == "anchored_profile" or _VOLUME.search(text) is not None)


def _named(definition: Definition, values: Iterable[str | None]) -> set[str]:
    said = definition.parameters.values()
    return {v for v in values if v is not None and (v in said or f"'{v}'" in (definition.sql or ""))}
