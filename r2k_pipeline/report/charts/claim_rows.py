"""What a verdict's chart shows: the series that was judged, and what the claim says of it, as marks.

Belongs here: series and marks of one reading, from what was known with it. Not here: how they look (claim.py), how a
claim is judged (claims/).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from r2k_pipeline.claims.lines import deciding
from r2k_pipeline.claims.verdict import Verdict
from r2k_pipeline.claims.vocabulary.assertions import EVER, Assertion, Ref, operands_of
from r2k_pipeline.claims.vocabulary.choices import GROUP_WORDS
from r2k_pipeline.claims.vocabulary.comparison import Comparison
from r2k_pipeline.claims.vocabulary.known_rows import Past, Series
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.measure import Measure
from r2k_pipeline.claims.vocabulary.measures import measure_of
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.relations import split
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError
from r2k_pipeline.claims.vocabulary.statements import Statement
from r2k_pipeline.claims.vocabulary.structures import ends_of_move
from r2k_pipeline.contracts.units import Unit

LEAST: Final = {False: timedelta(days=180), True: timedelta(weeks=104)}
"""How much a chart shows at least, of sessions and of weeks."""
BEFORE: Final = timedelta(days=10)
"""What it shows before the first day that is marked."""
DAYS: Final = ("from", "to", "since", "on")
"""The relations that name a day."""
ON_CLOSES: Final = ("price", "swing_high", "swing_low", "bar")
ORDER: Final = ("sma_50", "sma_100", "sma_200")
POSITIONS: Final = {"long": "long positions", "short": "short positions", "net": "net positions"}
Kind = Literal["claimed", "found", "made"]


@dataclass(frozen=True)
class Mark:
    """A value, a day, or a point: `claimed` by the note, `found` in the data, or when a claim that looks ahead was
    `made`."""

    kind: Kind
    label: str
    value: float | None = None
    day: date | None = None


@dataclass(frozen=True)
class Drawing:
    """Series of days and values by name, the first being what is judged, from `first` on; `is_change`: its changes."""

    about: str
    unit: str
    lines: Mapping[str, Series]
    marks: tuple[Mark, ...]
    first: date
    is_change: bool


def read_drawing(verdict: Verdict, tables: KnownTables) -> Drawing | None:
    """The chart of a reading of a vocabulary claim; None where nothing was found. Nothing is known later than it."""
    judged, claim, decides = verdict.judged, verdict.claim, deciding(verdict.results)
    if judged is None or not isinstance(claim, Statement) or decides is None or decides.truth is None:
        return None
    past = Past(tables, judged.reading.chosen)
    assertion, relation = _decided(claim, decides)
    prefix = _prefix(assertion, relation)
    try:
        lines = dict(_lines(past, assertion, prefix.removesuffix("rank_"), assertion.relations.get(relation), decides))
    except UnknownError:
        return None
    main = next(iter(lines.values()))
    if not main.days:
        return None
    marks = tuple(_marks(past, assertion, prefix, lines, decides))
    days = [mark.day for mark in marks if mark.day is not None]
    is_weekly = assertion.measure.is_of_group or assertion.measure.is_weekly
    first = min([main.days[-1] - LEAST[is_weekly], *_streak(past, main), *(day - BEFORE for day in days)])
    return Drawing(_about(past, assertion, prefix), main.unit, lines, marks, first, prefix.startswith("change_"))


def _decided(claim: Statement, decides: Result) -> tuple[Assertion, str]:
    """The measure and the relation that a result is about; its words begin with `measure.relation = `."""
    assertion = next(each for each in claim.assertions if decides.words.startswith(f"{each.measure.name}."))
    return assertion, decides.words.removeprefix(f"{assertion.measure.name}.").split(" = ")[0]


def _prefix(assertion: Assertion, relation: str) -> str:
    """What a relation makes of a series before it compares: `change_`, `rank_`, or nothing."""
    if relation == "slower_than":
        return "change_"
    compared = split(relation) if assertion.measure.own_relations is None else None
    return compared[0] if compared else ""


def _about(past: Past, assertion: Assertion, prefix: str) -> str:
    """Whose series it is."""
    chosen, name = past.chosen, "net" if _is_shown_by_net(assertion.measure) else assertion.measure.name
    if _is_on_closes(assertion.measure):
        name = "close"
    group = f" of {GROUP_WORDS[chosen.group]}" if assertion.measure.is_of_group else ""
    change = "change of " if prefix.startswith("change_") else ""
    return f"{chosen.market}: {change}{POSITIONS.get(name, name).replace('_', ' ')}{group}"


def _is_on_closes(measure: Measure) -> bool:
    """Whether a measure is no series of numbers, and is shown on closes."""
    is_series = measure.own_relations is None and measure.kind == "number" and measure.derived not in ON_CLOSES
    return not is_series and not measure.is_of_group


def _is_shown_by_net(measure: Measure) -> bool:
    return measure.is_of_group and measure.kind != "number"


def _lines(past: Past, assertion: Assertion, prefix: str, right: Any, decides: Result) -> Iterator[tuple[str, Series]]:
    """The series, and those that it is compared with. Raises UnknownError."""
    measure = assertion.measure
    if _is_shown_by_net(measure):
        yield "net", _series(past, "net")
        return
    if _is_on_closes(measure):
        yield "close", _series(past, "close")
        yield from _beside(past, assertion, decides)
    else:
        about = Comparison(past, assertion)
        series = about.series_of(prefix, right)
        yield measure.name, series
        if measure.is_price and not prefix and measure.name != "close":
            yield from _closes_near(past, series)
    for ref in operands_of(assertion):
        if ref.measure is not None:
            yield ref.name, _series(past, ref.name)
        elif ref.is_market and past.chosen.slower_than in ("", ref.name):
            yield ref.name, Comparison(past, assertion).series_of(prefix, (ref,), past.of_market(ref.name))


def _closes_near(past: Past, series: Series) -> Iterator[tuple[str, Series]]:
    """The closes beside a price; a difference of prices, such as MACD, stands alone."""
    close, value = past.last_close, next((each for each in reversed(series.values) if each is not None), None)
    if close and value and close / 2 < value < 2 * close:
        yield "close", _series(past, "close")


def _beside(past: Past, assertion: Assertion, decides: Result) -> Iterator[tuple[str, Series]]:
    """The averages of a cross or of an order, the ends of a move."""
    relations, measure = assertion.relations, assertion.measure
    if measure.derived == "cross" and (pair := re.search(r"(\d+)x(\d+)", f"{relations.get('is')} {decides.value}")):
        yield from ((f"sma_{length}", _series(past, f"sma_{length}")) for length in pair.groups())
    if assertion.measure.name == "moving_average_order":
        yield from ((name, _series(past, name)) for name in ORDER)
    if assertion.measure.derived in ("move", "retracement"):
        ends = ends_of_move(past, relations)
        yield "move", Series.plain([day for day, _ in ends], [price for _, price in ends], Unit.POINTS)


def _series(past: Past, name: str) -> Series:
    measure = measure_of(name)
    assert measure is not None  # a name of ours, or one that was read
    return past.series(measure)


def _streak(past: Past, main: Series) -> list[date]:
    """The first day of a streak."""
    count = past.chosen.count or 0
    return [main.days[-count]] if 0 < count <= len(main.days) else []


def _marks(
    past: Past, assertion: Assertion, prefix: str, lines: Mapping[str, Series], decides: Result
) -> Iterator[Mark]:
    main = next(iter(lines.values()))
    for word, right in assertion.relations.items():
        if word in DAYS:
            day = right if isinstance(right, date) else past.chosen.since or right[0]
            yield from [Mark("claimed", f"{word} {day}", day=day)] if day > EVER else []
        elif assertion.measure.derived != "move":
            yield from _claimed(past, assertion, word, prefix, main)
    if past.chosen.known_at > past.chosen.as_of:
        yield Mark("made", f"said {past.chosen.as_of:%Y-%m-%d}", day=past.chosen.as_of.date())
    if assertion.measure.derived in ("cross", "move"):
        main = lines[[*lines][-1]]
    yield from _found(main, decides)


def _claimed(past: Past, assertion: Assertion, word: str, prefix: str, main: Series) -> Iterator[Mark]:
    """The numbers of a relation that are values of what is drawn; of a rank, the value that has it."""
    compared, right = split(word), assertion.relations[word]
    drawn = prefix.removesuffix("rank_")
    is_own = assertion.measure.own_relations is not None or not drawn
    if compared is None:
        is_drawn = word != "ratio" and "count" not in word and is_own
    else:
        is_drawn = compared[0].removesuffix("rank_") == drawn
    for each in (right if isinstance(right, tuple) else (right,)) if is_drawn else ():
        label = f"{word.replace('_', ' ')} {each.text if isinstance(each, Printed) else 'now'}"
        if isinstance(each, Printed):
            is_rank = compared is not None and compared[0].endswith("rank_")
            yield Mark("claimed", label, _ranked(main, each.value) if is_rank else each.value)
        elif each == Ref("now"):
            yield Mark("claimed", label, main.values[Comparison(past, assertion).last])


def _ranked(main: Series, rank: float) -> float | None:
    """The least value with at least this rank among those known."""
    known = sorted(value for value in main.values if value is not None)
    return known[min(max(round(rank / 100 * len(known)) - 1, 0), len(known) - 1)] if known else None


def _found(main: Series, decides: Result) -> Iterator[Mark]:
    """The value that decides, on its day."""
    if decides.day is None:
        return
    is_value = isinstance(decides.value, int | float) and decides.unit == main.unit
    value = decides.value if is_value else main.on(decides.day)
    is_state = isinstance(decides.value, str) and decides.value != str(decides.day)
    said = f" {str(decides.value).replace('_', ' ')}" if is_state else ""
    yield Mark("found", f"{decides.day}{said}", value if isinstance(value, int | float) else None, decides.day)
