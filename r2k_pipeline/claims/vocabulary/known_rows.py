"""Series of one market as known at one moment, for one reading of a claim.

Belongs here: the values that a reading sets (Chosen), rows by measure, averages, missing days. Not here: relations on
the rows (row_relations.py, structures.py).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from r2k_pipeline.claims.vocabulary.known_tables import KnownTables, Lists
from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.measures import columns
from r2k_pipeline.contracts.units import Unit

WEEK: Final = timedelta(days=7)
SHIFT: Final = timedelta(days=3)
"""How far a holiday moves the day of a report, or the last session of a week."""
BAR: Final = ("session_date", "open", "high", "low", "close")


@dataclass(frozen=True)
class Chosen:
    """What one reading of a claim has chosen: the fields that its choices set (`Choice.sets`), and the rest as it is.

    `as_of`: the claim's moment. `known_at`: rows are read as known then; it is later than `as_of` if the claim looks
    ahead. `prices`: those during the `day`, low to high, or at the `close`. `is_share`: positions as share of open
    interest. `is_exact`: a price is touched to the point. `is_intraday`: the RSI at any price traded in the session.
    `off_ratio`: tolerance for prices. `count`: rows of `for`, `within` or `throughout`. `lookback`: sessions in which
    a decline began. `since`: the first day of a point of control. `slower_than`: the market to compare with.
    """

    market: str
    as_of: datetime
    known_at: datetime
    group: str = ""
    report_type: str = ""
    prices: str = "close"
    is_share: bool = False
    is_exact: bool = False
    is_intraday: bool = False
    off_ratio: float = 0.0
    count: int | None = None
    lookback: int | None = None
    since: date | None = None
    slower_than: str = ""


@dataclass(frozen=True)
class Series:
    """Values of a measure by day, oldest first.

    `lows` and `highs` are those during the day if such prices are chosen, else the values. `changes`: the changes from
    the row before, if the table has them.
    """

    days: Sequence[date]
    values: Sequence[Any]
    lows: Sequence[Any]
    highs: Sequence[Any]
    unit: str
    changes: Sequence[Any] | None = None

    @classmethod
    def plain(
        cls, days: Sequence[date], values: Sequence[Any], unit: str, changes: Sequence[Any] | None = None
    ) -> "Series":
        """One value a day."""
        return cls(days, values, values, values, unit, changes)

    def place(self, day: date) -> int | None:
        """The row of a day."""
        found = bisect_left(self.days, day)
        return found if found < len(self.days) and self.days[found] == day else None

    def on(self, day: date) -> Any:
        """The value of a day; None where there is none."""
        place = self.place(day)
        return None if place is None else self.values[place]

    def after(self, day: date) -> int:
        """The first row after a day."""
        return bisect_right(self.days, day)


class Bar(NamedTuple):
    """The prices of one session."""

    day: date
    open: float
    high: float
    low: float
    close: float


class Past:
    """The rows that were known for one reading. Rows that several claims need are read once."""

    def __init__(self, tables: KnownTables, chosen: Chosen) -> None:
        self.tables, self.chosen = tables, chosen

    def of_market(self, market: str) -> "Past":
        """The same of another market; positions of two markets compare as shares of open interest."""
        return Past(self.tables, replace(self.chosen, market=market, is_share=True))

    def at_moment(self) -> "Past":
        """What was known at the claim's own moment."""
        return Past(self.tables, replace(self.chosen, known_at=self.chosen.as_of))

    @property
    def bars(self) -> list[Bar]:
        """The bar of every session."""
        key = ("bars", self.chosen.market, self.chosen.known_at)
        return self.tables.once(key, lambda: list(map(Bar, *(self._bars()[name] for name in BAR))))

    @property
    def last_close(self) -> float | None:
        """The last close that was known."""
        closes = self._bars()["close"]
        return float(closes[-1]) if closes else None

    def _bars(self) -> Lists:
        return self._lists(f"select {', '.join(BAR)} from market_bars_as_of($known) where market = $market order by 1")

    def series(self, measure: Measure, further: str | None = None) -> Series:
        """Every row of a measure that was known; `further`: the value of the further key of its table."""
        if measure.derived is None:
            return self._column(measure, further)
        makers = {
            "average": self._average,
            "price": self._prices,
            "position": self._position,
            "bar": self._patterns,
            "swing_high": self._swings,
            "swing_low": self._swings,
            "flow": self._flow,
        }
        return makers[measure.derived](measure)

    def values_of_further_key(self, measure: Measure) -> list[str]:
        """What the market's newest rows have in the further key of the measure's table."""
        assert measure.table is not None
        key, day = measure.further_key, measure.day_column
        known = f"from {measure.table.table}_as_of($known) where market = $market"
        found = self._lists(f"select {key} {known} and {day} = (select max({day}) {known}) order by all")
        return [str(each) for each in found[str(key)]]

    def missing(self, measure: Measure, after: date, until: date) -> list[date]:
        """The missing sessions or reports after one day, up to another."""
        sessions = self.tables.sessions_of(self.chosen.market).between(after, until)
        if measure.is_of_group:
            due = [day for day in self.tables.releases(self.chosen.known_at) if after < day <= until]
        elif measure.is_weekly:
            due = [max(week) for _, week in groupby(sessions, lambda day: day.isocalendar()[:2])]
        else:
            due = list(sessions)
        there = set(self.series(measure).days)
        return [day for day in due if day not in there]

    def is_next(self, measure: Measure, before: date, day: date, count: int = 1) -> bool:
        """Whether `count` sessions or reports lie from one day to the other, none missing."""
        if measure.is_of_group or measure.is_weekly:
            return abs(day - before - count * WEEK) <= SHIFT
        return len(self.tables.sessions_of(self.chosen.market).between(before, day)) == count

    def _average(self, measure: Measure) -> Series:
        kind, length = measure.name.split("_")
        bars = self._bars()
        values = _average(bars["close"], int(length), is_simple=kind == "sma")
        return Series.plain(bars["session_date"], values, measure.unit)

    def _prices(self, measure: Measure) -> Series:
        bars = self._bars()
        low, high = ("low", "high") if self.chosen.prices == "day" else ("close", "close")
        return Series(bars["session_date"], bars["close"], bars[low], bars[high], measure.unit)

    def _patterns(self, measure: Measure) -> Series:
        return Series.plain([bar.day for bar in self.bars], _patterns(self.bars), measure.unit)

    def _swings(self, measure: Measure) -> Series:
        query = """
            select pivot_date, any_value(price) as price from swing_pivots_as_of($known)
            where market = $market and kind = $kind group by 1 order by 1"""
        found = self._lists(query, kind=measure.name.removeprefix("swing_"))
        return Series.plain(found["pivot_date"], found["price"], measure.unit)

    def _column(self, measure: Measure, further: str | None) -> Series:
        assert measure.table is not None
        name, table, day = measure.name, measure.table, measure.day_column
        change = f"{name}_change_1w" if f"{name}_change_1w" in columns() else name
        given: dict[str, Any] = {}
        if measure.is_of_group:
            given |= {"report_type": self.chosen.report_type, "trader_group": self.chosen.group}
        if measure.further_key:
            given[measure.further_key] = further
        also = "".join(f" and {key} = ${key}" for key in given)
        wanted = self.tables.wanted(table.table, day, name, change)
        query = f"select {wanted} from {table.table}_as_of($known) where market = $market{also} order by {day}"
        found = self._lists(query, **given)
        return Series.plain(found[day], found[name], measure.unit, found[change] if change != name else None)

    def _position(self, measure: Measure) -> Series:
        side, by = f"{measure.name}_contracts", " / nullif(open_interest_contracts, 0)" if self.chosen.is_share else ""
        query = f"""
            select report_date, {side}{by} as value, {side}_change_1w{by} as change
            from weekly_positioning_as_of($known)
            where market = $market and report_type = $report_type and trader_group = $trader_group order by 1"""
        found = self._lists(query, report_type=self.chosen.report_type, trader_group=self.chosen.group)
        unit = Unit.SHARE_OI if self.chosen.is_share else measure.unit
        return Series.plain(found["report_date"], found["value"], unit, found["change"])

    def _flow(self, measure: Measure) -> Series:
        query = """
            select
                report_date,
                case
                    when sign(long_contracts_change_1w) = sign(short_contracts_change_1w) then 'mixed'
                    when net_contracts_change_1w > 0 then 'buying'
                    when net_contracts_change_1w < 0 then 'selling'
                end as flow
            from weekly_positioning_as_of($known)
            where market = $market and report_type = $report_type and trader_group = $trader_group order by 1"""
        found = self._lists(query, report_type=self.chosen.report_type, trader_group=self.chosen.group)
        return Series.plain(found["report_date"], found["flow"], measure.unit)

    def _lists(self, query: str, **given: Any) -> Lists:
        return self.tables.lists(query, known=self.chosen.known_at, market=self.chosen.market, **given)


def wanted_columns(measures: Iterable[Measure]) -> Iterator[tuple[str, str]]:
    """The columns of tables that these measures read, as table and name."""
    for measure in measures:
        if measure.table is not None:
            change = f"{measure.name}_change_1w"
            names = (measure.day_column, measure.name, *([change] if change in columns() else []))
            yield from ((measure.table.table, name) for name in names)


def _patterns(bars: Sequence[Bar]) -> list[str | None]:
    """Of each bar: outside (beyond the bar before on both sides), inside, else the side on which it closed."""
    found: list[str | None] = [None]
    for before, bar in pairwise(bars):
        if bar.high > before.high and bar.low < before.low:
            found.append("outside")
        elif bar.high <= before.high and bar.low >= before.low:
            found.append("inside")
        else:
            found.append("up" if bar.close > before.close else "down")
    return found[: len(bars)]


def _average(closes: Sequence[float], length: int, *, is_simple: bool) -> list[float | None]:
    """The mean of the last `length` closes, or the exponential one that starts with the first such mean."""
    found: list[float | None] = [None] * min(length - 1, len(closes))
    average = 0.0
    for end in range(length, len(closes) + 1):
        if is_simple or end == length:
            average = sum(closes[end - length : end]) / length
        else:
            average += (closes[end - 1] - average) * 2 / (length + 1)
        found.append(average)
    return found
