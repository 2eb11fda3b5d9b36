"""The inputs of builders and SQL models: declared tables, each in its form, and named values.

Belongs here: reading the lake for them, and no more than they declare. Not here: order and
validation (build.py), what forms are (tables/forms.py), the replay (transforms/replay.py).
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import polars as pl

from r2k_pipeline.claims.note import read_shipped_notes
from r2k_pipeline.continued import grown, published_rows
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table, buckets_of
from r2k_pipeline.market_classes import Role
from r2k_pipeline.markets import Market, read_catalogue
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.release_calendar import build_cot_releases, first_publications
from r2k_pipeline.sources.sessions import build_sessions
from r2k_pipeline.sql_models import MARKETS, SqlModel, run_model
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.builders import Builder, Input
from r2k_pipeline.tables.forms import BySession, Calendar, Facts, Form, Over, Regrown
from r2k_pipeline.tables.registry import DerivedTable
from r2k_pipeline.transforms.epochs import NEVER, Continued, as_first_known
from r2k_pipeline.transforms.replay import regrown
from r2k_pipeline.transforms.setups import Setups, read_setups

MARKETS_AT_ONCE: Final = 6
"""Most markets of one task where a model runs on a few markets at a time: a century of the mart of six, and the query
that makes it, take 230 MB. With fewer, planning the query costs more than it saves."""
PUBLISHED_UNTIL: Final = "published_until"
"""The variable of a model that grows: it makes only rows known later. NEVER: it makes all rows."""
WITHOUT_PRICES: Final = 1 / 5
"""Weight of a market without prices in a task: it has reports of decades, but no sessions. With eight of these at a
time, planning the queries took two thirds of the CPU of the positioning of 350 markets."""


@dataclass(frozen=True)
class Values:
    """The values that a builder may name beside tables; each is computed only when it is read."""

    run: Run

    @property
    def as_of(self) -> datetime:
        """The tables have the rows known by this moment."""
        return self.run.as_of

    @property
    def today(self) -> date:
        """The day, UTC."""
        return self.run.clock().date()

    @property
    def markets(self) -> tuple[Market, ...]:
        """The configured markets."""
        return self.run.markets

    @property
    def catalogue(self) -> tuple[Market, ...]:
        """The markets of the catalogue, and those of a user's own files."""
        return tuple((read_catalogue().markets | {market.market: market for market in self.run.markets}).values())

    @property
    def trader_roles(self) -> Mapping[Role, tuple[str, ...]]:
        """The trader groups of each role."""
        return read_catalogue().roles

    @property
    def profile_since(self) -> tuple[date, ...]:
        """First days of a user's own profiles."""
        return self.run.settings.profile_since

    @property
    def setups(self) -> Setups:
        """The rules of setups.toml."""
        return read_setups()

    @property
    def calendar(self) -> Calendar:
        """The exchanges' calendars and the release ledger."""
        return Calendar(build_sessions, build_cot_releases)

    @property
    def published(self) -> tuple[type[Table], ...]:
        """The tables of the warehouse, by name."""
        return tuple(table for _, table in sorted(TABLES.items()) if table.layer in PUBLISHED_LAYERS)


def rows_and_kept(run: Run, derived: DerivedTable) -> Iterator[tuple[pl.DataFrame, list[Path]]]:
    """The rows of a table to write, and the parts of the last generation that stay unchanged beside them.

    A table that grows comes a bucket of markets at a time (see `buckets_of`): a model with all rows, a builder with
    those of the parts that change. A model by market comes some markets at a time, any other table whole.
    """
    made = derived.made
    if isinstance(made, SqlModel):
        of_model = _rows_by_bucket if derived.table.grows else rows_of_model
        yield from ((rows, []) for rows in of_model(run, made))
    elif isinstance(made.replayed, BySession):
        given = _given_to(run, made)
        for bucket, bars in enumerate(run.known_by_bucket):
            yield grown(run.lake, made.table, bucket, made.rows(given, bars), bars)
    else:
        yield _of_builder(run, made), []


@dataclass(frozen=True)
class Task:
    """One execution of a model: the `markets` whose rows it makes (None: all), known after `known_after`."""

    markets: Sequence[str] | None
    known_after: datetime = NEVER


def rows_of_model(run: Run, model: SqlModel, at_once: int = MARKETS_AT_ONCE) -> Iterator[pl.DataFrame]:
    """The rows of a SQL model over the files of its upstreams; `at_once`: how many markets a task has at most."""
    tasks = [Task(None)]
    if model.is_by_market:
        markets = sorted(run.markets, key=lambda market: market.market)
        tasks = [Task(batch) for batch in batches(markets, at_once)]
    return _in_tasks(run, model, tasks)


def _rows_by_bucket(run: Run, model: SqlModel) -> Iterator[pl.DataFrame]:
    """The rows of a model that grows, a bucket of markets with prices at a time.

    For buckets that continue, the published rows are taken, and one query for all makes the rows known since.
    """
    table, continued = TABLES[model.name], run.continued_in_marts
    buckets = buckets_of([market.market for market in run.markets if market.index])
    continuing = _continuing(model, buckets, continued)
    made_since = table.create_empty()
    if continued is not None and continuing:
        (rows,) = _in_tasks(run, model, [Task(list(chain(*continuing)), continued.until)])
        made_since = table.cast(rows)
    made_whole = _in_tasks(run, model, [Task(bucket) for bucket in buckets if bucket not in continuing])
    for bucket in buckets:
        if bucket in continuing:
            new = made_since.filter(pl.col("market").is_in(bucket))
            yield pl.concat([published_rows(run.lake, table, bucket), new]).sort(table.primary_key())
        else:
            yield next(made_whole)


def _continuing(model: SqlModel, buckets: list[Sequence[str]], continued: Continued | None) -> list[Sequence[str]]:
    """The buckets whose markets all continue.

    A row of a model that reads the list of markets is of several markets: if one of these does not continue, or was
    taken out, no bucket does.
    """
    if continued is None:
        return []
    continuing = [bucket for bucket in buckets if continued.markets.issuperset(bucket)]
    has_rows_of_several = MARKETS in model.variables
    all_continue = continuing == buckets and not continued.gone
    return [] if has_rows_of_several and not all_continue else continuing


def _in_tasks(run: Run, model: SqlModel, tasks: Sequence[Task]) -> Iterator[pl.DataFrame]:
    """The rows of a model for each task, in order.

    One task runs on each processor; the next tasks start when these rows were taken.
    """
    files = {name: run.lake.files(name) for name in model.upstreams}
    empty = {name: TABLES[name].create_empty() for name in model.upstreams}
    variables, processors = variables_of(model, Values(run)), os.cpu_count() or 1
    threads = None if len(tasks) == 1 else 1

    def rows_of(task: Task) -> pl.DataFrame:
        given = variables | ({PUBLISHED_UNTIL: task.known_after} if PUBLISHED_UNTIL in variables else {})
        memory = run.settings.memory_limit
        return run_model(model, files, given, memory_limit=memory, empty=empty, markets=task.markets, threads=threads)

    with ThreadPoolExecutor(processors) as pool:
        for start in range(0, len(tasks), processors):
            yield from pool.map(rows_of, tasks[start : start + processors])


def variables_of(model: SqlModel, values: Values) -> dict[str, Any]:
    """The variables of a model (getvariable): the moment, the markets, families of reports, setups.toml."""
    return {name: _variable(name, values) for name in model.variables}


def _variable(name: str, values: Values) -> Any:
    match name:
        case "as_of":
            return values.as_of
        case "markets":
            return [market.market for market in values.markets]
        case "first_publications":
            return first_publications()
        case name if name == PUBLISHED_UNTIL:
            return NEVER
        case _:
            return values.setups.variables()[name]


def batches(markets: Sequence[Market], at_once: int) -> list[list[str]]:
    """Names of markets in parts of even weight, each of at most `at_once`; a market without prices weighs less."""
    weights = [1 if market.index else WITHOUT_PRICES for market in markets]
    total = sum(weights)
    count = max(math.ceil(total / at_once), 1)
    parts: list[list[str]] = [[] for _ in range(count)]
    before: float = 0
    for market, weight in zip(markets, weights, strict=True):
        parts[int(before * count / total)].append(market.market)
        before += weight
    return [part for part in parts if part]


def _given_to(run: Run, builder: Builder) -> dict[str, Any]:
    """The inputs and values of a builder, by parameter, that do not depend on a series of bars."""
    given = {each.name: _given(run, each) for each in builder.given}
    return given | {name: getattr(Values(run), name) for name in builder.values}


def _of_builder(run: Run, builder: Builder) -> pl.DataFrame:
    """All rows of a table that does not grow; for facts also those that the last generation published."""
    given = _given_to(run, builder)
    if builder.replayed is None:
        return builder.rows(given)
    assert isinstance(builder.replayed, Facts)
    published: pl.DataFrame = builder.table.create_empty()
    if run.continued is not None:
        published = published_rows(run.lake, builder.table, run.continued.markets)
    buckets = []
    for bars in run.known_by_bucket:
        before = published.join(bars.first_known, on="market", how="semi", maintain_order="left")
        buckets.append(builder.rows(given, bars, before))
    if len(buckets) == 1:
        return buckets[0]
    return pl.concat(buckets).sort("market", builder.replayed.dated, maintain_order=True)


def _given(run: Run, wanted: Input) -> Any:
    """One input that does not depend on a series of bars."""
    match wanted.form:
        case Over():
            return partial(_judge, run, wanted.form)
        case Regrown(make=make):
            return regrown(make)
        case Form.FIRST_KNOWN:
            return as_first_known(run.lake.read(MarketBars))
    assert wanted.table is not None
    if wanted.form is Form.SCANNED:
        return run.lake.scan(wanted.table, wanted.columns)
    return run.lake.read(wanted.table, wanted.columns)


def _judge(run: Run, tables: Over, known_at: datetime) -> list[Mapping[str, object]]:
    """The verdicts on the shipped notes, from tables that are about to be published. Raises MistakesError."""
    from r2k_pipeline.claims.sandbox import Sandbox  # noqa: PLC0415  (checks import numba)
    from r2k_pipeline.claims.verdicts import judge_notes  # noqa: PLC0415

    files = {table.dotted(): run.lake.files(table.dotted()) for table in tables}
    with Sandbox.over_files(files, is_shipped=True) as sandbox:
        return list(judge_notes(read_shipped_notes(), sandbox, known_at))
