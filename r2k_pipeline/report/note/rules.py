"""The rules of the note as values: sections with their budgets, terms, one rule for each sentence.

Belongs here: reading and checking rules.toml. Not here: whether a rule is true (facts.py), how words become
text (words.py).
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from r2k_pipeline.shipped import shipped

GROUP: Final = "<group>"
"""Placeholder for the role of a trader group in a rule for several groups."""


@dataclass(frozen=True)
class Budget:
    """How many words and numbers a section, or the whole note, may have."""

    words: int
    numbers: int


@dataclass(frozen=True)
class Part:
    """A section of the note; one without a title stands before the others."""

    name: str
    title: str | None
    budget: Budget


@dataclass(frozen=True)
class Rule:
    """One sentence: when it is true (SQL), its words, and `keep`: the sentences with the lowest are dropped first.

    `one_of`: the first that is true of the rules with this word is said. `after`: it goes on with the sentence of
    the rules that have this word as `one_of`, and is not said without.
    """

    name: str
    section: str
    keep: int
    when: str
    words: str
    one_of: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Rules:
    """All of rules.toml, in its order."""

    limits: Budget
    parts: tuple[Part, ...]
    terms: Mapping[str, str]
    since: Mapping[str, str]
    rules: tuple[Rule, ...]


@cache
def read_rules() -> Rules:
    """The rules that the package ships. Raises ValueError or TypeError for a file that is none."""
    return rules_of(tomllib.loads(shipped("report/note/rules.toml").read_text("utf-8")))


def rules_of(said: Mapping[str, Any]) -> Rules:
    """The values of a file of rules. Raises TypeError for an unknown word, ValueError for an unknown section."""
    parts = tuple(
        Part(name, section.get("title"), Budget(section["words"], section["numbers"]))
        for name, section in said["sections"].items()
    )
    places = {part.name: place for place, part in enumerate(parts)}
    rules = tuple(sorted(_expanded(said["rules"]), key=lambda rule: places.get(rule.section, -1)))
    if unknown := {rule.section for rule in rules} - places.keys():
        raise ValueError(f"rules.toml: no section {', '.join(sorted(unknown))}; next: one of [sections]")
    return Rules(Budget(**said["limits"]), parts, said["terms"], said["since"], rules)


def _expanded(given: Mapping[str, Any]) -> Iterator[Rule]:
    """The rules in order; of rules for several groups, all of one group before the next."""
    groups = dict.fromkeys(group for rule in given.values() for group in rule.get("each", ()))
    for group in (*groups, None):
        for name, said in given.items():
            texts = {key: value for key, value in said.items() if key != "each"}
            if group is None and "each" not in said:
                yield Rule(name, **texts)
            elif group in said.get("each", ()):
                filled = {key: text.replace(GROUP, group) for key, text in texts.items() if isinstance(text, str)}
                yield Rule(f"{name}.{group}", **texts | filled)
