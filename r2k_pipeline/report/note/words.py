"""From a rule's words to a sentence: formats of facts, and the figures in a sentence.

Belongs here: formats. Not here: what is said (rules.toml), which sentences stay (compose.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from r2k_pipeline.report.brief_statements import Figure
from r2k_pipeline.report.note.facts import ROLES, Facts, Source
from r2k_pipeline.report.note.rules import Rule
from r2k_pipeline.report.price_series import LABELS

NAMES: Final = re.compile(r"Russell 2000|S&P 500|Nasdaq-100|\b(?:50|100|200)-(?:day|,|\s)")
"""Digits that are part of a name do not count as numbers."""
NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
GROUP_LABELS: Final = {
    "asset_manager": "asset managers",
    "leveraged_funds": "leveraged funds",
    "dealer": "dealers",
    "producer_merchant": "producers and merchants",
    "swap_dealer": "swap dealers",
    "managed_money": "money managers",
    "commercial": "commercial traders",
    "noncommercial": "noncommercial traders",
    "other_reportables": "other reportables",
    "nonreportable": "nonreportable traders (below the reporting level)",
}
REPORT_LABELS: Final = {"tff": "TFF", "disaggregated": "disaggregated", "legacy": "legacy"}
FLOW_LABELS: Final = {"net": "the net", "longs": "longs", "shorts": "shorts"}
FRACTIONS: Final = ((0.225, "a fifth"), (0.29, "a quarter"), (0.42, "a third"), (0.6, "half"), (0.9, "three quarters"))
"""Words for a share, each up to its limit."""
RSI_LIMITS: Final = (30, 70)
"""The limits in the conditions of rules.toml. An RSI beside one is not rounded to it."""
WHOLE: Final = 100
"""From here on a level is written in whole points."""
THREE_YEARS: Final = 156
"""Weeks. Of fewer known ones an extreme is said of these alone."""
ORDINALS: Final = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a note, the rule that it is from and its figures in the order of the text."""

    rule: str
    section: str
    keep: int
    text: str
    figures: tuple[Figure, ...]

    @property
    def words(self) -> int:
        """Number of words."""
        return len(self.text.split())

    @property
    def numbers(self) -> int:
        """Number of numbers; digits of a name do not count."""
        return numbers_in(self.text)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rule": self.rule, "text": self.text, "figures": [figure.as_dict() for figure in self.figures]}


def numbers_in(text: str) -> int:
    """Number of numbers in a text; digits of a name do not count."""
    return len(NUMBER.findall(NAMES.sub("", text)))


class _Missing(Exception):  # noqa: N818  (no error: a sentence that cannot be said)
    """A fact of a sentence is not known."""


@dataclass(frozen=True)
class _Field:
    """A fact where a template names it: to format it adds its figure to `figures`."""

    name: str
    value: Any
    source: Source
    figures: list[Figure]

    def __format__(self, how: str) -> str:
        text = write(self.value, how)
        if NUMBER.search(text):
            self.figures.append(self.source.figure(self.name, self.value, text))
        return text


@dataclass(frozen=True)
class _Fields:
    """The facts as a template sees them, and the figures that were written so far."""

    facts: Facts
    figures: list[Figure] = field(default_factory=list)

    def __getitem__(self, name: str) -> _Field:
        fact = f"{name}_trader_group" if name in ROLES else name
        if fact not in self.facts.values:  # as a condition on it would say
            raise duckdb.BinderException(f"no column {fact} of a macro note_*")
        value = self.facts.values[fact]
        if value is None:
            raise _Missing(name)
        return _Field(name, value, self.facts.sources[fact], self.figures)


def sentence_of(rule: Rule, facts: Facts) -> Sentence | None:
    """The sentence of a rule that holds; None if one of its facts is not known."""
    text, figures = fill(rule.words, facts)
    return None if text is None else Sentence(rule.name, rule.section, rule.keep, text, figures)


def fill(words: str, facts: Facts) -> tuple[str | None, tuple[Figure, ...]]:
    """A template with its facts, and its figures in order; no text if a fact is not known."""
    fields = _Fields(facts)
    try:
        text = words.format_map(fields)
    except _Missing:
        return None, ()
    return text, tuple(fields.figures)


def write(value: Any, how: str) -> str:
    """A fact in its format: one of WORDS, two words for its sign or its number, or a format of Python."""
    if how in WORDS:
        return WORDS[how](value)
    if "/" in how:
        first, second = how.split("/")
        is_first = value == 1 if second == f"{first}s" else value > 0
        return first if is_first else second
    if how.startswith("|"):
        value, how = abs(value), how[1:]
    text = f"{value:{how}}" if how else str(value)
    return re.sub(r"[-+](?=0(?:\.0+)?%?$)", "", text).replace("%", " %")


def _ordinal(value: float) -> str:
    """100th, 65th, 1st: a percentile as a rank; below 1 it is 1st."""
    number = max(1, round(value))
    return f"{number}{ORDINALS.get(number % 10, 'th') if number // 10 % 10 != 1 else 'th'}"


def _fraction(value: float) -> str:
    """A change over what was there: more than all of it only where it grew."""
    size = abs(value)
    above = "nine tenths or more" if value < 0 else "as much again" if size < 1.5 else "a multiple"
    return next((words for limit, words in FRACTIONS if size < limit), above)


def _points(value: float) -> str:
    """A distance without its sign: whole points where it rounds to ten or more, else two digits that count."""
    size = abs(value)
    return f"{size:,.0f}" if size >= 9.95 else f"{size:#.2g}"


def _rsi(value: float) -> str:
    """Whole, with decimals where it would else be printed as 30 or 70, which its sentence is about."""
    return next(
        text for digits in range(18) if float(text := f"{value:.{digits}f}") not in RSI_LIMITS or value in RSI_LIMITS
    )


def _label(value: str) -> str:
    return GROUP_LABELS[value]


def _crosses(value: str) -> str:
    """What crossed at one close, as in `last_cross`: several pairs may."""
    crosses = (cross.replace(" ", "x").split("x") for cross in value.split(", "))
    side = {"up": "above", "down": "below"}
    return ", ".join(f"the {fast}-day went {side[way]} the {slow}-day" for fast, slow, way in crosses)


WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "group": _label,
    "Group": lambda value: _label(value).capitalize(),
    "series": lambda value: LABELS[value],
    "report": lambda value: REPORT_LABELS[value],
    "flow": lambda value: FLOW_LABELS[value],
    "flows": lambda value: value.replace("_", " "),
    "state": lambda value: value.replace("_", " "),
    "price": lambda value: f"{value:,.{0 if value >= WHOLE else 2}f}",
    "points": _points,
    "rsi": _rsi,
    "share": lambda value: "less than 1 %" if abs(value) < 0.005 else write(value, "|.0%"),
    "th": _ordinal,
    "fraction": _fraction,
    "weeks": lambda value: "three years" if value >= THREE_YEARS else "the known weeks of three years",
    "cross": _crosses,
    "crosses": lambda value: "falls below" if value == "down" else "rises above",
}
"""Formats that are words of the note, by name."""
