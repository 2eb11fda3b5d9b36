"""Choices that a claim leaves open: which trader group, contracts or share, the close or the whole day, and others.

Belongs here: which choices there are, and further ones to try if none of them makes the claim true. Not here: judging
them (readings.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.assertions import Assertion, WordError, is_of_group, operands_of
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.printed_numbers import VENDOR_RATIO, Printed
from r2k_pipeline.claims.vocabulary.statements import Statement, all_assertions
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
    """One choice: its part of a reading's name, its words, and the fields of Chosen that it sets."""

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
    """The choices that the words leave open, in the order in which readings are named.

    Of a claim on `net` without a group, in a market of TFF reports: asset managers, leveraged funds, noncommercial
    traders; then contracts, or share of open interest if it ranks; then the moments.
    """
    assertions = list(all_assertions(statement))
    if any(map(is_of_group, assertions)):
        named, primary = statement.report_type, tables.primary_reports.get(statement.market, _USUAL_REPORT)
        families = [family_of(primary), "legacy"] if named is None else [family_of(named)]
        usual = dict.fromkeys(group for family in families for group in USUAL[family])
        yield [of_group(group, named, primary) for group in statement.groups or usual]
    if any(each.measure.derived == "position" for each in assertions):
        yield _bases(statement, assertions)
    if axis := [*_paths(assertions)]:
        yield axis
    if counts := {count for each in assertions for count in counts_of(each, "for", "within", "throughout")}:
        yield [_of_count(count, is_one=len(counts) == 1) for count in sorted(counts)]
    if any(each.measure.derived in ("decline", "rise") for each in assertions):
        yield [Choice(name, f"over the {name.replace('_', ' ')}", {"lookback": count}) for name, count in LOOKBACKS]
    if others := [operand.name for each in assertions for operand in each.relations.get("slower_than", ())]:
        yield [
            Choice(f"than_{name}", f"than {'the week before' if name == 'before' else name}", _than(name))
            for name in others
        ]
    anchors = [day for each in assertions if each.measure.derived == "poc" for day in each.relations.get("since", ())]
    if anchors:
        yield [Choice(f"since_{day:%Y_%m_%d}", f"since {day}", {"since": day}) for day in anchors]
    yield [*_moments(statement, tables)]


def of_group(group: str, report_type: str | None, primary: str) -> Choice:
    """One trader group; without a report type the futures-only report of the first family that prints it.

    The family of `primary`, the market's primary report, is asked before the others.
    """
    families = {family_of(primary): FAMILIES[family_of(primary)], **FAMILIES}
    printed_by = (name for name, family in families.items() if group in family.groups.values())
    kind = report_type or f"{next(printed_by)}_futures"
    return Choice(group, f"of {GROUP_WORDS[group]}", {"group": group, "report_type": kind})


def _bases(statement: Statement, assertions: Sequence[Assertion]) -> Sequence[Choice]:
    """Contracts or share of open interest; both if a rank or an extreme may differ and the claim names no basis."""
    by_share = Choice("share", "by open interest", {"is_share": True})
    positions = [each.relations for each in assertions if each.measure.derived == "position"]
    is_ranked = any(word.startswith(RANKED) or "rank_" in word for relations in positions for word in relations)
    if statement.basis == "share" or any(map(_is_to_market, assertions)):
        return [by_share]
    if is_ranked and statement.basis is None:
        return [Choice(words="in contracts"), by_share]
    return [Choice()]


def _is_to_market(assertion: Assertion) -> bool:
    """Whether it compares a position with another market's; `slower_than` is a choice of its own."""
    beside = assertion.relations.get("slower_than", ())
    is_position = assertion.measure.derived == "position"
    return is_position and any(ref.is_market and ref not in beside for ref in operands_of(assertion))


def _of_count(count: int, *, is_one: bool) -> Choice:
    return Choice("" if is_one else f"{count}_rows", "" if is_one else f"within {count} sessions", {"count": count})


def _than(name: str) -> Mapping[str, Any]:
    """Another market's positions compare as shares of open interest."""
    return {"slower_than": name} | ({} if name == "before" else {"is_share": True})


def _paths(assertions: Sequence[Assertion]) -> Iterator[Choice]:
    """During the day or at the close; touched to the point or nearly."""
    words = {word for each in assertions if each.measure.derived == "price" for word in each.relations}
    if "at" in words:
        yield Choice("to_the_point", "to the point", {"prices": "day", "is_exact": True})
        yield Choice("within_a_quarter_percent", "within a quarter of a percent", {"prices": "day"})
    elif words:
        yield Choice("during_the_day", "during the day", {"prices": "day"})
        yield Choice("at_the_close", "at the close", {"prices": "close"})
    elif any(each.measure.derived in ("move", "retracement") for each in assertions):
        yield Choice("", "by extremes", {"prices": "day"})


def counts_of(assertion: Assertion, *relations: str) -> list[int]:
    """The counts of sessions or reports on the right of some relations of a measure."""
    has_rows = assertion.measure.own_relations is None
    rights = [assertion.relations.get(name, ()) for name in relations if has_rows or name == "within"]
    return [each for right in rights if isinstance(right, tuple) for each in right if isinstance(each, int)]


def _moments(statement: Statement, tables: KnownTables) -> Iterator[Choice]:
    """The moments of a claim: a day is its close and, where a report came out that day, the open before it."""
    several = len(statement.moments) > 1
    is_of_reports = any(each.measure.is_of_group for each in all_assertions(statement))
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
    printed = [each.measure for each in statement.assertions if isinstance(each.relations.get("is"), Printed)]
    if any(measure.derived in ("move", "retracement") for measure in printed):
        yield Choice("by_closes", "by closes", {"prices": "close"})
    if any(measure.is_price and measure.derived != "price" for measure in printed):
        yield AS_VENDORS_DIFFER
    of_rsi = [set(each.relations) for each in statement.assertions if each.measure.name == "rsi_14"]
    has_number = any(measure.name == "rsi_14" for measure in printed)
    if has_number and all(relations == {"is"} for relations in of_rsi):
        yield Choice("during_the_day", "at a price of that session", {"is_intraday": True})
