"""The result of a relation: true, false or unknown, the deciding value, and how often chance gives the same.

Belongs here: results and their wording. Not here: how they are reached (row_relations.py, extremes.py, structures.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from r2k_pipeline.contracts.units import RATIOS, Unit

WHOLE: Final = 1e5
"""From here on a value is written without decimals."""


@dataclass(frozen=True)
class Result:
    """One relation, judged: `truth` is None if the rows leave it open, for the `reason` given.

    `value` is that of the deciding row, of `day`. `base_rate`: the share of prices near the close for which the
    same relation would hold.
    """

    words: str
    truth: bool | None
    value: float | str | date | None = None
    day: date | None = None
    unit: str = ""
    base_rate: float | None = None
    reason: str | None = None
    also: str | None = None


class UnknownError(ValueError):
    """The rows leave a relation open; the message gives the reason."""


def share(truths: Iterable[bool]) -> float | None:
    """The share that is true."""
    listed = list(truths)
    return sum(listed) / len(listed) if listed else None


def shown(value: Any, unit: str) -> str:
    """A value with its unit, in the form for readers."""
    if not isinstance(value, int | float):
        return str(value)
    if unit in RATIOS:
        return f"{100 * value:,.2f} %"
    if unit == Unit.POINTS:
        return f"{value:,.2f} points"
    if unit == Unit.EQUIVALENTS:
        return f"{value:,.0f} contracts"
    if unit == Unit.RANK:
        return f"{value:,.2f}"
    return f"{value:,.0f} {unit}" if abs(value) >= WHOLE else f"{value:,.6g} {unit}".strip()
