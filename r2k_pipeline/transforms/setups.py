"""Definitions of states and setups: reads setups.toml, checks it against the contract of the mart, writes it as SQL.

Belongs here: validation, with messages that name the key and what is allowed, and the query that names states.
Not here: limits and rules (setups.toml), the columns that they are about (sql/marts/positioning_vs_technicals.sql).
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, model_validator

from r2k_pipeline.contracts.columns import choices_of
from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.errors import MistakesError
from r2k_pipeline.mistakes import Strict, say_mistakes
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_syntax import nodes_of

SETUPS_FILE: Final = shipped("setups.toml")
SOURCE: Final = "joined"
"""The CTE whose rows are named; it has every column of the mart but those that are named here."""
NAMED: Final = ("setup", "setup_fact_1", "setup_fact_2", "setup_fact_3", "setups_held")
NO_SETUP: Final = "none"
SEPARATOR: Final = ", "
"""Separator of the names of setups that hold at one close."""
ALWAYS: Final = "true"
"""The condition of a state that only requires its columns to be known."""
Facts = tuple[str, str, str]


class PositioningLimits(Strict):
    """Percentiles that divide the five positioning states, ascending."""

    extreme_short: float = Field(ge=0)
    short: float
    long: float
    extreme_long: float = Field(le=100)

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if not self.extreme_short < self.short < self.long < self.extreme_long:
            raise ValueError("must ascend: extreme_short < short < long < extreme_long")
        return self


class Rule(Strict):
    """A name and the predicate that gives it."""

    name: str
    when: str


class State(Strict):
    """One column: the first rule that holds; null where a required column is, and where `only_when` does not hold."""

    requires: tuple[str, ...] = Field(min_length=1)
    only_when: str = ALWAYS
    rules: tuple[Rule, ...] = Field(min_length=1)
    otherwise: str


class Setup(Strict):
    """A named moment: when it holds, and the three facts that made it."""

    when: str
    facts: Facts


class NoSetup(Strict):
    """Columns and conditions required before setups, or their absence, are known; the facts to show without a setup."""

    requires: tuple[str, ...] = Field(min_length=1)
    only_when: str = ALWAYS
    facts: Facts


class CrossMarket(Strict):
    """The markets with which every market is compared."""

    benchmarks: tuple[str, ...]


class OutcomeRules(Strict):
    """Fewest independent events for a statistic; bootstrap replicates and seed; the largest significant q-value."""

    minimum_events: Annotated[int, Field(ge=2)]
    draws: Annotated[int, Field(ge=100)]
    false_discovery_rate: float = Field(gt=0, lt=1)
    seed: int


class Setups(Strict):
    """All of setups.toml."""

    positioning_limits: PositioningLimits
    thresholds: dict[str, float]
    cross_market: CrossMarket
    outcomes: OutcomeRules
    states: dict[str, State]
    setups: dict[str, Setup]
    none: NoSetup

    def names(self) -> tuple[str, ...]:
        """Every setup, in the order in which they are tried."""
        return tuple(self.setups)

    def query(self) -> str:
        """SELECT that adds states, setup and facts to the rows of the CTE `joined`."""
        limits = ", ".join(f"{value!r}::double as {name}" for name, value in self.thresholds.items())
        columns = [f"{_case(state)} as {name}" for name, state in self.states.items()]
        known = _known(self.none)
        tries = [(name, f"'{name}'", *setup.facts) for name, setup in self.setups.items()]
        for position, column in enumerate(NAMED[:-1], 1):
            whens = " ".join(f"when ({self.setups[each[0]].when}) then {each[position]}" for each in tries)
            rest = f"'{NO_SETUP}'" if column == "setup" else self.none.facts[position - 2]
            columns.append(f"case when not ({known}) then null {whens} else {rest} end as {column}")
        names = ", ".join(f"case when ({setup.when}) then '{name}' end" for name, setup in self.setups.items())
        every = f"coalesce(nullif(concat_ws('{SEPARATOR}', {names}), ''), '{NO_SETUP}')"
        columns.append(f"case when {known} then {every} end as {NAMED[-1]}")
        return f"select *, {', '.join(columns)} from {SOURCE} cross join (select {limits}) as thresholds"

    def variables(self) -> dict[str, Any]:
        """Variables for SQL models (getvariable)."""
        return {
            "setups_query": self.query(),
            "positioning_limits": self.positioning_limits.model_dump(),
            "thresholds": self.thresholds,
            "cross_market_benchmarks": list(self.cross_market.benchmarks),
        }


def _known(rule: State | NoSetup) -> str:
    columns = " and ".join(f"{column} is not null" for column in rule.requires)
    return f"{columns} and coalesce({rule.only_when}, false)"


def _case(state: State) -> str:
    rules = " ".join(f"when ({rule.when}) then '{rule.name}'" for rule in state.rules)
    return f"case when not ({_known(state)}) then null {rules} else '{state.otherwise}' end"


@cache
def read_setups(file: Path = SETUPS_FILE) -> Setups:
    """The rules in `file`. Raises MistakesError."""
    try:
        setups = Setups.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MistakesError(f"{file}: not readable as TOML: {error}") from error
    except ValidationError as error:
        mistakes = [f"  {mistake}" for mistake in say_mistakes(error, Setups)]
        raise MistakesError("\n".join([f"{file.name}: fix and run again:", *mistakes])) from error
    if mistakes := [f"  {mistake}" for mistake in _mistakes(setups)]:
        raise MistakesError("\n".join([f"{file.name}: fix and run again:", *mistakes]))
    return setups


def _mistakes(setups: Setups) -> list[str]:
    """Mistakes beyond the layout: names that the contract does not have, unknown columns."""
    columns = set(PositioningVsTechnicals.column_names()) - setups.states.keys() - set(NAMED)
    found = [f"thresholds.{name}: is a column of the mart" for name in sorted(setups.thresholds.keys() & columns)]
    known = columns | setups.thresholds.keys()
    for name, state in setups.states.items():
        key = f"states.{name}"
        found += _names(key, name, {*(rule.name for rule in state.rules), state.otherwise})
        found += _columns(key, [*state.requires, state.only_when, *(rule.when for rule in state.rules)], known)
        known.add(name)
    found += _names("setups", "setup", {*setups.setups, NO_SETUP})
    for name, setup in setups.setups.items():
        found += _columns(f"setups.{name}", [setup.when, *setup.facts], known)
    return found + _columns("none", [*setups.none.requires, setups.none.only_when, *setups.none.facts], known)


def _names(key: str, column: str, given: set[str]) -> list[str]:
    if column not in PositioningVsTechnicals.column_names():
        return [f"{key}: {PositioningVsTechnicals.dotted()} has no such column"]
    allowed = choices_of(PositioningVsTechnicals.columns()[column])
    return [f"{key}: {name!r} is not one of {', '.join(allowed)}" for name in sorted(given - set(allowed))]


def _columns(key: str, texts: list[str], known: set[str]) -> list[str]:
    """Mistakes in SQL expressions: not an expression, a query inside, an unknown column."""
    found = []
    for text in texts:
        try:
            nodes = nodes_of(f"select {text}")
        except ValueError as error:
            found.append(f"{key}: {text!r} is not SQL: {str(error).splitlines()[0]}")
            continue
        selects = [node for node in nodes if node.get("type") == "SELECT_NODE"]
        tables = [node for node in nodes if "from_table" in node and node["from_table"]["type"] != "EMPTY"]
        if len(selects) != 1 or tables or len(selects[0]["select_list"]) != 1:
            found.append(f"{key}: {text!r}: one expression, no query")
        unknown = {node["column_names"][-1] for node in nodes if "column_names" in node} - known
        found += [f"{key}: no column {name!r}; allowed: {', '.join(sorted(known))}" for name in sorted(unknown)]
    return found
