"""Choices that the words of a claim leave open: groups, bases, hours, extremes or closes.

Belongs here: which choices there are, and further ones to try if none of them makes the claim true. Not here: judging
them (readings.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.asked import Asked, WordError, operands_of
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.printed_numbers import VENDOR_RATIO, Printed
from r2k_pipeline.claims.vocabulary.statements import Statement, all_asked
from r2k_pipeline.report_types import FAMILIES, family_of

USUAL: Final = {
    "tff": ("asset_manager", "leveraged_funds"),
    "legacy": ("noncommercial",),
    "disaggregated": ("managed_money",),
}
"""By report family: the groups that a note means if it says "speculators" or names no group.

A claim that names no report means the groups of its market's primary report and the legacy ones.
"""
_USUAL_REPORT: Final = "tff_futures"
"""The primary report of a market that is not among those of the warehouse."""
GROUP_WORDS: Final[Mapping[str, str]] = {
    "asset_manager": "asset managers",
    "leveraged_funds": "leveraged funds",
    "dealer": "dealers",
    "other_reportables": "other reportables",
    "noncommercial": "noncommercial traders",
    "commercial": "commercial traders",
    "producer_merchant": "producers",
    "swap_dealer": "swap dealers",
    "managed_money": "managed money",
    "nonreportable": "small traders",
}
LOOKBACKS: Final = (("last_month", 20), ("last_quarter", 60), ("last_year", 252))
BEFORE_RELEASE: Final = "before_release"
BEFORE_WORDS: Final = "before that day's report came out"
RANKED: Final = ("rank_", "lowest_since", "highest_since")


@dataclass(frozen=True)
class Choice:
    """One choice: its name in `alternative`, its words, and the fields of a Way that it sets."""

    name: str = ""
    words: str = ""
    sets: Mapping[str, Any] = field(default_factory=dict, compare=False)


AS_VENDORS_DIFFER: Final = Choice(
    "within_a_vendors_cents",
    f"within {100 * VENDOR_RATIO:g} % of the printed number, as vendors differ",
    {"off_ratio": VENDOR_RATIO},
)
"""Replaces a reading that fails only by the printed precision."""


def axes_of(statement: Statement, tables: KnownTables) -> Iterator[Sequence[Choice]]:
    """The choices that the words leave open, in the order in which readings are named."""
    asked = list(all_asked(statement))
    if any(each.measure.is_of_group or _of_groups(each) for each in asked):
        named, primary = statement.report_type, tables.primary_reports.get(statement.market, _USUAL_REPORT)
        families = [family_of(primary), "legacy"] if named is None else [family_of(named)]
        usual = dict.fromkeys(group for family in families for group in USUAL[family])
        yield [of_group(group, named, primary) for group in statement.groups or usual]
    if any(each.measure.derived == "position" for each in asked):
        yield _bases(statement, asked)
    if axis := [*_paths(asked)]:
        yield axis
    counts = {count for each in asked for word in ("for", "within", "throughout") for count in counts_of(each, word)}
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


def of_group(group: str, report_type: str | None, primary: str) -> Choice:
    """One trader group; without a report type the futures-only report of the first family that prints it.

    The family of `primary`, the market's primary report, is asked before the others.
    """
    families = {family_of(primary): FAMILIES[family_of(primary)], **FAMILIES}
    printed_by = (name for name, family in families.items() if group in family.groups.values())
    kind = report_type or f"{next(printed_by)}_futures"
    return Choice(group, f"of {GROUP_WORDS[group]}", {"group": group, "report_type": kind})


def _bases(statement: Statement, asked: Sequence[Asked]) -> Sequence[Choice]:
    """Contracts or share of open interest; both if a rank or an extreme may differ and the claim names no basis."""
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


def counts_of(asked: Asked, word: str) -> tuple[int, ...]:
    """The counts of sessions or reports that a relation of a measure names."""
    found = asked.words.get(word, ()) if asked.measure.words is None or word == "within" else ()
    return tuple(each for each in found if isinstance(each, int)) if isinstance(found, tuple) else ()


def _moments(statement: Statement, tables: KnownTables) -> Iterator[Choice]:
    """The moments of a claim: a day is its close and, where a report came out that day, the open before it."""
    several = len(statement.moments) > 1
    is_of_reports = any(each.measure.is_of_group for each in all_asked(statement))
    for moment in statement.moments:
        name = f"at_{moment:%Y_%m_%d}" if several else ""
        if isinstance(moment, datetime):
            yield Choice(name, f"at {moment:%Y-%m-%d %H:%M} UTC" if several else "", {"as_of": moment})
            continue
        if tables.sessions.is_ahead(moment):
            yield Choice(name, "", {"as_of": datetime.combine(moment, time.max, UTC)})
            continue
        try:
            start, close = tables.sessions.of(moment)
        except ValueError as error:
            raise WordError("as_of", f"as_of = {moment}: {error}") from error
        at_close = f"at the close of {moment}" if several else ""
        if not is_of_reports or statement.until is not None or not _came_out(tables, start, close):
            yield Choice(name, at_close, {"as_of": close})
            continue
        yield Choice(name, at_close or "after that day's report came out", {"as_of": close})
        before = "_".join(filter(None, (name, BEFORE_RELEASE)))
        yield Choice(before, f"before the report of {moment}" if several else BEFORE_WORDS, {"as_of": start})


def _came_out(tables: KnownTables, start: datetime, close: datetime) -> bool:
    query = "select count(*) from staging.cot_releases where released_at > $start and released_at <= $close"
    return bool(tables.rows(query, start=start, close=close)[0][0])


def further_choices(statement: Statement) -> Iterator[Choice]:
    """Further choices for a reading that fails; a reading that they make true is shown."""
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
