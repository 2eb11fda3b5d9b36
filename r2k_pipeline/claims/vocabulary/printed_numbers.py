"""Numbers as a note prints them: 33.29 means 33.285 to 33.295, and "-0.7 %" a ratio.

Belongs here: reading a number with its precision, and whether another number rounds to it. Not here: which numbers are
compared (row_relations.py).
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

MOST_DIGITS: Final = 15
"""No price or position has more, and a float keeps no more."""
VENDOR_RATIO: Final = 1e-4
"""How far vendors differ in one index price, as each has its own rounding and its own extremes of a day."""
_ROUNDING: Final = 1e-9
_NUMBER: Final = re.compile(r"([+-]?[\d,]*\.?\d+)\s*(%?)")


@dataclass(frozen=True)
class Printed:
    """A number of a note: its value, half a unit of its last printed digit, and whether it is a percentage."""

    value: float
    half: float
    is_percent: bool
    text: str

    def is_near(self, found: float, ratio: float = 0.0) -> bool:
        """Whether `found` rounds to the number as it is printed, or is off by at most a `ratio` of it more."""
        return abs(found - self.value) <= self.half + max(ratio, _ROUNDING) * abs(self.value) + _ROUNDING


def read_number(said: object, scale: int = 1) -> Printed:
    """A number of TOML, or text such as "-0.7 %" or "12,345"; `scale` multiplies it, if no %. Raises ValueError."""
    if isinstance(said, bool) or not isinstance(said, int | Decimal | str):
        raise ValueError("should be a number")
    found = _NUMBER.fullmatch(str(said).strip()) if isinstance(said, str) else None
    if isinstance(said, str) and found is None:
        thousands = re.fullmatch(r"([+-]?[\d,.]*\d)\s*k", said.strip(), re.IGNORECASE)
        hint = f'; next: give {thousands[1]} with in = "thousand"' if thousands else ""
        raise ValueError(f'should be a number, such as 33.29 or "-0.7 %"{hint}')
    is_percent = found is not None and found[2] == "%"
    try:
        number = Decimal(found[1].replace(",", "")) if found else Decimal(str(said))
    except (InvalidOperation, ValueError) as error:
        raise ValueError("should be a number") from error
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("should be a number")
    if len(digits) > MOST_DIGITS or abs(exponent) > MOST_DIGITS:
        raise ValueError(f"has {max(len(digits), abs(exponent)):,} digits: give at most {MOST_DIGITS}")
    unit = Decimal(1) / 100 if is_percent else Decimal(scale)
    half = Decimal(5) * Decimal(10) ** (exponent - 1) * unit
    return Printed(float(number * unit), float(half), is_percent, str(said))
