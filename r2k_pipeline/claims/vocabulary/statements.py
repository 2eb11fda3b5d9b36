"""Claims of the vocabulary: one line a statement, with measures and relations, read into frozen values.

Belongs here: the keys of a line. Not here: its measures and relations (assertions.py), verdicts (readings.py).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from r2k_pipeline.claims.printable import why_not_shown
from r2k_pipeline.claims.vocabulary.assertions import (
    Assertion,
    WordError,
    is_of_group,
    operands_of,
    read_assertion,
    table_of,
    text_of,
)
from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.mistakes import nearest
from r2k_pipeline.report_types import REPORT_TYPES

KEYS: Final[Mapping[str, str]] = {
    "says": "the statement, in your own words; alone, it is a statement without a word",
    "market": "instead of the note's",
    "group": "a trader group, or a list of readings; without one those that notes mean by speculators",
    "report_type": "instead of the futures-only report to which the group belongs",
    "as_of": "instead of the note's moment: an instant, or a day, which means its close (also written `on`)",
    "until": "judged with what was known at this later moment",
    "in": '"thousand": numbers of contracts are in thousands; "contracts" or "share": this basis alone',
    "if": "measures and relations that must hold, else the claim says nothing and is undetermined",
    "not_checkable": "why no table can bear it out",
}
"""The keys of a claim beside its measures."""
UNITS: Final = ("thousand", "contracts", "share")
SPECULATORS: Final = ("leveraged_funds", "managed_money")
OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "hedge fund": SPECULATORS,
    "fast money": SPECULATORS,
    "levered": SPECULATORS,
    "cta": SPECULATORS,
    "trend follower": SPECULATORS,
    "money manager": SPECULATORS,
    "small spec": ("nonreportable",),
    "spec": ("noncommercial", *SPECULATORS),
    "real money": ("asset_manager",),
    "institution": ("asset_manager",),
    "long only": ("asset_manager",),
    "pension": ("asset_manager",),
    "mutual fund": ("asset_manager",),
    "am": ("asset_manager",),
    "sell side": ("dealer",),
    "bank": ("dealer",),
    "broker": ("dealer",),
    "market maker": ("dealer",),
    "hedger": ("commercial",),
    "retail": ("nonreportable",),
    "small trader": ("nonreportable",),
    "producer": ("producer_merchant",),
}
"""What notes call a group, in the singular; the first that begins a word of the name counts."""


@dataclass(frozen=True)
class Statement:
    """One statement of a note; every relation of `assertions` must hold, where those of `condition` do.

    `moments` and `until` are instants or days; a day means its close.
    """

    id: str
    claim: str
    moments: tuple[date, ...] = ()
    market: str = ""
    groups: tuple[str, ...] = ()
    report_type: str | None = None
    until: date | None = None
    basis: str | None = None
    assertions: tuple[Assertion, ...] = ()
    condition: tuple[Assertion, ...] = ()
    not_checkable: str | None = None

    @property
    def is_checked(self) -> bool:
        """Whether it names a measure, so that the tables can judge it."""
        return bool(self.assertions)


@dataclass(frozen=True)
class Defaults:
    """Values in a note's head that hold for claims without their own."""

    moments: tuple[date, ...]
    market: str | None = None
    groups: tuple[str, ...] = ()
    report_type: str | None = None


def read_statement(name: str, entry: Mapping[str, Any], head: Defaults) -> Statement:
    """The statement of one entry of [claims], with the values of the note's head where it has none. Raises WordError.

    An entry such as `T9 = { says = "RSI 33", group = "dealer", rsi_14.is = 33 }` has keys of KEYS, and measures with
    their relations.
    """
    said = {key: value for key, value in entry.items() if key in KEYS or key in ("on", "id")}
    measures = {key: value for key, value in entry.items() if key not in said}
    common = _common(said, head)

    def read(named: Mapping[str, Any]) -> tuple[Assertion, ...]:
        return tuple(read_assertion(name, relations, said.get("in"), KEYS) for name, relations in named.items())

    assertions, condition = read(measures), read(table_of("if", said.get("if", {})))
    why = said.get("not_checkable")
    if why is not None and (assertions or not isinstance(why, str) or not why.strip()):
        raise WordError("not_checkable", "should be a text that says why, and stand without measures")
    _check_keys(said, (*assertions, *condition))
    if assertions and "market" not in common:
        raise WordError("market", "is missing, in the note's head and here")
    says = _says(said.get("says"))
    return Statement(name, says, assertions=assertions, condition=condition, not_checkable=why, **common)


def _check_keys(said: Mapping[str, Any], assertions: Sequence[Assertion]) -> None:
    """Raise WordError for a key of positions beside prices alone; columns of the mart have contracts and no group."""
    has_group = any(map(is_of_group, assertions))
    has_contracts = any(each.measure.unit == Unit.EQUIVALENTS for each in assertions)
    for key in ("group", "report_type", "in"):
        if key in said and assertions and not (has_group or (key == "in" and has_contracts)):
            raise WordError(key, "no measure of this claim is of positions; next: leave it out")


def _common(said: Mapping[str, Any], head: Defaults) -> dict[str, Any]:
    """The keys that every claim may have."""
    found: dict[str, Any] = {"moments": head.moments, "groups": head.groups, "report_type": head.report_type}
    if head.market:
        found["market"] = head.market
    if "market" in said:
        found["market"] = text_of("market", said["market"])
    if "group" in said:
        listed = said["group"] if isinstance(said["group"], list) else [said["group"]]
        found["groups"] = tuple(map(_group, listed))
    if "report_type" in said:
        found["report_type"] = _one_of("report_type", said["report_type"], REPORT_TYPES)
    for key in ("as_of", "on"):
        if key in said:
            found["moments"] = (moment(key, said[key]),)
    if "until" in said:
        found["until"] = moment("until", said["until"])
    if "in" in said:
        unit = _one_of("in", said["in"], UNITS)
        found |= {"basis": "contracts" if unit == "thousand" else unit}
    return found


def moment(key: str, said: object) -> date:
    """An instant with its zone, or a day. Raises WordError."""
    if type(said) is date or (isinstance(said, datetime) and said.tzinfo):
        return said
    raise WordError(key, "should be a day, or an instant with its zone")


def _says(said: object) -> str:
    text = text_of("says", said).strip()
    if reason := why_not_shown(text, lines=True, formulas=True):
        raise WordError("says", reason)
    return text


def _group(said: object) -> str:
    text = text_of("group", said)
    plain = re.sub(r"[-_ ]+", " ", text.lower())
    named = next((groups for name, groups in OTHER_NAMES.items() if re.search(rf"\b{name}s?\b", plain)), None)
    if named and text not in TRADER_GROUPS:
        *others, last = named
        raise WordError("group", f"{text!r} is none; next: give {', '.join(others)}{' or ' * bool(others)}{last}")
    return _one_of("group", text, TRADER_GROUPS)


def _one_of(key: str, said: object, allowed: tuple[str, ...]) -> str:
    text = text_of(key, said)
    if text not in allowed:
        raise WordError(key, f"{text!r} is none; next: give {', '.join(nearest(text, allowed))}")
    return text


def all_assertions(statement: Statement) -> Iterator[Assertion]:
    """Every measure that a statement names, of its condition too."""
    yield from statement.condition
    yield from statement.assertions


def measures_of(statement: Statement) -> Iterator[Measure]:
    """The measures that a statement names, as operands too."""
    for assertion in all_assertions(statement):
        yield assertion.measure
        yield from (measure for ref in operands_of(assertion) if (measure := ref.measure) is not None)


def markets_beside(statement: Statement) -> Iterator[str]:
    """The markets that a statement compares its own with."""
    for assertion in all_assertions(statement):
        yield from (ref.name for ref in operands_of(assertion) if ref.is_market)
        if "against" in assertion.relations:
            yield assertion.relations["against"]
