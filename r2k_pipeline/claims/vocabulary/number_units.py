"""Numbers in the unit of what they are compared with: a percentage, a ratio, or neither.

Belongs here: which unit a relation compares in, and numbers that could be read in two ways. Not here: the printed
precision of a number (printed_numbers.py), values with their unit for readers (results.py).
"""

from typing import Final

from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed, read_number
from r2k_pipeline.contracts.units import HUNDREDTHS, RATIOS, Unit

THOUSAND: Final = 1_000


def unit_of(measure: Measure, word: str, basis: str | None) -> str:
    """The unit in which a relation of a measure compares; `basis`: the claim's key `in`."""
    if "rank_" in word:
        return Unit.RANK
    if word == "ratio":
        return Unit.RATIO
    return Unit.SHARE_OI if basis == "share" and measure.derived == "position" else measure.unit


def read_in_unit(measure: Measure, word: str, basis: str | None, said: object) -> Printed:
    """A number of a relation, as it is meant in its unit. Raises ValueError for one that may mean two things."""
    unit = unit_of(measure, word, basis)
    number = read_number(said, THOUSAND if basis == "thousand" and unit == Unit.EQUIVALENTS else 1)
    if unit in RATIOS:
        if not number.is_percent and abs(number.value) >= 1:
            kind, meant = unit.split(",", maxsplit=1)[0], _percent(number)
            raise ValueError(f'a {kind}, 1 = 100 %: {said} is {meant}; next: give "{said} %" or "{meant}"')
    elif number.is_percent and unit in HUNDREDTHS and not _is_of_change(word):
        return read_number(str(said).replace("%", ""))
    elif number.is_percent and not _is_of_change(word):
        share = ', or in = "share" for a share of open interest' if measure.derived == "position" else ""
        raise ValueError(f"the unit is {unit}; next: give it without %{share}")
    return number


def in_percent(unit: str, right: object) -> str:
    """Ratios that are written without a % as the percentages that they are, ` (70 %)`; nothing of other numbers."""
    numbers = right if isinstance(right, tuple) else (right,)
    bare = [_percent(each) for each in numbers if isinstance(each, Printed) and not each.is_percent and each.value]
    return f" ({', '.join(bare)})" if bare and unit in RATIOS else ""


def _percent(number: Printed) -> str:
    return f"{100 * number.value:,.10g} %"


def _is_of_change(word: str) -> bool:
    """Whether a % is a change in percent, whatever the unit."""
    return word.startswith("change_") and "rank_" not in word
