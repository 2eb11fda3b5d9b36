"""Builders: the function that makes each table, and its inputs by the function's annotations.

Belongs here: reading inputs from a signature, calling a builder. Not here: the tables, who reads
the lake for them (inputs.py).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar, get_args, get_type_hints

import polars as pl

from r2k_pipeline.contracts.table import Table
from r2k_pipeline.tables.forms import OF_REPLAY, BySession, Columns, Facts, Form, Over, Regrown
from r2k_pipeline.transforms.epochs import KnownBars
from r2k_pipeline.transforms.replay import replay, replay_facts, standing

Function = TypeVar("Function", bound=Callable[..., pl.DataFrame])


@dataclass(frozen=True)
class Input:
    """One parameter of a builder that is made from tables."""

    name: str
    form: Form | Regrown | Over
    table: type[Table] | None = None
    columns: Columns | None = None

    def upstreams(self) -> Iterable[type[Table]]:
        """The tables that must be there before it is."""
        if isinstance(self.form, Over):
            return self.form
        if isinstance(self.form, Regrown):
            return {table for wanted in inputs_of(self.form.make) for table in wanted.upstreams()}
        assert self.table is not None
        return BUILDERS[self.table].upstreams if self.form is Form.REBUILT else (self.table,)


def inputs_of(function: Callable[..., Any]) -> tuple[Input, ...]:
    """The parameters of a function whose annotations name tables, in their order."""
    hints = get_type_hints(function, include_extras=True)
    found = (_input(name, hint) for name, hint in hints.items())
    return tuple(each for each in found if each is not None)


def _input(name: str, hint: Any) -> Input | None:
    """The input that an annotation such as `Annotated[DataFrame[Levels], Form.STORED, Columns("market")]` declares."""
    annotations = getattr(hint, "__metadata__", ())
    form = next((each for each in annotations if isinstance(each, Form | Regrown | Over)), None)
    if not isinstance(form, Form):
        return None if form is None else Input(name, form)
    (table,) = get_args(hint.__origin__)
    return Input(name, form, table, next((each for each in annotations if isinstance(each, Columns)), None))


@dataclass(frozen=True)
class Builder:
    """The function that makes a table, and how it is replayed (None: it is made once, of tables as they are).

    An example: `levels(bars: Series[MarketBars], indicators: Rebuilt[DailyIndicators], evidence:
    Standing[LevelEvidence], since: date | None)` is replayed BySession. The evidence is `given`: it is read once. For
    each epoch of the bars the function is called with `bars`, the series of the epoch; `indicators`, what their own
    builder makes of this series; `evidence`, the pieces that stood at its last session; `since`, the first session
    wanted.
    """

    table: type[Table]
    function: Callable[..., pl.DataFrame]
    replayed: BySession | Facts | None

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Its parameters that are made from tables."""
        return inputs_of(self.function)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Its other parameters: settings, markets, moment, calendar."""
        tables = {parameter.name for parameter in self.inputs}
        return tuple(name for name in self._parameters if name not in tables and name not in OF_REPLAY)

    @cached_property
    def upstreams(self) -> tuple[type[Table], ...]:
        """The tables that must be there before it is made, by name."""
        read = {table for parameter in self.inputs for table in parameter.upstreams()} - {self.table}
        return tuple(sorted(read, key=lambda table: table.dotted()))

    @cached_property
    def given(self) -> tuple[Input, ...]:
        """The inputs that are the same for all series of a replay."""
        others = (parameter for parameter in self.inputs if parameter.form not in (Form.SERIES, Form.REBUILT))
        return tuple(parameter for parameter in others if not self._is_own(parameter))

    @property
    def reads_bars(self) -> bool:
        """Whether it is made of the markets' bars as they became known."""
        return self.replayed is not None or any(parameter.form is Form.FIRST_KNOWN for parameter in self.inputs)

    def rows(
        self, given: Mapping[str, Any], bars: KnownBars | None = None, published: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The table, from `given`: its `given` inputs and its values by parameter.

        A replayed table is made from `bars`. Of markets that continue, rows by session are the new ones alone; facts
        are all of them, those `published` before included.
        """
        if self.replayed is None:
            return self.function(**given)
        assert bars is not None
        if isinstance(self.replayed, Facts):
            return self._facts(self.replayed, given, bars, published)
        return self._rows_by_session(self.replayed, given, bars)

    def _facts(
        self, how: Facts, given: Mapping[str, Any], bars: KnownBars, published: pl.DataFrame | None
    ) -> pl.DataFrame:
        own = [parameter.name for parameter in self.inputs if self._is_own(parameter)]

        def build(series: pl.DataFrame, stood: pl.DataFrame, extends: bool) -> pl.DataFrame:
            return self.rows_of_series(series, {**given, **dict.fromkeys(own, stood), "extends": extends})

        empty = self.table.create_empty()
        return replay_facts(
            bars, build, empty, how.dated, how.identity, reads_volume=how.reads_volume, published=published
        )

    def _rows_by_session(self, how: BySession, given: Mapping[str, Any], bars: KnownBars) -> pl.DataFrame:
        alongside = [parameter.name for parameter in self.inputs if parameter.form is Form.ALONGSIDE]

        def build(series: pl.DataFrame, since: object, *rows: pl.DataFrame) -> pl.DataFrame:
            return self.rows_of_series(series, {**given, "since": since, **dict(zip(alongside, rows, strict=True))})

        reads = [given[name] for name in alongside]
        return replay(bars, build, self.table.create_empty(), reads_volume=how.reads_volume, reads=reads)

    def rows_of_series(self, series: pl.DataFrame, given: Mapping[str, Any]) -> pl.DataFrame:
        """The rows of plain series of bars, one a market; `given` are the inputs not made from the series."""
        values = {name: given[name] for name in self._parameters if name in given}
        return self.function(**values | {each.name: self._made_of(series, each, given) for each in self.inputs})

    def _made_of(self, series: pl.DataFrame, wanted: Input, given: Mapping[str, Any]) -> Any:
        """One input for a series."""
        if wanted.form is Form.SERIES:
            return series
        if wanted.form is Form.REBUILT and wanted.table is not None:
            return BUILDERS[wanted.table].rows_of_series(series, {})
        if wanted.form is Form.STANDING and wanted.table is not None and not self._is_own(wanted):
            facts = BUILDERS[wanted.table].replayed
            assert isinstance(facts, Facts)
            return standing(given[wanted.name], series, facts.dated)
        return given[wanted.name]

    def _is_own(self, wanted: Input) -> bool:
        """Whether it is the table's own facts that stand: the replay gives them anew for each series."""
        return wanted.form is Form.STANDING and wanted.table is self.table

    @cached_property
    def _parameters(self) -> tuple[str, ...]:
        return tuple(name for name in get_type_hints(self.function) if name != "return")


BUILDERS: Final[dict[type[Table], Builder]] = {}
"""The builder of each table made in Python, filled as the modules of tables are imported."""


def builds(table: type[Table], replayed: BySession | Facts | None = None) -> Callable[[Function], Function]:
    """Register the decorated function as the builder of `table`; it stays a plain function."""

    def named(function: Function) -> Function:
        BUILDERS[table] = Builder(table, function, replayed)
        return function

    return named
