"""Judges the relations of a measure that has rows, each on its own, with the share of prices that would pass.

Belongs here: the part that judges each relation, base rates. Not here: the rows (comparison.py), measures with words of
their own (structures.py), which readings there are (readings.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.assertions import Assertion
from r2k_pipeline.claims.vocabulary.comparison import Comparison
from r2k_pipeline.claims.vocabulary.extremes import EXTREMES
from r2k_pipeline.claims.vocabulary.known_rows import Past, Series
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.relations import ROWS, split
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError, share

NEAR_CLOSE: Final = 0.1
STEPS: Final = 40
"""Prices near the close: up to 10 % on both sides of it, in steps of a quarter of a percent."""


def compare(past: Past, assertion: Assertion) -> Iterator[Result]:
    """Each relation of a measure with rows, in the claim's order."""
    about = Comparison(past, assertion)
    for word, right in assertion.relations.items():
        if word in ROWS:
            continue
        written = f"{assertion.measure.name}.{word} = {assertion.written[word]}"
        try:
            yield _judge(about, word, right, written)
        except UnknownError as unknown:
            yield Result(written, None, unit=assertion.measure.unit, reason=str(unknown))


def near_prices(close: float) -> list[float]:
    """Prices near a close."""
    return [close * (1 + NEAR_CLOSE * step / STEPS) for step in range(-STEPS, STEPS + 1)]


def _judge(about: Comparison, word: str, right: Any, written: str) -> Result:
    """One relation. Raises UnknownError."""
    if not about.series.days:
        raise UnknownError(f"no rows of {about.described()}")
    if word in EXTREMES:
        return EXTREMES[word](about, right, written)
    rows = about.rows()
    compared = split(word)
    if compared is None:
        return about.decided(rows, about.series, lambda row: _crossed(about, word, right, row), written)
    prefix, base = compared
    series = about.series_of(prefix, right)
    if about.is_any_since:
        written += " on some day since then"
    found = about.decided(
        rows,
        series,
        lambda row: about.truth(series, prefix, base, right, row),
        written,
        is_all=about.is_all,
        target=right[0] if isinstance(right, tuple) else right,
    )
    if found.truth is None or found.day is None:
        return found
    if operands := about.operand_values(series, prefix, right, found.day):
        return replace(found, also=operands)
    if about.measure.is_price and not prefix and base != "is":
        return replace(found, base_rate=_base_rate(about, series, base, right, rows), also=_span(series, rows))
    return found


def _span(series: Series, rows: Sequence[int]) -> str | None:
    """The lowest and the highest of several rows, with their days."""
    known = [row for row in rows if series.values[row] is not None]
    if len(known) < 2:
        return None
    lowest, highest = min(known, key=lambda row: series.lows[row]), max(known, key=lambda row: series.highs[row])
    ends = ((series.lows[lowest], series.days[lowest]), (series.highs[highest], series.days[highest]))
    return "from " + " to ".join(f"{value:,.2f} on {day}" for value, day in ends)


def _crossed(about: Comparison, word: str, right: Printed, row: int) -> tuple[bool, Any]:
    values = about.series.values
    value, before = values[row], values[row - 1] if row else None
    if value is None or before is None:
        raise UnknownError(f"{about.measure.name} of {about.series.days[row]}, or of the row before, is null")
    if word == "crossed_above":
        return value > right.value >= before, value
    return value < right.value <= before, value


def _base_rate(about: Comparison, series: Series, base: str, right: Any, rows: Sequence[int]) -> float | None:
    """The share of prices near the close for which the relation would hold; None for other operands than numbers."""
    operands = right if isinstance(right, tuple) else (right,)
    close = about.past.at_moment().last_close
    if close is None or not all(isinstance(each, Printed) for each in operands):
        return None
    prices = near_prices(close)
    if base == "between":
        first, second = sorted(each.value for each in operands)
        return share(first <= price <= second for price in prices)
    over = all if about.is_all else any

    def would_hold(price: float) -> bool:
        printed = Printed(price, half=0.0, is_percent=False, text="")
        instead = (printed,) if isinstance(right, tuple) else printed
        return over(about.truth(series, "", base, instead, row)[0] for row in rows)

    return share(map(would_hold, prices))
