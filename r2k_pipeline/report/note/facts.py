"""The facts of a note: the columns of the note_* macros at a market's close, and the rules that hold there.

Belongs here: the queries. Not here: sentences (rules.toml), their formats (words.py).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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

ROLES: Final = ("institution", "speculator", "hedger")
"""The roles of the trader groups in a note."""
HORIZON: Final = 5
"""Sessions after a setup whose return a note gives."""
OF: Final = "<market>"
"""Stands for the market in a relation: the macros give a row for each market where it is null."""


@dataclass(frozen=True)
class Source:
    """The row of a relation that market and `key` name, or none; its columns, after `prefix`, are facts."""

    relation: str
    key: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    def figure(self, fact: str, value: Any, text: str) -> Figure:
        """A fact as it is written, with the query that returns it."""
        return Figure(value, "", text, self.relation, self.key, fact.removeprefix(self.prefix))

    def of(self, market: str) -> "Source":
        """The same of one market alone."""
        return Source(self.relation.replace(OF, literal(market)), {**self.key, "market": market}, self.prefix)


@dataclass(frozen=True)
class Facts:
    """All facts of one market at one close by name, the sources they are from, and the names of the rules that hold."""

    values: Mapping[str, Any]
    sources: Mapping[str, Source]
    held: frozenset[str]


def read_facts(snapshot: Snapshot, markets: Sequence[str], rules: Rules) -> Iterator[Facts]:
    """The facts of each of `markets` at its last finished session; markets with the same close share each query.

    Raises R2kError for a market that is not there or has no session.
    """
    by_close = defaultdict(list)
    for market, close in _closes(snapshot, markets).items():
        by_close[close].append(market)
    moment = newest_that_should_be(snapshot.connection, snapshot.moment)
    found: dict[str, Facts] = {}
    for close, some in by_close.items():
        found |= _read(snapshot, some, close, moment, rules)
    yield from (found[market] for market in markets)


def _read(
    snapshot: Snapshot, markets: Sequence[str], close: datetime, moment: datetime, rules: Rules
) -> Iterator[tuple[str, Facts]]:
    """The facts of markets with the same close.

    The columns of all sources stand side by side, one row a market; of several with one name the first is the fact.
    """
    of = literal(markets[0]) if len(markets) == 1 else "null"
    listed = ", ".join(map(literal, markets))
    read: dict[str, pl.DataFrame] = {}
    sources: dict[str, Source] = {}
    columns: dict[str, list[pl.DataFrame]] = {market: [] for market in markets}
    for source in _sources(close, moment):
        if source.relation not in read:
            relation = source.relation.replace(OF, of)
            read[source.relation] = snapshot.ask(f"from {relation} where market in ({listed})").pl()
        rows = read[source.relation]
        new = [name for name in rows.columns if source.prefix + name not in sources]
        sources |= {source.prefix + name: source for name in new}
        for market in markets:
            own = rows.filter(**source.of(market).key)
            row = own if own.height else own.clear(n=1)
            columns[market].append(row.select(pl.col(new).name.prefix(source.prefix)))
    facts = pl.concat(pl.concat(parts, how="horizontal") for parts in columns.values())
    held = true_rules(snapshot.connection, facts, rules)
    for market, values, names in zip(markets, facts.iter_rows(named=True), held, strict=True):
        yield market, Facts(values, {name: source.of(market) for name, source in sources.items()}, names)


def _closes(snapshot: Snapshot, markets: Sequence[str]) -> dict[str, datetime]:
    """The last close of each market."""
    query = "select market, arg_max(known_at, session_date) from marts.positioning_vs_technicals group by market"
    closes = dict(snapshot.ask(query).fetchall())
    for market in markets:
        if market not in closes:
            raise no_session(snapshot, market)
    return {market: closes[market] for market in markets}


def _sources(close: datetime, moment: datetime) -> Iterator[Source]:
    """Every relation of facts; `moment` is that of the snapshot, at which what is missing counts."""
    at = literal(close)
    yield Source(f"note_prices({OF}, {at})")
    for role in ROLES:
        yield Source(f"note_positions({at})", {"role": role}, f"{role}_")
    yield from (Source(f"{name}({OF}, {at})") for name in ("note_surprise", "note_levels", "note_contrast"))
    yield Source(f"note_missing({OF}, {literal(moment)})")
    ahead = f"released_at > {at} and report_date <= ({at})::date + 8 order by report_date limit 1"
    due = f"(select scheduled_at as next_report_due_at from staging.cot_releases where {ahead})"
    yield Source("(select market, split_part(primary_report_type, '_', 1) as report_family from marts.markets)")
    yield Source(f"(select market, next_report_due_at from marts.markets cross join {due})")
    # A history that was recorded at once is known at one moment; of the newest session the setup may be null.
    newest = "arg_max_null(setup, session_date) as setup"
    setup = f"(select market, {newest} from positioning_vs_technicals_as_of({at}) group by market)"
    yield Source(
        f"(from marts.setup_outcomes semi join {setup} using (market, setup) where horizon_sessions = {HORIZON})"
    )


def true_rules(connection: duckdb.DuckDBPyConnection, facts: pl.DataFrame, rules: Rules) -> list[frozenset[str]]:
    """For each row of `facts` the names of the rules with a true condition; null is not true."""
    terms = ", ".join(f"({condition}) as {name}" for name, condition in rules.terms.items())
    conditions = ", ".join(f'({rule.when}) as "{rule.name}"' for rule in rules.rules)
    connection.register("note_facts", facts.to_arrow())
    try:
        found = connection.sql(f"with named as (select *, {terms} from note_facts) select {conditions} from named").pl()
    finally:
        connection.unregister("note_facts")
    return [frozenset(name for name, holds in row.items() if holds) for row in found.iter_rows(named=True)]
