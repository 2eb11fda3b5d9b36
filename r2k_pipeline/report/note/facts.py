"""What a note can be about: the columns of the note_* macros at one market's close, and which rules hold there.

Belongs here: the queries. Not here: what is said (rules.toml), how (words.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.holes import newest_that_should_be
from r2k_pipeline.quoting import literal
from r2k_pipeline.report.brief_facts import no_session
from r2k_pipeline.report.brief_statements import Figure
from r2k_pipeline.report.note.rules import Rules
from r2k_pipeline.snapshot import Snapshot

GROUPS: Final = ("asset_manager", "leveraged_funds", "dealer")
"""Trader groups of which a note speaks by name."""
HORIZON: Final = 5
"""Sessions after a setup of which a note speaks."""


@dataclass(frozen=True)
class Source:
    """The row of a relation that `key` names, or none; its columns are facts, with `prefix` before their names."""

    relation: str
    key: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    def figure(self, fact: str, value: Any, text: str) -> Figure:
        """A fact as it is written, with the query that returns it."""
        return Figure(value, "", text, self.relation, self.key, fact.removeprefix(self.prefix))


@dataclass(frozen=True)
class Facts:
    """All facts of one market at one close by name, the sources they are from, and the names of the rules that hold."""

    values: Mapping[str, Any]
    sources: Mapping[str, Source]
    held: frozenset[str]


def read_facts(snapshot: Snapshot, market: str, rules: Rules) -> Facts:
    """The facts of `market` at its last finished session. Raises R2kError where there is no such market or session."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    rows: dict[str, pl.DataFrame] = {}
    frames: list[pl.DataFrame] = []
    moment = newest_that_should_be(snapshot.connection, snapshot.moment)
    for source in _sources(market, _close(snapshot, market), moment):
        if source.relation not in rows:
            rows[source.relation] = snapshot.ask(f"from {source.relation}").pl()
        found = rows[source.relation].filter(**source.key)
        row = found if found.height else found.clear(n=1)
        named = row.rename({name: source.prefix + name for name in row.columns})
        new = named.select(name for name in named.columns if name not in values)
        frames.append(new)
        sources |= dict.fromkeys(new.columns, source)
        values |= new.row(0, named=True)
    return Facts(values, sources, true_rules(snapshot.connection, pl.concat(frames, how="horizontal"), rules))


def _close(snapshot: Snapshot, market: str) -> datetime:
    query = "select arg_max(known_at, session_date) from marts.positioning_vs_technicals where market = $market"
    ((close,),) = snapshot.ask(query, market=market).fetchall()
    if close is None:
        raise no_session(snapshot, market)
    return close  # type: ignore[no-any-return]


def _sources(market: str, close: datetime, moment: datetime) -> Iterator[Source]:
    """Every relation of facts; `moment` is that of the snapshot, at which what is missing counts."""
    of, at = literal(market), f"timestamptz {literal(close.isoformat())}"
    yield Source(f"note_prices({of}, {at})")
    for group in GROUPS:
        yield Source(f"note_positions({at})", {"market": market, "trader_group": group}, f"{group}_")
    yield from (Source(f"{name}({of}, {at})") for name in ("note_surprise", "note_levels", "note_contrast"))
    yield Source(f"note_missing({of}, timestamptz {literal(moment.isoformat())})")
    ahead = f"released_at > {at} and report_date <= ({at})::date + 8 order by report_date limit 1"
    yield Source(f"(select scheduled_at as next_report_due_at from staging.cot_releases where {ahead})")
    setup = f"select setup from positioning_vs_technicals_as_of({at}) where market = {of} and known_at = {at}"
    followed = f"market = {of} and horizon_sessions = {HORIZON} and setup = ({setup})"
    yield Source(f"(from marts.setup_outcomes where {followed})")


def true_rules(connection: duckdb.DuckDBPyConnection, facts: pl.DataFrame, rules: Rules) -> frozenset[str]:
    """Names of the rules whose condition is true of the one row of `facts`: what is not known makes none true."""
    terms = ", ".join(f"({condition}) as {name}" for name, condition in rules.terms.items())
    conditions = ", ".join(f'({rule.when}) as "{rule.name}"' for rule in rules.rules)
    connection.register("note_facts", facts.to_arrow())
    try:
        found = connection.sql(f"with named as (select *, {terms} from note_facts) select {conditions} from named").pl()
    finally:
        connection.unregister("note_facts")
    return frozenset(name for name, holds in found.row(0, named=True).items() if holds)
