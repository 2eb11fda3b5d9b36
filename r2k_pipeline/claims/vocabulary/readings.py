"""The readings of a vocabulary claim: what its words leave open, each choice judged on its own.

Belongs here: which choices there are, and what is tried where none of them holds. Not here: how a relation is judged
(comparing.py, structures.py), how verdicts are shown (report/).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.comparing import compare
from r2k_pipeline.claims.vocabulary.known_rows import Past, Way
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables, Sessions
from r2k_pipeline.claims.vocabulary.printed import VENDOR_RATIO, Printed
from r2k_pipeline.claims.vocabulary.reached import not_reached
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError
from r2k_pipeline.claims.vocabulary.statements import Asked, Statement, WordError, all_asked, operands_of
from r2k_pipeline.claims.vocabulary.structures import judge_structure, traded_rsi
from r2k_pipeline.mistakes import nearest

DEFAULT_GROUPS: Final = ("asset_manager", "leveraged_funds", "noncommercial")
"""The groups that notes mean by "speculators" or name none: the two of the TFF report, and the legacy one."""
LEGACY: Final = ("noncommercial", "commercial")
GROUP_WORDS: Final[Mapping[str, str]] = {
    "asset_manager": "asset managers",
    "leveraged_funds": "leveraged funds",
    "dealer": "dealers",
    "other_reportables": "other reportables",
    "noncommercial": "noncommercial traders",
    "commercial": "commercial traders",
    "nonreportable": "small traders",
}
LOOKBACKS: Final = (("last_month", 20), ("last_quarter", 60), ("last_year", 252))
BEFORE_RELEASE: Final = "before_release"
BEFORE_WORDS: Final = "before that day's report came out"
MOST_READINGS: Final = 60
RANKED: Final = ("rank_", "lowest_since", "highest_since")
ONLY: Final = "as_it_says"
AS_IT_SAYS: Final = "as it says"
NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Where the calendar does not say when the sessions ahead are over."""


@dataclass(frozen=True)
class Choice:
    """One way to fill what the words leave open: its name in `alternative`, in words, and what it sets."""

    name: str = ""
    words: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict, compare=False)


AS_VENDORS_DIFFER: Final = Choice(
    "within_a_vendors_cents",
    f"within {100 * VENDOR_RATIO:g} % of the printed number, as vendors differ",
    {"off_ratio": VENDOR_RATIO},
)
"""Stands in the place of the reading that fails to the printed precision alone."""


@dataclass(frozen=True)
class Reading:
    """The choices of one reading, as one way; `later`: known later than the claim's moment."""

    choices: tuple[Choice, ...]
    way: Way

    @property
    def alternative(self) -> str:
        """Its name."""
        return "_".join(choice.name for choice in self.choices if choice.name) or ONLY

    @property
    def words(self) -> str:
        """What it takes the words to mean."""
        return "; ".join(choice.words for choice in self.choices if choice.words) or AS_IT_SAYS


@dataclass(frozen=True)
class Judged:
    """A reading with the result of every relation; `reason`: why it could not be judged at all."""

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
    """Every reading, judged. Raises WordError for a market or a day that is not there."""
    check_markets(statement, tables.markets)
    judged = [_judged(statement, reading, tables, data_known_at) for reading in readings_of(statement, tables)]
    if _identifies(statement) and any(each.truth for each in judged):
        judged = [each for each in judged if each.truth]
    for each in judged:
        further = _further(statement) if each.truth is False else ()
        others = [_judged(statement, _with(each.reading, choice), tables, data_known_at) for choice in further]
        holding = [other for other in others if other.truth]
        if not any(other.reading.choices[-1] is AS_VENDORS_DIFFER for other in holding):
            yield each
        yield from holding


def check_markets(statement: Statement, markets: Mapping[str, str]) -> None:
    """Raise WordError for a market that is not there."""
    named = [("market", statement.market)]
    named += [("", ref.name) for asked in all_asked(statement) for ref in operands_of(asked) if ref.is_market]
    named += [("against", str(a.words["against"])) for a in all_asked(statement) if "against" in a.words]
    for word, market in named:
        if market not in markets:
            raise WordError(word, f"no market {market!r}; next: give {', '.join(nearest(market, markets))}")


def readings_of(statement: Statement, tables: KnownTables) -> Iterator[Reading]:
    """Every combination of the choices that the words leave open. Raises WordError."""
    axes = [*_axes(statement, tables)]
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MOST_READINGS:
        raise WordError("", f"has {count} readings, at most {MOST_READINGS} are judged: name group, moment or `in`")
    for choices in product(*axes):
        sets = {name: value for choice in choices for name, value in choice.sets.items()}
        way = Way(statement.market, **({"known": sets["as_of"]} | sets))
        yield Reading(choices, replace(way, known=_known(statement, way, tables)))


def _axes(statement: Statement, tables: KnownTables) -> Iterator[Sequence[Choice]]:
    """What the words leave open, in the order in which readings are named."""
    asked = list(all_asked(statement))
    if any(each.measure.is_of_group or _of_groups(each) for each in asked):
        groups = statement.groups or DEFAULT_GROUPS
        yield [_of_group(group, statement.report_type) for group in groups]
    if any(each.measure.derived == "position" for each in asked):
        yield _bases(statement, asked)
    if axis := [*_paths(asked)]:
        yield axis
    counts = {count for each in asked for word in ("for", "within", "throughout") for count in _counts(each, word)}
    if counts:
        yield [_of_count(count, is_one=len(counts) == 1) for count in sorted(counts)]
    if any(each.measure.derived in ("decline", "rise") for each in asked):
        yield [Choice(name, f"over the {name.replace('_', ' ')}", {"lookback": count}) for name, count in LOOKBACKS]
    if others := [operand.name for each in asked for operand in each.words.get("slower_than", ())]:
        yield [
            Choice(f"than_{name}", f"than {'the week before' if name == 'before' else name}", _than(name))
            for name in others
        ]
    anchors = [day for each in asked if each.measure.derived == "poc" for day in each.words.get("since", ())]
    if anchors:
        yield [Choice(f"since_{day:%Y_%m_%d}", f"since {day}", {"since": day}) for day in anchors]
    yield [*_moments(statement, tables)]


def _of_groups(asked: Asked) -> bool:
    """Whether an operand belongs to a trader group."""
    return any(ref.measure is not None and ref.measure.is_of_group for ref in operands_of(asked))


def _of_group(group: str, report_type: str | None) -> Choice:
    kind = report_type or ("legacy_futures" if group in LEGACY else "tff_futures")
    return Choice(group, f"of {GROUP_WORDS[group]}", {"group": group, "report_type": kind})


def _bases(statement: Statement, asked: Sequence[Asked]) -> Sequence[Choice]:
    """Contracts or share of open interest: both where a rank or an extreme may differ, and no basis is named."""
    contracts, by_share = Choice(), Choice("share", "by open interest", {"is_share": True})
    of_positions = [each for each in asked if each.measure.derived == "position"]
    to_market = any(
        ref.is_market and ref not in each.words.get("slower_than", ())
        for each in of_positions
        for ref in operands_of(each)
    )
    if statement.basis == "share" or to_market:
        return [by_share]
    ranked = any(word.startswith(RANKED) or "rank_" in word for each in of_positions for word in each.words)
    return [replace(contracts, words="in contracts"), by_share] if ranked and statement.basis is None else [contracts]


def _of_count(count: int, *, is_one: bool) -> Choice:
    return Choice("" if is_one else f"{count}_rows", "" if is_one else f"within {count} sessions", {"count": count})


def _than(name: str) -> Mapping[str, Any]:
    """Another market's positions compare as shares of open interest."""
    return {"slower_than": name} | ({} if name == "before" else {"is_share": True})


def _paths(asked: Sequence[Asked]) -> Iterator[Choice]:
    """During the day or at the close; touched to the point or nearly."""
    words = {word for each in asked if each.measure.derived == "price" for word in each.words}
    if "at" in words:
        yield Choice("to_the_point", "to the point", {"path": "day", "is_exact": True})
        yield Choice("within_a_quarter_percent", "within a quarter of a percent", {"path": "day"})
    elif words:
        yield Choice("during_the_day", "during the day", {"path": "day"})
        yield Choice("at_the_close", "at the close", {"path": "close"})
    elif any(each.measure.derived in ("move", "retracement") for each in asked):
        yield Choice("", "by extremes", {"path": "day"})


def _counts(asked: Asked, word: str) -> tuple[int, ...]:
    found = asked.words.get(word, ()) if asked.measure.words is None or word == "within" else ()
    return tuple(each for each in found if isinstance(each, int)) if isinstance(found, tuple) else ()


def _moments(statement: Statement, tables: KnownTables) -> Iterator[Choice]:
    """The moments of a claim: a day is its close and, where a report came out that day, the open before it."""
    several = len(statement.moments) > 1
    for moment in statement.moments:
        name = f"at_{moment:%Y_%m_%d}" if several else ""
        if isinstance(moment, datetime):
            yield Choice(name, f"at {moment:%Y-%m-%d %H:%M} UTC" if several else "", {"as_of": moment})
            continue
        try:
            start, close = tables.sessions.of(moment)
        except ValueError as error:
            raise WordError("as_of", f"as_of = {moment}: {error}") from error
        at_close = f"at the close of {moment}" if several else ""
        if not _needs_reports(statement) or statement.until is not None or not _came_out(tables, start, close):
            yield Choice(name, at_close, {"as_of": close})
            continue
        yield Choice(name, at_close or "after that day's report came out", {"as_of": close})
        before = "_".join(filter(None, (name, BEFORE_RELEASE)))
        yield Choice(before, f"before the report of {moment}" if several else BEFORE_WORDS, {"as_of": start})


def _needs_reports(statement: Statement) -> bool:
    return any(each.measure.is_of_group for each in all_asked(statement))


def _came_out(tables: KnownTables, start: datetime, close: datetime) -> bool:
    query = "select count(*) from staging.cot_releases where released_at > $start and released_at <= $close"
    return bool(tables.rows(query, start=start, close=close)[0][0])


def _known(statement: Statement, way: Way, tables: KnownTables) -> datetime:
    """The moment whose knowledge a way is judged with. Raises WordError for a day without a session."""
    if any(word in each.words for each in all_asked(statement) for word in ("within", "throughout")):
        assert way.count is not None
        try:
            return tables.sessions.close_after(way.as_of, way.count)
        except ValueError:
            return NEVER
    if statement.until is None:
        return way.as_of
    if isinstance(statement.until, datetime):
        known = statement.until
    else:
        try:
            known = tables.sessions.of(statement.until)[1]
        except ValueError as error:
            raise WordError("until", f"until = {statement.until}: {error}") from error
    if known <= way.as_of:
        raise WordError("until", "must come after the claim's moment")
    return known


def moments_in(statement: Statement, sessions: Sessions) -> Iterator[datetime]:
    """The moments at which readings of a statement are judged, and opens at which a day's report may not be out."""
    counts = {
        count for each in all_asked(statement) for word in ("within", "throughout") for count in _counts(each, word)
    }
    for moment in (*statement.moments, *([statement.until] if statement.until else [])):
        try:
            instants = [moment] if isinstance(moment, datetime) else list(sessions.of(moment))
            yield from instants
            yield from (sessions.close_after(instants[-1], count) for count in counts)
        except ValueError:  # a mistake, which the verdict names
            continue


def _judged(statement: Statement, reading: Reading, tables: KnownTables, data_known_at: datetime) -> Judged:
    way = reading.way
    if way.known > data_known_at:
        later = "the calendar ends before then" if way.known == NEVER else f"{way.known:%Y-%m-%d %H:%M} UTC"
        return Judged(reading, (), f"judged at {later}: not known yet")
    if missing := not_reached(statement, way, tables):
        return Judged(reading, (), missing)
    past = Past(tables, way)
    unmet = [result for each in statement.condition for result in _results(past, each) if not result.truth]
    if unmet:
        return Judged(
            reading, (), f"says nothing: {unmet[0].words} is {'not so' if unmet[0].reason is None else unmet[0].reason}"
        )
    return Judged(reading, tuple(result for each in statement.asked for result in _results(past, each)))


def _results(past: Past, asked: Asked) -> Iterable[Result]:
    if asked.measure.words is not None:
        return judge_structure(past, asked)
    if past.way.is_intraday and asked.measure.name == "rsi_14" and "is" in asked.words:
        try:
            return list(traded_rsi(past, asked))
        except UnknownError as unknown:
            return [Result("rsi_14.is", None, reason=str(unknown))]
    return compare(past, asked)


def _with(reading: Reading, choice: Choice) -> Reading:
    return Reading((*reading.choices, choice), replace(reading.way, **choice.sets))


def _further(statement: Statement) -> Iterator[Choice]:
    """What is tried where a reading fails; it is shown where it holds."""
    numbers = {
        (each.measure.name, each.measure.derived, each.measure.is_price)
        for each in statement.asked
        if isinstance(each.words.get("is"), Printed)
    }
    if any(derived in ("move", "retracement") for _, derived, _ in numbers):
        yield Choice("by_closes", "by closes", {"path": "close"})
    if any(is_price and derived != "price" for _, derived, is_price in numbers):
        yield AS_VENDORS_DIFFER
    only_is = all(set(each.words) == {"is"} for each in statement.asked if each.measure.name == "rsi_14")
    if only_is and any(name == "rsi_14" for name, _, _ in numbers):
        yield Choice("during_the_day", "at a price of that session", {"is_intraday": True})


def _identifies(statement: Statement) -> bool:
    """Whether a claim prints numbers of a group alone: those that fit say which group it means."""
    exact = {"is", "before", "change_is", "on"}
    of_group = [each for each in statement.asked if each.measure.is_of_group]
    return bool(of_group) and all(
        set(each.words) <= exact and any(isinstance(right, Printed) for right in each.words.values())
        for each in of_group
    )
