"""The readings of a vocabulary claim: one for each combination of open choices, judged on its own.

Belongs here: readings and their results. Not here: which choices there are (choices.py), how a relation is judged
(row_relations.py, structures.py), how verdicts are shown (report/).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import Final

from r2k_pipeline.claims.vocabulary.assertions import Assertion, WordError
from r2k_pipeline.claims.vocabulary.choices import AS_VENDORS_DIFFER, Choice, axes_of, counts_of, further_choices
from r2k_pipeline.claims.vocabulary.known_rows import Chosen, Past
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables, Sessions
from r2k_pipeline.claims.vocabulary.missing_data import say_missing
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError
from r2k_pipeline.claims.vocabulary.row_relations import compare
from r2k_pipeline.claims.vocabulary.statements import Statement, all_assertions, markets_beside
from r2k_pipeline.claims.vocabulary.structures import judge_structure, traded_rsi
from r2k_pipeline.markets import Market, read_catalogue
from r2k_pipeline.mistakes import nearest

MOST_READINGS: Final = 60
ONLY: Final = "as_it_says"
AS_IT_SAYS: Final = "as it says"
NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Stands for the end of sessions ahead if it is beyond the calendar."""


@dataclass(frozen=True)
class Reading:
    """One reading: its choices, one of each axis, and the values that they set."""

    choices: tuple[Choice, ...]
    chosen: Chosen

    @property
    def alternative(self) -> str:
        """Its name."""
        return "_".join(choice.name for choice in self.choices if choice.name) or ONLY

    @property
    def words(self) -> str:
        """Its interpretation of the claim, in words."""
        return "; ".join(choice.words for choice in self.choices if choice.words) or AS_IT_SAYS


@dataclass(frozen=True)
class Judged:
    """A reading with the result of every relation; `reason`: why it could not be judged, if so."""

    reading: Reading
    results: tuple[Result, ...]
    reason: str | None = None

    @property
    def truth(self) -> bool | None:
        """Kleene's `and` over the relations."""
        truths = [result.truth for result in self.results]
        if self.reason is not None or not truths:
            return None
        return False if False in truths else None if None in truths else True


def judge_readings(statement: Statement, tables: KnownTables, data_known_at: datetime) -> Iterator[Judged]:
    """Every reading, judged. Raises WordError for an unknown market or a day without a session."""
    check_markets(statement, tables)
    judged = [_judged(statement, reading, tables, data_known_at) for reading in readings_of(statement, tables)]
    true_at = [each.reading.chosen.known_at for each in judged if each.truth]
    if true_at and _identifies(statement):  # a reading is dropped only for one that was true by then
        judged = [each for each in judged if each.truth or each.reading.chosen.known_at < min(true_at)]
    for each in judged:
        further = further_choices(statement) if each.truth is False else ()
        others = [_judged(statement, _with(each.reading, choice), tables, data_known_at) for choice in further]
        holding = [other for other in others if other.truth]
        if not any(other.reading.choices[-1] is AS_VENDORS_DIFFER for other in holding):
            yield each
        yield from holding


def check_markets(statement: Statement, tables: KnownTables) -> None:
    """Raise WordError for an unknown market, with the one that its name or symbol means."""
    for word, market in (("market", statement.market), *(("", other) for other in markets_beside(statement))):
        if market in tables.markets:
            continue
        if meant := tables.names_of_markets.get(market.upper()):
            raise WordError(word, f"no market {market!r}; next: give {meant}")
        there_are = nearest(market, tables.markets)
        to_add = next((each for each in read_catalogue().markets.values() if market.upper() in _names(each)), None)
        add = f"r2k markets add {to_add.market}, or " if to_add else ""
        raise WordError(word, f"no market {market!r}; next: {add}give {', '.join(there_are)}")


def _names(market: Market) -> set[str]:
    """The names and symbols of a market of the catalogue, in capitals."""
    names = (market.market, market.name, market.index, (market.index or "").removeprefix("^"), market.proxy)
    return {name.upper() for name in names if name}


def readings_of(statement: Statement, tables: KnownTables) -> Iterator[Reading]:
    """Every combination of open choices. Raises WordError."""
    axes = [*axes_of(statement, tables)]
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MOST_READINGS:
        raise WordError("", f"has {count} readings, at most {MOST_READINGS} are judged: name group, moment or `in`")
    for choices in product(*axes):
        sets = {name: value for choice in choices for name, value in choice.sets.items()}
        chosen = Chosen(statement.market, known_at=sets["as_of"], **sets)
        yield Reading(choices, replace(chosen, known_at=_known_at(statement, chosen, tables)))


def _known_at(statement: Statement, chosen: Chosen, tables: KnownTables) -> datetime:
    """The moment at which the rows that a reading needs are known. Raises WordError for a day without a session."""
    if any(word in each.relations for each in all_assertions(statement) for word in ("within", "throughout")):
        assert chosen.count is not None
        try:
            return tables.sessions_of(statement.market).close_after(chosen.as_of, chosen.count)
        except ValueError:
            return NEVER
    if statement.until is None:
        return chosen.as_of
    if isinstance(statement.until, datetime):
        known = statement.until
    elif tables.sessions.is_ahead(statement.until):
        return NEVER
    else:
        try:
            known = tables.sessions.of(statement.until)[1]
        except ValueError as error:
            raise WordError("until", f"until = {statement.until}: {error}") from error
    if known <= chosen.as_of:
        raise WordError("until", "must come after the claim's moment")
    return known


def moments_in(statement: Statement, sessions: Sessions, sessions_of: Callable[[str], Sessions]) -> Iterator[datetime]:
    """The moments at which readings of a statement are judged; of a day its close, and its open before a report.

    `sessions`: New York's; `sessions_of`: those of a market.
    """
    counts = {count for each in all_assertions(statement) for count in counts_of(each, "within", "throughout")}
    for moment in (*statement.moments, *([statement.until] if statement.until else [])):
        try:
            instants = [moment] if isinstance(moment, datetime) else list(sessions.of(moment))
            yield from instants
            yield from (sessions_of(statement.market).close_after(instants[-1], count) for count in counts)
        except ValueError:  # a mistake, which the verdict names
            continue


def _judged(statement: Statement, reading: Reading, tables: KnownTables, data_known_at: datetime) -> Judged:
    chosen = reading.chosen
    if chosen.known_at > data_known_at:
        later = "the calendar ends before then" if chosen.known_at == NEVER else f"{chosen.known_at:%Y-%m-%d %H:%M} UTC"
        return Judged(reading, (), f"judged at {later}: not known yet")
    if missing := say_missing(statement, chosen, tables):
        return Judged(reading, (), missing)
    past = Past(tables, chosen)
    unmet = [result for each in statement.condition for result in _results(past, each) if not result.truth]
    if unmet:
        why = "not so" if unmet[0].reason is None else unmet[0].reason
        return Judged(reading, (), f"says nothing: {unmet[0].words} is {why}")
    return Judged(reading, tuple(result for each in statement.assertions for result in _results(past, each)))


def _results(past: Past, assertion: Assertion) -> Iterable[Result]:
    if assertion.measure.own_relations is not None:
        return judge_structure(past, assertion)
    if past.chosen.is_intraday and assertion.measure.name == "rsi_14" and "is" in assertion.relations:
        try:
            return list(traded_rsi(past, assertion))
        except UnknownError as unknown:
            return [Result("rsi_14.is", None, reason=str(unknown))]
    return compare(past, assertion)


def _with(reading: Reading, choice: Choice) -> Reading:
    return Reading((*reading.choices, choice), replace(reading.chosen, **choice.sets))


def _identifies(statement: Statement) -> bool:
    """Whether a claim prints only numbers of a group: then the group is the one with these numbers."""
    exact = {"is", "before", "change_is", "on"}
    of_group = [each for each in statement.assertions if each.measure.is_of_group]
    return bool(of_group) and all(
        set(each.relations) <= exact and any(isinstance(right, Printed) for right in each.relations.values())
        for each in of_group
    )
