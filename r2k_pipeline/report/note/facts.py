"""What a note can be about: the columns of the note_* macros at one market's close, and which rules hold there.

Belongs here: the queries. Not here: what is said (rules.toml), how (words.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from r2k_pipeline.errors import LakeError
from r2k_pipeline.holes import GRACE, newest_that_should_be
from r2k_pipeline.quoting import literal
from r2k_pipeline.report.note.rules import Rules
from r2k_pipeline.snapshot import Snapshot

GROUPS: Final = ("asset_manager", "leveraged_funds", "dealer")
"""Trader groups of which a note speaks by name."""
HORIZON: Final = 5
"""Sessions after a setup of which a note speaks."""


@dataclass(frozen=True)
class Source:
    """A relation with one row or none; its columns are facts, with `prefix` before their names."""

    relation: str
    prefix: str = ""

    def query(self, fact: str) -> str:
        """SQL that returns one fact from the warehouse."""
        return f"select {fact.removeprefix(self.prefix)} from {self.relation}"


@dataclass(frozen=True)
class Facts:
    """All facts of one market at one close by name, the sources they are from, and the names of the rules that hold."""

    values: Mapping[str, Any]
    sources: Mapping[str, Source]
    held: frozenset[str]

    def query(self, fact: str) -> str:
        """SQL that returns a fact from the warehouse."""
        return self.sources[fact].query(fact)


def read_facts(snapshot: Snapshot, market: str, rules: Rules) -> Facts:
    """The facts of `market` at its last finished session. Raises LakeError where there is no such market or session."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    frames: list[pl.DataFrame] = []
    for source in _sources(
        market, _close(snapshot, market), newest_that_should_be(snapshot.connection, snapshot.moment)
    ):
        rows = snapshot.ask(f"select found.* from (select 1) left join (from {source.relation}) as found on true").pl()
        named = rows.rename({name: source.prefix + name for name in rows.columns})
        new = named.drop(name for name in named.columns if name in sources)
        frames.append(new)
        sources |= dict.fromkeys(new.columns, source)
        values |= new.row(0, named=True)
    return Facts(values, sources, _held(snapshot, pl.concat(frames, how="horizontal"), rules))


def _close(snapshot: Snapshot, market: str) -> datetime:
    query = "select arg_max(known_at, session_date) from marts.positioning_vs_technicals where market = $market"
    ((close,),) = snapshot.ask(query, market=market).fetchall()
    if close is None:
        known = [name for (name,) in snapshot.ask("select market from marts.markets order by market").fetchall()]
        missing = f"a session known by {snapshot.moment}" if market in known else f"market {market!r}"
        raise LakeError(f"no mart row for {missing}; next: one of {', '.join(known)}, or a later moment")
    return close  # type: ignore[no-any-return]


def _sources(market: str, close: datetime, moment: datetime) -> Iterator[Source]:
    """Every relation of facts; `moment` is that of the snapshot, at which what is missing counts."""
    of, at, now = literal(market), f"timestamptz {literal(close.isoformat())}", literal(moment.isoformat())
    yield Source(f"note_prices({of}, {at})")
    positions = f"note_positions({at}) where market = {of} and trader_group = "
    for group in GROUPS:
        yield Source(f"{positions}{literal(group)}", f"{group}_")
    yield from (Source(f"{name}({of}, {at})") for name in ("note_surprise", "note_levels", "note_contrast"))
    missed = f"data_ends(timestamptz {now}) where market = {of} and due_at + interval {{}} <= timestamptz {now} and "
    hours = literal(f"{GRACE.total_seconds() / 3600:.0f} hours")
    yield Source(f"{missed.format(hours)}kind = 'prices' and role = 'index'", "prices_")
    yield Source(f"{missed.format(literal('0 hours'))}report_type = 'tff_futures'", "reports_")
    ahead = f"released_at > {at} and report_date <= ({at})::date + 8 order by report_date limit 1"
    yield Source(f"(select scheduled_at as due_at from staging.cot_releases where {ahead})", "next_report_")
    setup = f"select setup from positioning_vs_technicals_as_of({at}) where market = {of} and known_at = {at}"
    yield Source(f"marts.setup_outcomes where market = {of} and horizon_sessions = {HORIZON} and setup = ({setup})")


def _held(snapshot: Snapshot, facts: pl.DataFrame, rules: Rules) -> frozenset[str]:
    """Names of the rules whose condition is true: what is not known makes none true."""
    terms = ", ".join(f"({condition}) as {name}" for name, condition in rules.terms.items())
    conditions = ", ".join(f'({rule.when}) as "{rule.name}"' for rule in rules.rules)
    snapshot.connection.register("note_facts", facts.to_arrow())
    try:
        found = snapshot.connection.sql(
            f"with named as (select *, {terms} from note_facts) select {conditions} from named"
        ).pl()
    finally:
        snapshot.connection.unregister("note_facts")
    return frozenset(name for name, holds in found.row(0, named=True).items() if holds)
