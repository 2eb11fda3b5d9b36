"""Data that a reading in SQL needs and that was missing at its moment.

Belongs here: which data a reading is about. Not here: where data ends and what is missing (holes.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from r2k_pipeline.claims.definitions import Definition
from r2k_pipeline.claims.known_views import READABLE
from r2k_pipeline.claims.permitted import MACROS
from r2k_pipeline.claims.sandbox import Sandbox
from r2k_pipeline.holes import End, say_holes

_MART: Final = "positioning_vs_technicals"
"""The table whose rows the permitted macros give."""
_JOINED: Final = frozenset({_MART, "cross_market"})
"""Tables that join prices with the positions of each market's primary report."""
_REPORTS: Final = frozenset({"cot_positions", "weekly_positioning"})
_NEITHER: Final = frozenset({"markets", "sessions", "trader_groups"})
_PRICES: Final = frozenset(name.split(".")[1] for name in READABLE) - _NEITHER - _REPORTS
_POSITIONS: Final = re.compile(
    r"(leveraged_funds|asset_manager|institution|speculator|report|open_interest)_|released_at|alignment|setup"
)
"""Columns of the joined tables that are made with positions, by their beginnings."""
_VOLUME: Final = re.compile(r"volume|poc|value_area|level|support|resistance|around_")
"""Tables and columns that are made with the volume of the market's proxy, by a part of their name."""
_VOLUME_CHECKS: Final = frozenset({"anchored_profile"})


def rests_on_reports(column: str) -> bool:
    """Whether a column of the marts that join prices with positions depends on the reports."""
    return _POSITIONS.match(column) is not None


def rests_on_volume(name: str) -> bool:
    """Whether a table or column is made with the volume of the market's proxy."""
    return _VOLUME.search(name) is not None


@dataclass(frozen=True)
class Named:
    """The tables and columns that the query of a reading names, its texts, and the values of its parameters."""

    tables: frozenset[str]
    columns: frozenset[str]
    values: frozenset[object]

    @property
    def reads_positions(self) -> bool:
        """Whether it takes positions from a table that joins them with prices."""
        return bool(self.tables & _JOINED) and any(map(rests_on_reports, self.columns))

    @property
    def reads_volume(self) -> bool:
        """Whether it takes what is made with volumes."""
        return any(map(rests_on_volume, self.tables | self.columns))


class DataEnds:
    """Where a sandbox's data ends, which is as known at `known_at`, and what is missing in it for a reading."""

    def __init__(self, sandbox: Sandbox, known_at: datetime) -> None:
        self.sandbox = sandbox
        self.known_at = known_at
        self._ends: dict[datetime, tuple[End, ...]] = {}

    def say_missing(self, definition: Definition, known: datetime) -> str | None:
        """Why a reading cannot be judged at `known`; None where it can. Raises SandboxError."""
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
        named, ends, primary = self._named(definition), self._ends[known], self.sandbox.tables.primary_reports
        markets = named.values & {end.market for end in ends}
        symbols = named.values & {end.symbol for end in ends}
        types = named.values & {end.report_type for end in ends}

        def is_read(end: End) -> bool:
            if end.kind == "prices":
                roles = {"index", "proxy"} if named.reads_volume else {"index"}
                return bool(named.tables & _PRICES) and (end.symbol in symbols if symbols else end.role in roles)
            if named.tables & _REPORTS:
                return not types or end.report_type in types
            return named.reads_positions and end.report_type in (types or {primary[end.market]})

        return (end for end in ends if (not markets or end.market in markets) and is_read(end))

    def _named(self, definition: Definition) -> Named:
        """What a reading names; a check reads bars. SQL that is none names nothing: it says so when it runs."""
        values = frozenset(definition.parameters.values())
        if definition.sql is None:
            read = frozenset({"volume"} if definition.check in _VOLUME_CHECKS else ())
            return Named(frozenset({"market_bars"}), read, values)
        nodes = self.sandbox.nodes(definition.sql)
        if any(node.get("type") == "STAR" for node in nodes):  # then the condition names columns of tables
            nodes = [*nodes, *self.sandbox.nodes(f"select {definition.holds_when}")]
        tables = {node["table_name"].lower() for node in nodes if "table_name" in node}
        tables |= {_MART for node in nodes if node.get("function_name", "").lower() in MACROS}
        columns = {node["column_names"][-1].lower() for node in nodes if node.get("type") == "COLUMN_REF"}
        texts = {node["literal"].get("text") for node in nodes if node.get("literal", {}).get("kind") == "STRING"}
        return Named(frozenset(tables), frozenset(columns), values | texts)
