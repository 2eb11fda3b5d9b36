"""Measures with relations of their own: levels, crosses, moves, retracements, ranges, declines, points of control.

Belongs here: judging each on what was known. Not here: measures with rows (row_relations.py), their relations
(measures.py).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.assertions import Assertion
from r2k_pipeline.claims.vocabulary.comparison import AT, NEAR_ATR, value_on
from r2k_pipeline.claims.vocabulary.known_rows import Past
from r2k_pipeline.claims.vocabulary.printed_numbers import Printed
from r2k_pipeline.claims.vocabulary.results import Result, UnknownError, share
from r2k_pipeline.claims.vocabulary.row_relations import near_prices
from r2k_pipeline.contracts.units import Unit

RECENT: Final = 300
"""Sessions in which a swing counts."""
EDGE: Final = 0.005
"""How far the edges of a range may be from the note's: half a percent."""
BAND: Final = {"low": 0.01, "high": 0.99}
"""The edges of a range: these quantiles of its closes."""
BIN_POINTS: Final = 5.0
"""Width of the bins of a point of control."""
_CROSS: Final = re.compile(r"(?:(\d+)x(\d+) )?(up|down)|(\d+)x(\d+)")
_SWINGS: Final = {"support": "swing_low", "resistance": "swing_high"}


def judge_structure(past: Past, assertion: Assertion) -> Iterator[Result]:
    """Each relation of a measure that has relations of its own. One describes several together as one result."""
    written = {word: f"{assertion.measure.name}.{word} = {text}" for word, text in assertion.written.items()}
    try:
        if not past.bars:
            raise UnknownError(f"no bars of {past.chosen.market}")
        yield from STRUCTURES[assertion.measure.derived or ""](past, assertion.relations, written)
    except UnknownError as unknown:
        yield Result("; ".join(written.values()), None, unit=assertion.measure.unit, reason=str(unknown))


def _level(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """Whether a swing that a zone of the levels holds is near the claim's price; with a role, one of its kind."""
    claimed, role = relations["at"].value, relations.get("role")
    query = """
        select e.price, e.born_date, l.role
        from levels_as_of($known) as l
        inner join level_evidence_as_of($known) as e using (market, level_id)
        where market = $market and l.session_date = $day and e.kind in ('swing_low', 'swing_high')
            and ($kind is null or (e.kind = $kind and l.role = $role)) and e.born_date >= $first
        order by all"""
    recent = past.bars[-RECENT:]
    last = recent[-1]
    given = {"day": last.day, "role": role, "kind": role and _SWINGS[role], "first": recent[0].day}
    swings = past.tables.rows(query, known=past.chosen.known_at, market=past.chosen.market, **given)
    text = "; ".join(written.values())
    if not swings:
        yield Result(text, False, also=f"no swing in a {role or 'zone'} at {last.day}", unit=Unit.POINTS)
        return
    price, born, found_role = min(swings, key=lambda swing: abs(swing[0] - claimed))
    least = last.close if role == "resistance" else min(bar.low for bar in recent)
    most = last.close if role == "support" else max(bar.high for bar in recent)
    others = [least + (most - least) * step / 80 for step in range(81)]
    rate = share(any(abs(swing[0] / other - 1) <= AT for swing in swings) for other in others)
    also = f"{found_role} at {last.day}, from {least:,.0f} to {most:,.0f}"
    is_there = abs(price - claimed) <= AT * abs(claimed)
    yield Result(text, is_there, price, born, Unit.POINTS, rate, also=also)


def _cross(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """How many such crosses there were; whether one was on a day, since a day, within some sessions, or is the last."""
    query = """
        select session_date, fast || 'x' || slow || ' ' || direction
        from moving_average_crosses_as_of($known)
        where market = $market and fast > 1 order by session_date, fast, slow"""
    for day in (*relations.get("since", ())[:1], *([relations["on"]] if "on" in relations else ())):
        if day > past.chosen.known_at.date():
            raise UnknownError(f"{day} was not known yet; next: give `until`")
    events = past.tables.rows(query, known=past.chosen.known_at, market=past.chosen.market)
    fits = _cross_filter(relations.get("is", ""))
    found = [(day, name) for day, name in events if fits(name)]
    if "count_is" in relations:
        is_true = relations["count_is"].is_near(len(found))
        yield Result(written["count_is"], is_true, len(found), unit=Unit.CROSSES)
        if relations.keys() <= {"is", "count_is"}:
            return
    all_of = "; ".join(text for word, text in written.items() if word != "count_is")
    also = f"the last one: {found[-1][1]} on {found[-1][0]}" if found else "none is on file"
    if "on" in relations:
        near = min(found, key=lambda event: abs(event[0] - relations["on"]), default=None)
        day, name = near or (None, None)
        yield Result(all_of, day == relations["on"], name, day, also=None if day == relations["on"] else also)
    elif "since" in relations or "within" in relations:
        tomorrow = past.chosen.as_of.date() + timedelta(days=1)
        first = relations["since"][0] if "since" in relations else tomorrow
        day, name = next((event for event in found if event[0] >= first), (None, None))
        yield Result(all_of, day is not None, name, day, also=None if day else also)
    else:
        yield _last_cross(events, relations.get("is", ""), fits, all_of)


def _last_cross(events: Sequence[tuple[date, str]], text: str, fits: Callable[[str], bool], written: str) -> Result:
    """Whether the last cross, of the two averages if `text` names them, is the one meant."""
    pair = text.rsplit(" ", 1)[0] if "x" in text else ""
    of_pair = _cross_filter(pair) if pair else None
    for day, name in reversed(events):
        if of_pair is None or of_pair(name):
            return Result(written, fits(name), name, day)
    raise UnknownError("no cross is on file")


def _cross_filter(text: str) -> Callable[[str], bool]:
    """Whether a cross such as `50x200 down` is the one meant.

    `text` without lengths means any of 50, 100 and 200, an empty one either direction too.
    """
    meant = _CROSS.fullmatch(text)
    if meant and meant[4]:
        return lambda name: name.startswith(f"{text} ")
    if meant and meant[1]:
        return lambda name: name == text
    return lambda name: name.endswith(text) and name.split(" ")[0] in ("50x100", "50x200", "100x200")


def _move(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """The size of a move, as a ratio: one result for each of its comparisons."""
    (_, first), (day, last) = ends_of_move(past, relations)
    size = last / first - 1
    span = [written[word] for word in ("from", "to") if word in written]
    also = f"from {first:,.2f} to {last:,.2f}"
    for word in ("is", "above", "below"):
        if word in relations:
            claimed = relations[word]
            is_true = {"is": claimed.is_near(size), "above": size > claimed.value, "below": size < claimed.value}[word]
            yield Result("; ".join([*span, written[word]]), is_true, size, day, Unit.RATIO, also=also)


def _retracement(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """The price at which a ratio of a move is retraced."""
    (_, first), (day, last) = ends_of_move(past, relations)
    price = last + (first - last) * relations["ratio"].value
    is_true = relations["is"].is_near(price, past.chosen.off_ratio)
    also = f"from {first:,.2f} to {last:,.2f}"
    yield Result("; ".join(written.values()), is_true, price, day, Unit.POINTS, also=also)


def ends_of_move(past: Past, relations: Mapping[str, Any]) -> tuple[tuple[date, float], tuple[date, float]]:
    """The day and price from which a move went, and those to which: by closes, or from low to high or high to low."""
    bars = {bar.day: bar for bar in past.bars}
    start, end = relations["from"], relations.get("to", past.bars[-1].day if past.bars else None)
    for day in (start, end):
        if day not in bars:
            raise UnknownError(f"no session of {day} is known")
    first, last = bars[start], bars[end]
    if past.chosen.prices == "close":
        return (start, first.close), (end, last.close)
    if last.close > first.close:
        return (start, first.low), (end, last.high)
    return (start, first.high), (end, last.low)


def _range(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """The edges of the band in which the closes of a span lie."""
    closes = sorted(bar.close for bar in past.bars if relations["from"] <= bar.day <= relations["to"])
    if not closes:
        raise UnknownError("no session of that span is known")
    also = f"closes from {closes[0]:,.2f} to {closes[-1]:,.2f}"
    for word, part in BAND.items():
        if word in relations:
            edge, claimed = _quantile(closes, part), relations[word].value
            text = "; ".join(written[each] for each in ("from", "to", word))
            yield Result(
                text, abs(edge - claimed) <= EDGE * abs(claimed), edge, relations["to"], Unit.POINTS, also=also
            )


def _quantile(ordered: Sequence[float], part: float) -> float:
    """The quantile `part`, 0..1, of ordered values, interpolated between two of them."""
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _turn(
    past: Past, relations: Mapping[str, Any], written: Mapping[str, str], *, is_decline: bool
) -> Iterator[Result]:
    """Whether a decline began on a day: the session after the highest recent close; a rise, after the lowest."""
    recent = past.bars[-(past.chosen.lookback or 20) :]
    extreme = (max if is_decline else min)(recent, key=lambda bar: bar.close)
    began = next((bar.day for bar in recent if bar.day > extreme.day), None)
    also = f"the extreme close: {extreme.close:,.2f} on {extreme.day}"
    yield Result(written["on"], began == relations["on"], str(began) if began else "not begun", began, "day", also=also)


def _poc(past: Past, relations: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    """The point of control since a day against numbers and measures: one result for each comparison."""
    anchor = past.chosen.since or date.min
    poc, day, atr = _poc_since(past, anchor)
    since, also = f"{written['since']}; " if "since" in written else "", f"since {anchor}"
    if "near" in relations:
        if atr is None:
            raise UnknownError(f"no value of atr_14 on {day}")
        nearness = NEAR_ATR * atr
        is_near = abs(poc - relations["near"].value) <= nearness
        rate = share(abs(poc - price) <= nearness for price in near_prices(past.bars[-1].close))
        yield Result(f"{since}{written['near']}", is_near, poc, day, Unit.POINTS, rate, also=also)
    for word in ("above", "below"):
        if word in relations:
            is_true = True
            for operand in relations[word]:
                other = operand.value if isinstance(operand, Printed) else value_on(past, operand.name, day)
                is_true &= poc > other if word == "above" else poc < other
            yield Result(f"{since}{written[word]}", is_true, poc, day, Unit.POINTS, also=also)


def _poc_since(past: Past, anchor: date) -> tuple[float, date, float | None]:
    """The point of control of the bars since a day, the last session in it and its ATR. Raises UnknownError."""
    from r2k_pipeline.claims.checks import AnchoredProfile, anchored_profile  # noqa: PLC0415  (compiles kernels)

    query = "select * from market_bars_as_of($known) where market = $market order by session_date"
    bars = past.tables.frame(query, known=past.chosen.known_at, market=past.chosen.market)
    wanted = AnchoredProfile(market=past.chosen.market, anchor_date=anchor, bin_points=BIN_POINTS)
    profile = next(iter(anchored_profile(bars, wanted).to_dicts()), None)
    if profile is None or profile["value"] is None:
        raise UnknownError(f"no volume since {anchor}")
    return profile["value"], profile["session_date"], profile["atr_14"]


def traded_rsi(past: Past, assertion: Assertion) -> Iterator[Result]:
    """Whether the price that gives RSI(14) the claim's value was traded in the last session.

    Solved from Wilder's recursion: after a close that is `step` above the one before, RSI is (13 G + max(step, 0)) /
    (13 (G + L) + |step|), G and L being the average gain and loss of the session before. Both follow from the RSI of
    that session and from the close that would have put the next RSI at 30 (rsi_30_trigger_close).
    """
    if len(past.bars) < 2:
        raise UnknownError("no session before is known")
    before, bar = past.bars[-2:]
    rsi, trigger = (value_on(past, name, before.day) for name in ("rsi_14", "rsi_30_trigger_close"))
    right = assertion.relations["is"]
    assert isinstance(right, Printed)
    if not 0 < right.value < 100 or trigger == before.close:
        raise UnknownError("the price that gives it cannot be solved")
    sums = _wilder_sum(rsi / 100, trigger - before.close)
    price = before.close + _step_to(rsi / 100, right.value / 100, sums)
    at_low, at_high = (100 * _rsi_at(rsi / 100, sums, edge - before.close) for edge in (bar.low, bar.high))
    also = f"traded from {bar.low:,.2f} to {bar.high:,.2f}, RSI {at_low:.1f} to {at_high:.1f}"
    is_true = bar.low <= price <= bar.high
    yield Result(f"rsi_14.is = {assertion.written['is']}", is_true, price, bar.day, Unit.POINTS, also=also)


def _wilder_sum(rsi: float, step_to_30: float) -> float:
    """13 (G + L), from the step that puts the RSI at 30; `rsi` as a share of 1."""
    at = 0.3
    return at * -step_to_30 / (rsi - at) if step_to_30 < 0 else (1 - at) * step_to_30 / (at - rsi)


def _step_to(rsi: float, target: float, sums: float) -> float:
    """The step of the close that moves the RSI to a target; both as shares of 1."""
    return -sums * (rsi - target) / target if target < rsi else sums * (target - rsi) / (1 - target)


def _rsi_at(rsi: float, sums: float, step: float) -> float:
    """The RSI after a step of the close, as a share of 1."""
    gain, loss = max(step, 0.0), max(-step, 0.0)
    return (rsi * sums + gain) / (sums + gain + loss)


STRUCTURES: Final[Mapping[str, Callable[[Past, Mapping[str, Any], Mapping[str, str]], Iterator[Result]]]] = {
    "level": _level,
    "cross": _cross,
    "move": _move,
    "retracement": _retracement,
    "range": _range,
    "decline": lambda past, relations, written: _turn(past, relations, written, is_decline=True),
    "rise": lambda past, relations, written: _turn(past, relations, written, is_decline=False),
    "poc": _poc,
}
"""How each such measure is judged."""
