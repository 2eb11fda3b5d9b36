"""The verdicts on one claim in one line: for which groups and moments it is true, and for which false.

Belongs here: that line. Not here: the verdicts (verdicts.py, vocabulary/), the page around it (report/).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from r2k_pipeline.claims.vocabulary.choices import Choice
from r2k_pipeline.claims.vocabulary.readings import AS_IT_SAYS, Judged

TRUTHS: Final = {True: "true", False: "false", None: "unknown"}


def story_of(judged: Sequence[Judged]) -> str:
    """The readings of a vocabulary claim in one line; choices that make no difference are left out."""
    truths = {each.truth for each in judged}
    if len(judged) == 1:
        return _alone(judged[0])
    if len(truths) == 1:
        return f"{TRUTHS[judged[0].truth]} in each of {len(judged)} readings"
    return "; ".join(_parts(judged))


def story_of_names(verdicts: Sequence[tuple[str, str]]) -> str:
    """The readings of a claim in SQL, each an alternative and its verdict, in one line."""
    said = {"holds": "true", "fails": "false", "undetermined": "unknown"}
    found = []
    for verdict, word in said.items():
        names = [name.replace("_", " ") for name, of in verdicts if of == verdict]
        if names:
            found.append(word if len(verdicts) == 1 else f"{word} as {_listed(names)}")
    return "; ".join(found)


def _alone(judged: Judged) -> str:
    if judged.truth is not None:
        words = judged.reading.words
        return f"{TRUTHS[judged.truth]}{'' if words == AS_IT_SAYS else f' {words}'}"
    reasons = [judged.reason, *(result.reason for result in judged.results)]
    return f"unknown: {next(reason for reason in reasons if reason)}"


def _parts(judged: Sequence[Judged]) -> Iterator[str]:
    """The first open choice, with the first of the others; then each other choice that changes a result."""
    regular = [each for each in judged if len(each.reading.choices) == len(judged[0].reading.choices)]
    axes = [list(dict.fromkeys(choices)) for choices in zip(*(each.reading.choices for each in regular), strict=True)]
    open_axes = [place for place, axis in enumerate(axes) if len(axis) > 1]
    first = [axis[0] for axis in axes]
    splits = [place for place in open_axes if len({*_truths(regular, place, first).values()}) > 1]
    main = next(iter([*splits, *open_axes]), 0)
    yield _said(regular, main, first)
    usual = _truths(regular, main, first)
    for place in (place for place in open_axes if place != main):
        for choice in axes[place][1:]:
            other = [*first[:place], choice, *first[place + 1 :]]
            if _truths(regular, main, other) != usual:
                yield f"{choice.words}: {_said(regular, main, other)}"
    for each in judged:
        if each not in regular:
            yield f"{TRUTHS[each.truth]} {each.reading.choices[-1].words}"


def _truths(judged: Sequence[Judged], main: int, chosen: Sequence[Choice]) -> dict[Choice, bool | None]:
    """The truth by the main choice, the others as chosen."""
    fits = (each for each in judged if all(c == chosen[n] for n, c in enumerate(each.reading.choices) if n != main))
    return {each.reading.choices[main]: each.truth for each in fits}


def _said(judged: Sequence[Judged], main: int, chosen: Sequence[Choice]) -> str:
    truths = _truths(judged, main, chosen)
    parts = []
    for truth, word in TRUTHS.items():
        names = [choice.words for choice, found in truths.items() if found is truth]
        whole = len(names) == len(truths)
        if names:
            parts.append(word if whole else f"{word} {_listed(names)}")
    return ", ".join(parts)


def _listed(names: Sequence[str]) -> str:
    shown = [name for name in names if name]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + (f" and {shown[-1]}" if shown else "as it says")
