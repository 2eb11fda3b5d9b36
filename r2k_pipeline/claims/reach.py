"""How far the data reaches: whether what a reading needs was there at its moment, or is still to come.

Belongs here: which data a reading is about, and from when on more of it was due. Not here: where data ends (known.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from r2k_pipeline.claims.box import Box
from r2k_pipeline.claims.known import READABLE
from r2k_pipeline.claims.note import Definition

_REPORTS: Final = frozenset({"cot_positions", "weekly_positioning"})
_NEITHER: Final = frozenset({"markets", "sessions", "trader_groups"})
_PRICES: Final = frozenset(name.split(".")[1] for name in READABLE) - _NEITHER - _REPORTS
"""Readable tables by what they hold. A row of positioning_vs_technicals is a session's: it says which report it has."""


@dataclass(frozen=True)
class End:
    """The last day of a market's prices, or of its reports of one type, and when the next was due, UTC."""

    kind: str
    market: str
    report_type: str | None
    last_date: date | None
    due_at: datetime | None


@dataclass(frozen=True)
class Ends:
    """Where the data known at `known_at` ends, what was due first before the rest."""

    known_at: datetime
    ends: tuple[End, ...]

    def not_reached(self, definition: Definition, known: datetime) -> str | None:
        """Why a reading cannot be judged at `known` yet; None where it can."""
        if known > self.known_at:
            return f"judged at {known:%Y-%m-%d %H:%M} UTC: not known yet"
        due = (end for end in self._about(definition) if end.due_at is not None and end.due_at <= known)
        missing = next(due, None)
        if missing is None:
            return None
        return f"the {missing.kind} of {missing.market} end at {missing.last_date}: not reached yet"

    def _about(self, definition: Definition) -> Iterable[End]:
        """The ends of what a reading is about: of the markets and report types that it names, or of all."""
        kinds = _kinds(definition)
        markets = {end.market for end in self.ends if _names(definition, end.market)}
        types = {end.report_type for end in self.ends if end.report_type and _names(definition, end.report_type)}
        return (
            end
            for end in self.ends
            if end.kind in kinds
            and (not markets or end.market in markets)
            and (not types or end.report_type in {None, *types})
        )


def read_ends(box: Box, known_at: datetime) -> Ends:
    """The ends of the data that a box shows, as known at `known_at`."""
    return Ends(known_at, tuple(End(**row) for row in box.ends(known_at).to_dicts()))


def _kinds(definition: Definition) -> set[str]:
    """Whether a reading is about prices, reports or both: the tables that its query names; a check reads prices."""
    query = (definition.sql or "").lower()
    about = {"prices": _PRICES, "reports": _REPORTS}
    named = {kind for kind, tables in about.items() if any(table in query for table in tables)}
    return named | {"prices"} if definition.check else named


def _names(definition: Definition, value: str) -> bool:
    return value in definition.parameters.values() or f"'{value}'" in (definition.sql or "")
