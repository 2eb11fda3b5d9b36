"""Comparisons on one measure: the rows that they concern, and whether one is true of a row.

Belongs here: the choice of rows (on, since, for, within), changes, ranks, operands. Not here: relations to earlier
rows (extremes.py), measures with relations of their own (structures.py).
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.assertions import EVER, Assertion, Operand, Ref
from r2k_pipeline.claims.vocabulary.known_rows import Past, Series
from r2k_pipeline.claims.vocabulary.measure import FURTHER_KEYS, Measure
from r2k_pipeline.claims.vocabulary.measures import measure_of
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError, shown
from r2k_pipeline.contracts.units import Unit

AT: Final = 0.0025
"""How near a price must come to be `at` another: a quarter of a percent."""
NEAR_ATR: Final = 0.5
LEAST_RANKED: Final = 52
"""Rows that a rank needs: a year of reports."""
Judge = Callable[[int], tuple[bool, Any]]
"""From a row to whether a relation is true of it, and its value. Raises UnknownError."""


class Comparison:
    """One assertion on the rows of its measure; `last`: the last row that was known at the claim's moment.

    Of `net.change_below = 0, net.for = 3` these are all rows of net, the rows to compare the last three, and each
    change is from the row before.
    """

    def __init__(self, past: Past, assertion: Assertion) -> None:
        self.past, self.assertion, self.measure = past, assertion, assertion.measure
        further = assertion.relations.get(FURTHER_KEYS[self.measure.further_key]) if self.measure.further_key else None
        self.series = past.series(self.measure, further)
        self.over = self._count("over") or 1
        is_ahead = "within" in assertion.relations or "throughout" in assertion.relations
        at_moment = past.at_moment().series(self.measure, further) if is_ahead else self.series
        self.last = len(at_moment.days) - 1
        self.is_all = "for" in assertion.relations or "throughout" in assertion.relations
        others = ("on", "within", "throughout", "for", "was")
        self.is_any_since = "since" in assertion.relations and not any(word in assertion.relations for word in others)

    def rows(self) -> Sequence[int]:
        """The rows to compare; if `is_all`, the comparison must be true of each, else of any. Raises UnknownError."""
        relations = self.assertion.relations
        if "on" in relations:
            return [self.row()]
        if (ahead := self._count("within") or self._count("throughout")) is not None:
            return self._ahead(ahead)
        if (streak := self._count("for")) is not None:
            return self._streak(streak)
        if self.is_any_since:
            rows = range(self.from_day(relations["since"][0]), self.last + 1)
            if not rows:
                raise UnknownError(f"no rows since {relations['since'][0]}")
            return list(reversed(rows))
        return [self.row()]

    def row(self) -> int:
        """The row of `on`, or the last one. Raises UnknownError."""
        day = self.assertion.relations.get("on")
        place = self.last if day is None else self.series.place(day)
        if place is not None and place >= 0:
            return place
        if day is None:
            raise UnknownError(f"no rows of {self.described()}")
        if day > self.series.days[-1]:
            raise UnknownError(f"{day} was not known yet; next: give `until`")
        raise UnknownError(f"{self.measure.name} has no row of {day}")

    def from_day(self, day: date) -> int:
        """The first row of a day or after it."""
        return self.series.after(day - date.resolution) if day > EVER else 0

    def described(self) -> str:
        """The measure with its market, group and report type."""
        chosen = self.past.chosen
        group = f", {chosen.group} in {chosen.report_type}" if self.measure.is_of_group else ""
        return f"{self.measure.name} of {chosen.market}{group}{self._further()}"

    def _further(self) -> str:
        """The value of the further key that the claim names and, if no row has it, those that there are."""
        if not self.measure.further_key:
            return ""
        key = FURTHER_KEYS[self.measure.further_key]
        there_are = ", ".join(self.past.values_of_further_key(self.measure))
        return f' with {key} = "{self.assertion.relations[key]}"' + (f"; there are: {there_are}" if there_are else "")

    def series_of(self, prefix: str, right: Any = None, past: Past | None = None) -> Series:
        """The values that relations with a prefix compare: those of the measure, or their changes over `over` rows.

        Changes are relative if the right side is a %, or another market and the measure a price.
        """
        source = self.series if past is None else past.series(self.measure)
        if not prefix.startswith("change_"):
            return source
        is_relative = self._is_relative(right[0] if isinstance(right, tuple) else right)
        if self.over == 1 and source.changes is not None and not is_relative:
            return Series.plain(source.days, source.changes, source.unit)
        values: list[float | None] = [None] * min(self.over, len(source.days))
        for then, now in zip(source.values, source.values[self.over :], strict=False):
            is_known = then is not None and now is not None and (then or not is_relative)
            values.append((now / then - 1 if is_relative else now - then) if is_known else None)
        return Series.plain(source.days, values, Unit.RATIO if is_relative else source.unit)

    def truth(self, series: Series, prefix: str, base: str, right: Any, row: int) -> tuple[bool, Any]:
        """Whether a comparison is true of a row, and the compared value. Raises UnknownError.

        `prefix` and `base` are those of `split`; `series` is that of the prefix, `right` the right side.
        """
        low, value, high = series.lows[row], series.values[row], series.highs[row]
        if prefix.startswith("change_") and not self._is_whole(series, row):
            raise UnknownError(f"no change to {series.days[row]}: a row before it is missing")
        if value is None:
            raise UnknownError(f"{self.measure.name} of {series.days[row]} is null")
        if prefix.endswith("rank_"):
            low = value = high = rank(series, row)
        match base:
            case "is":
                off_ratio = self.past.chosen.off_ratio if self.measure.is_price and not prefix else 0.0
                return _is(low, value, high, right, off_ratio)
            case "above":
                return all(high > self._number(each, series, prefix, row) for each in right), high
            case "below":
                return all(low < self._number(each, series, prefix, row) for each in right), low
            case "between":
                first, second = sorted(self._number(each, series, prefix, row) for each in right)
                return first <= value <= second, value
        exact = 0.0 if self.past.chosen.is_exact else right.value * AT
        width = NEAR_ATR * value_on(self.past, "atr_14", series.days[row]) if base == "near" else exact
        return low <= right.value + width and high >= right.value - width, min(max(right.value, low), high)

    def decided(
        self,
        rows: Sequence[int],
        series: Series,
        judge: Judge,
        written: str,
        *,
        is_all: bool = False,
        target: Any = None,
    ) -> Result:
        """The result over rows, with the value of the row that decides: the first false of `all`, first true of `any`.

        Where no row decides and one is unknown or missing, that one might: then the truth is None.
        """
        unit = Unit.RANK if "rank_" in written.split("=", maxsplit=1)[0] else series.unit
        unknown: str | None = None
        seen: tuple[Any, date] | None = None
        for row in rows:
            try:
                is_true, value = judge(row)
            except UnknownError as error:
                unknown = str(error)
                continue
            if is_true != is_all:
                return Result(written, is_true, value, series.days[row], unit)
            seen = (value, series.days[row]) if is_all else _nearer(seen, (value, series.days[row]), target)
        if (unknown := unknown or self._lacking(rows)) is not None:
            return Result(written, None, unit=unit, reason=unknown)
        value, day = seen or (None, None)
        return Result(written, is_all, value, day, unit)

    def _count(self, word: str) -> int | None:
        counts = self.assertion.relations.get(word)
        if counts is None:
            return None
        return int(counts[0]) if self.past.chosen.count is None or word == "over" else self.past.chosen.count

    def _ahead(self, count: int) -> Sequence[int]:
        rows = range(self.last + 1, min(self.last + 1 + count, len(self.series.days)))
        if self.measure.is_of_group and rows:
            return rows
        if len(rows) < count:
            raise UnknownError(f"{len(rows)} of the next {count} rows of {self.described()} are there")
        return rows

    def _streak(self, count: int) -> Sequence[int]:
        rows = range(max(self.last - count + 1, 0), self.last + 1)
        if len(rows) < count:
            raise UnknownError(f"{len(rows)} rows of {self.described()} are there, {count} are asked for")
        return rows

    def _lacking(self, rows: Sequence[int]) -> str | None:
        """A sentence about what is missing in a span of rows that lie one after the other; None if nothing is."""
        relations = self.assertion.relations
        if not rows or not ("for" in relations or "since" in relations) or "on" in relations:
            return None
        begins, ends = self.series.days[min(rows)], self.series.days[max(rows)]
        if "for" not in relations:
            begins = max(relations["since"][0], self.series.days[0] + date.resolution) - date.resolution
        missing = self.past.missing(self.measure, begins, ends)
        return lacking(self.measure, missing) if missing else None

    def _is_relative(self, operand: Any) -> bool:
        if self.measure.is_ratio:
            return False
        is_percent = isinstance(operand, Printed) and operand.is_percent
        return is_percent or (isinstance(operand, Ref) and operand.is_market and not self.measure.is_of_group)

    def _is_whole(self, series: Series, row: int) -> bool:
        """Whether the change to a row spans no day that is missing; a column of changes is null there."""
        if series.values[row] is None or row < self.over:
            return False
        is_column = self.over == 1 and self.series.changes is not None
        return is_column or self.past.is_next(self.measure, series.days[row - self.over], series.days[row], self.over)

    def operand_values(self, series: Series, prefix: str, right: Any, day: date) -> str | None:
        """The values of named operands (measures, markets, before, now) for the row of a day."""
        row = series.place(day)
        named = [each for each in right if isinstance(each, Ref)] if isinstance(right, tuple) else []
        if row is None or not named:
            return None
        return ", ".join(
            f"{each.name}: {shown(self._number(each, series, prefix, row), series.unit)}" for each in named
        )

    def _number(self, operand: Operand, series: Series, prefix: str, row: int) -> float:
        """The value of an operand for a row. Raises UnknownError."""
        if isinstance(operand, Printed):
            return operand.value
        day, found = series.days[row], None
        if operand.name in ("before", "now"):
            place = row - 1 if operand.name == "before" else self.last
            found = series.values[place] if place >= 0 else None
        elif operand.measure is not None:
            return value_on(self.past, operand.name, day)
        else:
            found = self.series_of(prefix, (operand,), self.past.of_market(operand.name)).on(day)
        if found is None:
            raise UnknownError(f"no value of {operand.name} on {day}")
        return float(found)


def _is(low: Any, value: Any, high: Any, right: Any, off_ratio: float) -> tuple[bool, Any]:
    """Whether a value, or one between the low and the high of a day, equals the right side."""
    if not isinstance(right, Printed):
        return (value in right if isinstance(right, tuple) else value == right), value
    if low == high:
        return right.is_near(value, off_ratio), value
    return low - right.half <= right.value <= high + right.half, min(max(right.value, low), high)


def _nearer(seen: tuple[Any, date] | None, found: tuple[Any, date], target: Any) -> tuple[Any, date]:
    """The row to show if none decides: the nearest to the number in the claim, else the first."""
    if seen is None or not isinstance(target, Printed):
        return seen or found
    return min(seen, found, key=lambda row: abs(row[0] - target.value))


def is_equal_to(about: Comparison, right: Any) -> Judge:
    """Whether the value of a row equals the right side."""
    return lambda row: about.truth(about.series, "", "is", right, row)


def rank(series: Series, row: int) -> float:
    """Percent of the values known by a row that are at or below its own. Raises UnknownError for fewer than 52."""
    known = [value for value in series.values[: row + 1] if value is not None]
    if len(known) < LEAST_RANKED:
        raise UnknownError(f"a rank needs {LEAST_RANKED} rows, {len(known)} are there")
    at_or_below = sum(bool(value <= series.values[row]) for value in known)
    return 100 * at_or_below / len(known)


def value_on(past: Past, name: str, day: date) -> float:
    """A measure's value on a day. Raises UnknownError."""
    measure = measure_of(name)
    found = past.series(measure).on(day) if measure else None
    if found is None:
        raise UnknownError(f"no value of {name} on {day}")
    return float(found)


def lacking(measure: Measure, days: Sequence[date]) -> str:
    """The sentence about reports or sessions that are missing."""
    what = "report" if measure.is_of_group else "week's last session" if measure.is_weekly else "session"
    if len(days) == 1:
        return f"the {what} of {days[0]} is missing"
    return f"{len(days)} {what}s are missing, the first of {days[0]}"
