"""What a market's prices are, in words: of an index that is usual, anything else is said beside them.

Belongs here: labels of the series of marts.markets. Not here: which series a market may have (markets.py).
"""

from typing import Final

LABELS: Final = {
    "spot": "a spot price",
    "fund": "a fund",
    "yield": "a yield",
    "future": "a future adjusted at its rolls",
}
UNITS: Final = {"spot": "USD", "fund": "USD a share", "yield": "percent a year", "future": "adjusted points"}
"""Units of an axis; of other series they are index points."""
INVERSE: Final = "its rise is a fall of the contract"


def say_series(symbol: str, series: str, *, is_inverse: bool) -> str | None:
    """The sentence about prices that are not those of an index, without its full stop."""
    if series == "index":
        return None
    return f"{symbol} is {LABELS[series]}" + (f": {INVERSE}" if is_inverse else "")


def unit_of(series: str, *, is_inverse: bool) -> str:
    """The unit of the prices, as an axis says it."""
    return "units for a USD" if is_inverse and series == "spot" else UNITS.get(series, "index points")
