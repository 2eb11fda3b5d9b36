"""The assertions of a claim: measures with relations, as `rsi_14.is = 33`. Right sides get types, mistakes a message.

Belongs here: numbers, days, texts and names on the right of a relation. Not here: the other keys of a claim
(statements.py), which relations there are (relations.py).
"""

import re
from calendar import monthrange
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.measure import FURTHER_KEYS, Measure
from r2k_pipeline.claims.vocabulary.measures import columns, measure_of, names
from r2k_pipeline.claims.vocabulary.number_units import in_percent, read_in_unit, unit_of
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.relations import ROWS, Relation, Takes, all_relations
from r2k_pipeline.mistakes import nearest

EVER: Final = date.min
MOST_COUNT: Final = 2_600
"""Most sessions or reports of a streak or horizon: ten years of sessions."""
LONGEST_TEXT: Final = 1_000
UNORDERED: Final = ("is", "was", "before", "first_since", *ROWS)
"""The relations of texts and days, which are not ordered and have no changes."""


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
class Assertion:
    """A measure and its relations in a claim: the right side of each, with its type and as the note writes it.

    Of `close.above = ["sma_50", 2000]` the `relations` are {"above": (Ref("sma_50"), Printed(2000.0, ...))}.
    """

    measure: Measure
    relations: Mapping[str, Any]
    written: Mapping[str, str]


def read_assertion(name: str, said: object, basis: str | None, keys: Collection[str]) -> Assertion:
    """The assertion that a measure's name and the table of its relations make. Raises WordError.

    `basis`: the claim's key `in`; `keys`: its other keys, for the message.
    """
    measure = measure_of(name)
    if measure is None:
        raise WordError(name, f"no such measure; next: rename it to {_closest(name, [*names(), *keys])}")
    written = table_of(name, said)
    if not written:
        raise WordError(name, "should have relations: MEASURE.RELATION = VALUE")
    allowed = measure.own_relations or all_relations()
    typed: dict[str, Right] = {}
    for word, right in written.items():
        if word not in allowed:
            raise WordError(word, f"no such relation of {name}; next: rename it to {_closest(word, list(allowed))}")
        try:
            typed[word] = _right(measure, word, allowed[word], right, basis)
        except ValueError as error:
            raise WordError(word, f"{name}.{word} = {_shown(right)}: {error}") from error
    _refuse_incomplete(measure, typed)
    percent = {word: in_percent(unit_of(measure, word, basis), right) for word, right in typed.items()}
    return Assertion(measure, typed, {word: _shown(right) + percent[word] for word, right in written.items()})


def _refuse_incomplete(measure: Measure, typed: Mapping[str, Right]) -> None:
    """Raise WordError if a relation that the measure needs is missing."""
    name = measure.name
    further = [FURTHER_KEYS[measure.further_key]] if measure.further_key else []
    if lacking := [need for need in (*measure.needs, *further) if need not in typed]:
        raise WordError(name, f"{name} lacks {', '.join(lacking)}")
    if measure.compares and not typed.keys() & {*measure.compares}:
        raise WordError(name, f"{name} lacks {', '.join(measure.compares[:-1])} or {measure.compares[-1]}")
    if measure.own_relations is None and typed.keys() <= ROWS.keys():
        raise WordError(name, f"{name} lacks a comparison, such as `is` or `above`")


def _closest(name: str, allowed: list[str]) -> str:
    found = get_close_matches(name, allowed, n=1, cutoff=0.5)
    return found[0] if found else f"one of those in docs/claims.md, such as {', '.join(allowed[:6])}"


def _right(measure: Measure, word: str, relation: Relation, said: Any, basis: str | None) -> Right:
    """The typed right side of a relation. Raises ValueError."""
    if measure.own_relations is None and measure.kind != "number" and word not in UNORDERED:
        raise ValueError(f"{measure.name} is a {measure.kind}: only `is` and `was` compare it")
    takes, number = relation.takes, partial(read_in_unit, measure, word, basis)
    listed = said if isinstance(said, list) else [said]
    if not listed:
        raise ValueError("should not be empty")
    if takes is Takes.PAIR and len(listed) != 2:
        raise ValueError("should be a list of two")
    if takes is Takes.NUMBER or (takes is Takes.VALUE and measure.kind == "number"):
        return number(said)
    if takes is Takes.DAY or (takes is Takes.VALUE and measure.kind == "day"):
        return _day(said)
    if takes is Takes.TEXT:
        return _text(word, relation, said)
    if takes in (Takes.SINCE, Takes.COUNT) and len(listed) > 1:
        raise ValueError("should be one, not a list")
    return tuple(_one_of_list(measure, takes, each, number) for each in listed)


def _one_of_list(
    measure: Measure, takes: Takes, said: object, number: Callable[[object], Printed]
) -> date | str | int | Operand:
    """One value of a right side that may be a list. Raises ValueError."""
    match takes:
        case Takes.VALUE:
            return _value_of(measure, said)
        case Takes.SINCE | Takes.SINCES:
            return _since(said)
        case Takes.COUNT | Takes.COUNTS:
            return _count(said)
        case Takes.OTHER:
            return _other(said)
        case _:
            return _operand(said, number)


def _text(word: str, relation: Relation, said: object) -> str:
    if not re.fullmatch(relation.pattern, text_of(word, said)):
        raise ValueError(f"should be as in {relation.example}")
    return text_of(word, said)


def _other(said: object) -> Ref:
    if not isinstance(said, str) or not (said == "before" or Ref(said).is_market):
        raise ValueError("should be `before`, or a market")
    return Ref(said)


def _value_of(measure: Measure, said: object) -> str:
    if not isinstance(said, str):
        raise ValueError("should be a text")
    if measure.choices and said not in measure.choices:
        raise ValueError(f"no such value; next: give {', '.join(nearest(said, measure.choices))}")
    return said


def _operand(said: object, number: Callable[[object], Printed]) -> Operand:
    if isinstance(said, str) and re.fullmatch(r"[A-Za-z]\w*", said):
        if said in ("before", "now") or (said.upper() == said and said not in columns()):
            return Ref(said)
        if (other := measure_of(said)) is None or other.kind != "number":
            raise ValueError(f"no such measure; next: give {_closest(said, names())}, or a market in capitals")
        return Ref(said)
    return number(said)


def _day(said: object) -> date:
    if type(said) is not date:
        raise ValueError(f"should be a day, such as 2025-03-13{_unquoted(said)}")
    return said


def _since(said: object) -> date:
    """A day; the last day of a month; EVER."""
    if said == "ever":
        return EVER
    if isinstance(said, str) and (month := re.fullmatch(r"(\d{4})-(\d\d)", said)) and 1 <= int(month[2]) <= 12:
        year, number = int(month[1]), int(month[2])
        return date(max(year, 1), number, monthrange(max(year, 1), number)[1])
    if type(said) is not date:
        raise ValueError(f'should be a day, a month as "2017-09", or "ever"{_unquoted(said)}')
    return said


def _unquoted(said: object) -> str:
    """What to do with a day that is a text."""
    is_day = isinstance(said, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", said)
    return f"; next: give {said}, without quotes" if is_day else ""


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


def text_of(key: str, said: object) -> str:
    """A text that is not too long. Raises WordError."""
    if not isinstance(said, str) or not said.strip():
        raise WordError(key, "is missing" if said is None else "should be a text")
    if len(said) > LONGEST_TEXT:
        raise WordError(key, f"has {len(said):,} characters: give at most {LONGEST_TEXT:,}")
    return said


def table_of(key: str, said: object) -> Mapping[str, Any]:
    """A table of relations. Raises WordError."""
    if not isinstance(said, dict):
        raise WordError(key, "should have relations: MEASURE.RELATION = VALUE")
    return said


def is_of_group(assertion: Assertion) -> bool:
    """Whether the measure or an operand belongs to a trader group."""
    own = assertion.measure.is_of_group
    return own or any(ref.measure is not None and ref.measure.is_of_group for ref in operands_of(assertion))


def operands_of(assertion: Assertion) -> Iterator[Ref]:
    """The operands of a measure's relations that are names."""
    for right in assertion.relations.values():
        yield from (each for each in (right if isinstance(right, tuple) else ()) if isinstance(each, Ref))
