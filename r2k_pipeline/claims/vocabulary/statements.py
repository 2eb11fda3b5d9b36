"""Claims of the vocabulary: one line a statement, measures with relations, read into frozen values.

Belongs here: the keys of a line, what stands on the right of a relation, mistakes. Not here: which words there are
(measures.py, relations.py), verdicts (readings.py).
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, Final

from r2k_pipeline.claims.printable import why_not_shown
from r2k_pipeline.claims.vocabulary.measures import Measure, columns, measure_of, names
from r2k_pipeline.claims.vocabulary.printed import Printed, read_number
from r2k_pipeline.claims.vocabulary.relations import Takes, all_relations
from r2k_pipeline.contracts.cot import TRADER_GROUPS
from r2k_pipeline.mistakes import nearest
from r2k_pipeline.report_types import REPORT_TYPES

EVER: Final = date.min
MOST_COUNT: Final = 2_600
"""Sessions or reports that a streak or horizon may have: ten years of sessions."""
LONGEST_TEXT: Final = 1_000
KEYS: Final[Mapping[str, str]] = {
    "says": "the statement, in your own words; alone, it is a statement without a word",
    "market": "instead of the note's",
    "group": "a trader group, or a list of readings; without one: asset managers, leveraged funds, noncommercial",
    "report_type": "instead of the futures-only report to which the group belongs",
    "as_of": "instead of the note's moment: an instant, or a day, which means its close (also written `on`)",
    "until": "judged with what was known at this later moment",
    "in": '"thousand": numbers of contracts are in thousands; "contracts" or "share": this basis alone',
    "if": "measures and relations that must hold, else the claim says nothing and is undetermined",
    "not_checkable": "why no table can bear it out",
}
"""The keys of a claim beside its measures."""
UNITS: Final = ("thousand", "contracts", "share")


class WordError(ValueError):
    """A mistake at one word of a claim."""

    def __init__(self, word: str, reason: str) -> None:
        self.word = word
        super().__init__(reason)


@dataclass(frozen=True)
class Ref:
    """An operand by name: a measure, `before`, `now`, or a market."""

    name: str

    @property
    def measure(self) -> Measure | None:
        """The measure with this name, if it is one."""
        return None if self.name in ("before", "now") else measure_of(self.name)

    @property
    def is_market(self) -> bool:
        """Whether it names another market."""
        return self.name not in ("before", "now") and self.measure is None


Operand = Printed | Ref
Right = Printed | date | str | tuple[date | str | int | Operand, ...]


@dataclass(frozen=True)
class Asked:
    """A measure and what a claim says of it: the typed right side of each relation, and as the note has it."""

    measure: Measure
    words: Mapping[str, Any]
    written: Mapping[str, str]


@dataclass(frozen=True)
class Statement:
    """One statement of a note; every relation of `asked` must hold, where those of `condition` do.

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
    asked: tuple[Asked, ...] = ()
    condition: tuple[Asked, ...] = ()
    not_checkable: str | None = None

    @property
    def is_checked(self) -> bool:
        """Whether it has a word that the tables can judge."""
        return bool(self.asked)


@dataclass(frozen=True)
class Defaults:
    """What a note's head says for every claim."""

    moments: tuple[date, ...]
    market: str | None = None
    groups: tuple[str, ...] = ()
    report_type: str | None = None


def read_statement(name: str, entry: Mapping[str, Any], head: Defaults) -> Statement:
    """The statement of one entry of [claims]. Raises WordError."""
    said = {key: value for key, value in entry.items() if key in KEYS or key in ("on", "id")}
    common = _common(said, head)
    scale = 1_000 if said.get("in") == "thousand" else 1
    others = {key: value for key, value in entry.items() if key not in said}
    asked = tuple(_asked(key, value, scale) for key, value in others.items())
    condition = tuple(_asked(key, value, scale) for key, value in _table("if", said.get("if", {})).items())
    why = said.get("not_checkable")
    if why is not None and (asked or not isinstance(why, str) or not why.strip()):
        raise WordError("not_checkable", "should be a text that says why, and stand without measures")
    if asked and "market" not in common:
        raise WordError("market", "is missing, in the note's head and here")
    return Statement(name, _says(said.get("says")), asked=asked, condition=condition, not_checkable=why, **common)


def _common(said: Mapping[str, Any], head: Defaults) -> dict[str, Any]:
    """The keys that every claim may have."""
    found: dict[str, Any] = {"moments": head.moments, "groups": head.groups, "report_type": head.report_type}
    if head.market:
        found["market"] = head.market
    if "market" in said:
        found["market"] = _text("market", said["market"])
    if "group" in said:
        listed = said["group"] if isinstance(said["group"], list) else [said["group"]]
        found["groups"] = tuple(_one_of("group", each, TRADER_GROUPS) for each in listed)
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
    text = _text("says", said).strip()
    if reason := why_not_shown(text, lines=True, formulas=True):
        raise WordError("says", reason)
    return text


def _text(key: str, said: object) -> str:
    if not isinstance(said, str) or not said.strip():
        raise WordError(key, "is missing" if said is None else "should be a text")
    if len(said) > LONGEST_TEXT:
        raise WordError(key, f"has {len(said):,} characters: give at most {LONGEST_TEXT:,}")
    return said


def _one_of(key: str, said: object, allowed: tuple[str, ...]) -> str:
    text = _text(key, said)
    if text not in allowed:
        raise WordError(key, f"{text!r} is none; next: give {', '.join(nearest(text, allowed))}")
    return text


def _table(key: str, said: object) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise WordError(key, "should have relations: MEASURE.RELATION = VALUE")
    return said


def _asked(name: str, said: object, scale: int) -> Asked:
    """A measure with its relations. Raises WordError."""
    measure = measure_of(name)
    if measure is None:
        raise WordError(name, f"no such measure; next: rename it to {_closest(name, [*names(), *KEYS])}")
    words = _table(name, said)
    if not words:
        raise WordError(name, "should have relations: MEASURE.RELATION = VALUE")
    allowed = measure.words or all_relations()
    typed: dict[str, Right] = {}
    for word, right in words.items():
        if word not in allowed:
            raise WordError(word, f"no such relation of {name}; next: rename it to {_closest(word, list(allowed))}")
        try:
            typed[word] = _right(measure, word, allowed[word].takes, right, scale)
        except ValueError as error:
            raise WordError(word, f"{name}.{word} = {_shown(right)}: {error}") from error
    return Asked(measure, typed, {word: _shown(right) for word, right in words.items()})


def _closest(name: str, allowed: list[str]) -> str:
    found = get_close_matches(name, allowed, n=1, cutoff=0.5)
    return found[0] if found else f"one of those in docs/claims.md, such as {', '.join(allowed[:6])}"


def _right(measure: Measure, word: str, takes: Takes, said: Any, scale: int) -> Right:
    """The typed right side of a relation. Raises ValueError."""
    scale = scale if measure.unit.endswith("contract equivalents") and "rank" not in word else 1
    listed = said if isinstance(said, list) else [said]
    if not listed or (takes is Takes.PAIR and len(listed) != 2):
        raise ValueError("should be a list of two" if listed else "should not be empty")
    is_number = takes is Takes.NUMBER or (takes is Takes.VALUE and measure.kind == "number")
    if is_number:
        return read_number(said, scale)
    if takes is Takes.DAY or (takes is Takes.VALUE and measure.kind == "day"):
        return _day(said)
    if takes is Takes.TEXT:
        return _text(word, said)
    one: Callable[[Any], Any] = {
        Takes.VALUE: lambda each: _value_of(measure, each),
        Takes.SINCE: _since,
        Takes.COUNT: _count,
    }.get(takes, lambda each: _operand(measure, each, scale))
    return tuple(map(one, listed))


def _value_of(measure: Measure, said: object) -> str:
    if not isinstance(said, str):
        raise ValueError("should be a text")
    if measure.choices and said not in measure.choices:
        raise ValueError(f"no such value; next: give {', '.join(nearest(said, measure.choices))}")
    return said


def _operand(measure: Measure, said: object, scale: int) -> Operand:
    if measure.kind != "number":
        raise ValueError(f"{measure.name} is a {measure.kind}: only `is` and `was` compare it")
    if isinstance(said, str) and re.fullmatch(r"[A-Za-z]\w*", said):
        if said in ("before", "now") or (said.upper() == said and said not in columns()):
            return Ref(said)
        if (other := measure_of(said)) is None or other.kind != "number":
            raise ValueError(f"no such measure; next: give {_closest(said, names())}, or a market in capitals")
        return Ref(said)
    return read_number(said, scale)


def _day(said: object) -> date:
    if type(said) is not date:
        raise ValueError("should be a day, such as 2025-03-13")
    return said


def _since(said: object) -> date:
    """A day; the last day of a month; EVER."""
    if said == "ever":
        return EVER
    if isinstance(said, str) and (month := re.fullmatch(r"(\d{4})-(\d\d)", said)) and 1 <= int(month[2]) <= 12:
        year, number = int(month[1]), int(month[2])
        return date(max(year, 1), number, monthrange(max(year, 1), number)[1])
    if type(said) is not date:
        raise ValueError('should be a day, a month as "2017-09", or "ever"')
    return said


def _count(said: object) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= MOST_COUNT:
        raise ValueError(f"should be a number from 1 to {MOST_COUNT:,}")
    return said


def _shown(said: object) -> str:
    """A value as TOML has it, cut to a length that a line can show."""
    match said:
        case list():
            text = f"[{', '.join(_shown(each) for each in said)}]"
        case str():
            text = f'"{said}"'
        case bool():
            text = str(said).lower()
        case dict():
            text = "{...}"
        case _:
            text = str(said)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text):,} characters)"


def all_asked(statement: Statement) -> Iterator[Asked]:
    """Every measure that a statement names, of its condition too."""
    yield from statement.condition
    yield from statement.asked


def operands_of(asked: Asked) -> Iterator[Ref]:
    """The operands of a measure's relations that are names."""
    for right in asked.words.values():
        yield from (each for each in (right if isinstance(right, tuple) else ()) if isinstance(each, Ref))


def measures_of(statement: Statement) -> Iterator[Measure]:
    """The measures that a statement names, as operands too."""
    for asked in all_asked(statement):
        yield asked.measure
        yield from (measure for ref in operands_of(asked) if (measure := ref.measure) is not None)
