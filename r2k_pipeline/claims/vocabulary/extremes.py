"""Relations of a row to earlier rows: the lowest since a day, a record, the first time, an earlier value.

Belongs here: these relations, and the check that no day between the rows is missing. Not here: comparisons with numbers
(row_relations.py).
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.assertions import EVER
from r2k_pipeline.claims.vocabulary.comparison import Comparison, is_equal_to, lacking
from r2k_pipeline.claims.vocabulary.relations import split
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError, shown


def before(about: Comparison, right: Any, written: str) -> Result:
    """The value in the row before."""
    row, days = about.row(), about.series.days
    if row < 1 or not about.past.is_next(about.measure, days[row - 1], days[row]):
        raise UnknownError(f"the row before {days[row]} is missing")
    return about.decided([row - 1], about.series, is_equal_to(about, right), written)


def was(about: Comparison, right: Any, written: str) -> Result:
    """The value in some row of `since`, before the last."""
    since = about.assertion.relations.get("since", (EVER,))[0]
    rows = list(reversed(range(about.from_day(since), about.last)))
    if not rows:
        raise UnknownError("no rows before the last one")
    return about.decided(rows, about.series, is_equal_to(about, right), written)


def lowest(about: Comparison, right: Any, written: str) -> Result:
    """Less than in every row after a day."""
    return _extreme(about, right[0], written, is_lowest=True)


def highest(about: Comparison, right: Any, written: str) -> Result:
    """Greater than in every row after a day."""
    return _extreme(about, right[0], written, is_lowest=False)


def _extreme(about: Comparison, since: date, written: str, *, is_lowest: bool) -> Result:
    row, days = about.row(), about.series.days
    values = about.series.lows if is_lowest else about.series.highs
    value = values[row]
    if value is None:
        raise UnknownError(f"{about.measure.name} of {days[row]} is null")
    window = [place for place in range(about.series.after(since), row) if values[place] is not None]
    other = (min if is_lowest else max)(window, key=lambda place: values[place], default=None)
    is_true = other is None or (value < values[other] if is_lowest else value > values[other])
    if is_true:
        _check_whole(about, since, days[row])
    if other is None:
        raise _nothing_between(since, days[row])
    also = None if is_true else f"{shown(values[other], about.series.unit)} on {days[other]}"
    return Result(written, is_true, value, days[row], about.series.unit, also=also)


def record(about: Comparison, right: Any, written: str) -> Result:
    """Some row after a day is above every row up to it."""
    since, highs = right[0], about.series.highs
    first = about.series.after(since)
    earlier = [value for value in highs[:first] if value is not None]
    rows = [row for row in range(first, about.last + 1) if highs[row] is not None]
    if not earlier or not rows:
        raise UnknownError(f"no rows before and after {since}")
    top = max(rows, key=lambda row: highs[row])
    also = f"{shown(max(earlier), about.series.unit)} before"
    return Result(written, highs[top] > max(earlier), highs[top], about.series.days[top], about.series.unit, also=also)


def first(about: Comparison, right: Any, written: str) -> Result:
    """The measure's comparisons are true now, and of no earlier row after a day."""
    since, row, days = right[0], about.row(), about.series.days
    compared = [(found, said) for word, said in about.assertion.relations.items() if (found := split(word))]
    if not compared:
        raise UnknownError("first_since stands beside a comparison, such as net.above = 0")

    def holds(at: int) -> bool:
        return all(
            about.truth(about.series_of(prefix, said), prefix, base, said, at)[0] for (prefix, base), said in compared
        )

    rows = range(row - 1, about.series.after(since) - 1, -1)
    earlier = next((at for at in rows if holds(at)), None)
    if earlier is None:
        _check_whole(about, since, days[row])
    if not rows:
        raise _nothing_between(since, days[row])
    also = None if earlier is None else f"also on {days[earlier]}"
    is_true = holds(row) and earlier is None
    return Result(written, is_true, about.series.values[row], days[row], about.series.unit, also=also)


def slower(about: Comparison, right: Any, written: str) -> Result:
    """The change is smaller than the one before, or than another market's."""
    name = about.past.chosen.slower_than or right[0].name
    series, row = about.series_of("change_"), about.row()
    other = series if name == "before" else about.series_of("change_", right, about.past.of_market(name))
    day = series.days[row]
    compared = other.values[row - 1] if name == "before" and row else other.on(day)
    if series.values[row] is None or compared is None:
        raise UnknownError(f"no change of {day}, or none to compare it with")
    also = f"{name}: {shown(compared, series.unit)}"
    return Result(written, abs(series.values[row]) < abs(compared), series.values[row], day, series.unit, also=also)


def _check_whole(about: Comparison, since: date, until: date) -> None:
    """Raise UnknownError if rows between two days are missing, because one of them might be the exception."""
    begins = about.series.days[0]
    if since > EVER and begins > since and about.past.missing(about.measure, since, begins):
        raise UnknownError(f"the {'reports' if about.measure.is_of_group else 'sessions'} begin at {begins}")
    if missing := about.past.missing(about.measure, max(since, begins), until):
        raise UnknownError(lacking(about.measure, missing))


def _nothing_between(since: date, until: date) -> UnknownError:
    return UnknownError(f"no row {'' if since == EVER else f'after {since} and '}before {until} to compare with")


EXTREMES: Final[Mapping[str, Callable[[Comparison, Any, str], Result]]] = {
    "before": before,
    "was": was,
    "lowest_since": lowest,
    "highest_since": highest,
    "record_since": record,
    "first_since": first,
    "slower_than": slower,
}
"""How each of these relations is judged."""
