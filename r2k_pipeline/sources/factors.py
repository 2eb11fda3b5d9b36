"""Names of the constant factors by which prices differ: a split, cents for dollars, a dividend adjustment.

Belongs here: what a factor, or the factors of revised closes, look like. Not here: what is done about them.
"""

import math
from typing import Final

import polars as pl

SPLITS: Final = {2.0: "2:1", 3.0: "3:1", 4.0: "4:1", 5.0: "5:1", 10.0: "10:1", 20.0: "20:1", 1.5: "3:2"}
MOST: Final = 0.95
"""Share of revised rows that must follow a pattern for it to be named."""
EXACT: Final = 3e-4
"""Relative: two prices in cents, the lower of them about 30, give a ratio no better than that."""
FEWEST: Final = 3
"""Rows: fewer show no pattern."""
LOWEST_DIVIDENDS: Final = 0.3
"""Lowest factor that dividends can explain: what sixty years of them leave of a price."""


def name_factor(factor: float, slack: float = EXACT) -> str:
    """The likely cause of a factor, or empty text; `slack` is relative, for the day's own move."""
    size = max(factor, 1 / factor)
    if math.isclose(size, 100, rel_tol=slack):
        return "cents for dollars" if factor > 1 else "dollars for cents"
    for ratio, name in SPLITS.items():
        if math.isclose(size, ratio, rel_tol=slack):
            return f"a split {name if factor < 1 else ':'.join(reversed(name.split(':')))}"
    if LOWEST_DIVIDENDS < factor < 1 - EXACT:
        return "a dividend adjustment"
    return ""


def name_pattern(revised: pl.DataFrame) -> str:
    """The pattern in the revised closes of one answer, or empty text; `close`, `close_before`, `session_date`."""
    if not {"close", "close_before"} <= set(revised.columns):
        return ""
    factors = (
        revised.sort("session_date").select(factor=pl.col("close") / pl.col("close_before"))["factor"].drop_nulls()
    )
    factors = factors.filter((factors - 1).abs() > EXACT / 10)
    if factors.len() < max(FEWEST, MOST * revised.height):
        return ""
    middle = float(factors.median())  # type: ignore[arg-type]
    if ((factors / middle - 1).abs() < EXACT).mean() >= MOST:  # type: ignore[operator]
        named = name_factor(middle)
        return f"all by the factor {middle:.4g}{': ' if named else ''}{named}"
    rises = (factors.diff().drop_nulls() > -EXACT).mean() >= MOST  # type: ignore[operator]
    if rises and factors.max() < 1 + EXACT:  # type: ignore[operator]
        return f"by factors that rise from {factors[0]:.4g} to {factors[-1]:.4g}: dividend-adjusted prices"
    return ""
