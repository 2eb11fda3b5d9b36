"""Measures with relations of their own: levels, crosses, moves, retracements, ranges, declines, points of control.

Belongs here: judging each on what was known. Not here: measures with rows (row_relations.py), their words
(measures.py).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from r2k_pipeline.claims.vocabulary.asked import Asked
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
BAND: Final = (0.01, 0.99)
BIN_POINTS: Final = 5.0
_CROSS: Final = re.compile(r"(?:(\d+)x(\d+) )?(up|down)|(\d+)x(\d+)")
_SWINGS: Final = {"support": "swing_low", "resistance": "swing_high"}


def judge_structure(past: Past, asked: Asked) -> Iterator[Result]:
    """Each relation of a measure that has words of its own."""
    written = {word: f"{asked.measure.name}.{word} = {text}" for word, text in asked.written.items()}
    try:
        if not past.bars:
            raise UnknownError(f"no bars of {past.way.market}")
        yield from STRUCTURES[asked.measure.derived or ""](past, asked.words, written)
    except UnknownError as unknown:
        yield Result("; ".join(written.values()), None, unit=asked.measure.unit, reason=str(unknown))


def _level(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    asked, role = words["at"], words.get("role")
    query = """
        select e.price, e.born_date, l.role
        from levels_as_of($known) as l
        inner join level_evidence_as_of($known) as e using (market, level_id)
        where market = $market and l.session_date = $day and e.kind in ('swing_low', 'swing_high')
            and ($kind is null or (e.kind = $kind and l.role = $role)) and e.born_date >= $first
        order by all"""
    recent = past.bars[-RECENT:]
    day, close = recent[-1][0], recent[-1][4]
    given = {"day": day, "role": role, "kind": role and _SWINGS[role], "first": recent[0][0]}
    swings = past.tables.rows(query, known=past.way.known, market=past.way.market, **given)
    if not swings:
        yield Result(
            "; ".join(written.values()), False, also=f"no swing in a {role or 'zone'} at {day}", unit=Unit.POINTS
        )
        return
    price, born, found_role = min(swings, key=lambda swing: abs(swing[0] - asked.value))
    least = min(row[3] for row in recent) if role != "resistance" else close
    most = max(row[2] for row in recent) if role != "support" else close
    others = [least + (most - least) * step / 80 for step in range(81)]
    rate = share(any(abs(swing[0] / other - 1) <= AT for swing in swings) for other in others)
    also = f"{found_role} at {day}, from {least:,.0f} to {most:,.0f}"
    is_there = abs(price - asked.value) <= AT * abs(asked.value)
    yield Result("; ".join(written.values()), is_there, price, born, Unit.POINTS, rate, also=also)


def _cross(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    fits = _cross_filter(words.get("is", "down"))
    at_moment, until = past.at_moment().way.as_of, past.way.known
    query = """
        select session_date, fast || 'x' || slow || ' ' || direction, fast
        from moving_average_crosses_as_of($known)
        where market = $market and fast > 1 order by session_date, fast, slow"""
    events = past.tables.rows(query, known=until, market=past.way.market)
    found = [(day, name) for day, name, _ in events if fits(name)]
    last = found[-1] if found else None
    all_of = "; ".join(text for word, text in written.items() if word != "count_is")
    also = f"the last one: {last[1]} on {last[0]}" if last else "none is on file"
    if "count_is" in words:
        yield Result(written["count_is"], words["count_is"].is_near(len(found)), len(found), unit=Unit.CROSSES)
        if len(words) == 2:
            return
    if "on" in words:
        on = next((event for event in found if event[0] == words["on"]), None)
        near = min(found, key=lambda event: abs(event[0] - words["on"]), default=None)
        value, day = (near[1], near[0]) if near else (None, None)
        yield Result(all_of, on is not None, value, day, also=None if on else also)
    elif "since" in words or "within" in words:
        first = words["since"][0] if "since" in words else at_moment.date() + timedelta(days=1)
        some = next((event for event in found if event[0] >= first), None)
        yield Result(all_of, some is not None, some and some[1], some and some[0], also=None if some else also)
    else:
        pair = (last_of := _pair(words.get("is", ""))) and _cross_filter(last_of)
        newest = next((event for event in reversed(events) if not pair or pair(event[1])), None)
        if newest is None:
            raise UnknownError("no cross is on file")
        yield Result(all_of, fits(newest[1]), newest[1], newest[0])


def _pair(text: str) -> str:
    return text.rsplit(" ", 1)[0] if "x" in text else ""


def _cross_filter(text: str) -> Callable[[str], bool]:
    """Whether a cross such as `50x200 down` is the one meant; without lengths, any of 50, 100 and 200."""
    meant = _CROSS.fullmatch(text)
    assert meant is not None  # as CROSS says
    if meant[4]:
        return lambda name: name.startswith(f"{text} ")
    if meant[1]:
        return lambda name: name == text
    return lambda name: name.endswith(text) and name.split(" ")[0] in ("50x100", "50x200", "100x200")


def _move(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    (_, first), (day, last) = ends_of_move(past, words)
    size = last / first - 1
    for word in ("is", "above", "below"):
        if word in words:
            asked = words[word]
            is_true = {
                "is": asked.is_near(size),
                "above": size > asked.value,
                "below": size < asked.value,
            }[word]
            text = "; ".join([*(written[w] for w in ("from", "to") if w in written), written[word]])
            also = f"from {first:,.2f} to {last:,.2f}"
            yield Result(text, is_true, size, day, Unit.RATIO, also=also)


def _retracement(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    (_, first), (day, last) = ends_of_move(past, words)
    price = last + (first - last) * words["ratio"].value
    is_true = words["is"].is_near(price, past.way.off_ratio)
    also = f"from {first:,.2f} to {last:,.2f}"
    yield Result("; ".join(written.values()), is_true, price, day, Unit.POINTS, also=also)


def ends_of_move(past: Past, words: Mapping[str, Any]) -> tuple[tuple[date, float], tuple[date, float]]:
    """The days and prices from which and to which a move went: by extremes, its high and low, or by closes."""
    bars = {row[0]: row for row in past.bars}
    start, end = words["from"], words.get("to", past.bars[-1][0] if past.bars else None)
    lacking = [day for day in (start, end) if day not in bars]
    if lacking:
        raise UnknownError(f"no session of {lacking[0]} is known")
    first, last = bars[start], bars[end]
    if past.way.path == "close":
        return (start, first[4]), (end, last[4])
    goes_up = last[4] > first[4]
    return (start, first[3] if goes_up else first[2]), (end, last[2] if goes_up else last[3])


def _range(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    closes = sorted(row[4] for row in past.bars if words["from"] <= row[0] <= words["to"])
    if not closes:
        raise UnknownError("no session of that span is known")
    span = f"{written['from']}; {written['to']}"
    for word, part in zip(("low", "high"), BAND, strict=True):
        if word in words:
            edge = _quantile(closes, part)
            is_true = abs(edge - words[word].value) <= EDGE * abs(words[word].value)
            also = f"closes from {closes[0]:,.2f} to {closes[-1]:,.2f}"
            yield Result(f"{span}; {written[word]}", is_true, edge, words["to"], Unit.POINTS, also=also)


def _quantile(ordered: Sequence[float], part: float) -> float:
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _turn(past: Past, words: Mapping[str, Any], written: Mapping[str, str], *, is_decline: bool) -> Iterator[Result]:
    recent = past.bars[-(past.way.lookback or 20) :]
    extreme = (max if is_decline else min)(recent, key=lambda row: row[4])
    began = next((row[0] for row in recent if row[0] > extreme[0]), None)
    also = f"the extreme close: {extreme[4]:,.2f} on {extreme[0]}"
    yield Result(written["on"], began == words["on"], str(began) if began else "not begun", began, "day", also=also)


def _poc(past: Past, words: Mapping[str, Any], written: Mapping[str, str]) -> Iterator[Result]:
    from r2k_pipeline.claims.checks import AnchoredProfile, anchored_profile  # noqa: PLC0415  (compiles kernels)

    anchor = past.way.since or date.min
    bars = past.tables.frame(
        "select * from market_bars_as_of($known) where market = $market order by session_date",
        known=past.way.known,
        market=past.way.market,
    )
    profile = anchored_profile(
        bars, AnchoredProfile(market=past.way.market, anchor_date=anchor, bin_points=BIN_POINTS)
    ).to_dicts()
    if not profile or profile[0]["value"] is None:
        raise UnknownError(f"no volume since {anchor}")
    value, day, atr_14 = profile[0]["value"], profile[0]["session_date"], profile[0]["atr_14"]
    if "near" in words and atr_14 is None:
        raise UnknownError(f"no value of atr_14 on {day}")
    since = f"{written['since']}; " if "since" in written else ""
    for word in ("near", "above", "below"):
        if word not in words:
            continue
        if word == "near":
            is_true = abs(value - words["near"].value) <= NEAR_ATR * atr_14
            rate = share(abs(value - price) <= NEAR_ATR * atr_14 for price in near_prices(past.bars[-1][4]))
        else:
            others = [
                each.value if isinstance(each, Printed) else value_on(past, each.name, day) for each in words[word]
            ]
            is_true, rate = all(value > other if word == "above" else value < other for other in others), None
        yield Result(f"{since}{written[word]}", is_true, value, day, Unit.POINTS, rate, also=f"since {anchor}")


def traded_rsi(past: Past, asked: Asked) -> Iterator[Result]:
    """Whether the price that gives RSI(14) the claim's value was traded in the last session.

    Solved from Wilder's recursion, whose two sums follow from the RSI of the session before and the close that would
    have put it at 30.
    """
    if len(past.bars) < 2:
        raise UnknownError("no session before is known")
    before, (day, _, high, low, _) = past.bars[-2], past.bars[-1]
    rsi, trigger = (value_on(past, name, before[0]) for name in ("rsi_14", "rsi_30_trigger_close"))
    right = asked.words["is"]
    assert isinstance(right, Printed)
    if not 0 < right.value < 100 or trigger == before[4]:
        raise UnknownError("the price that gives it cannot be solved")
    sums = _wilder_sum(rsi / 100, trigger - before[4])
    price = before[4] + _step_to(rsi / 100, right.value / 100, sums)
    traded = [100 * _rsi_at(rsi / 100, sums, edge - before[4]) for edge in (low, high)]
    also = f"traded from {low:,.2f} to {high:,.2f}, RSI {traded[0]:.1f} to {traded[1]:.1f}"
    yield Result(f"rsi_14.is = {asked.written['is']}", low <= price <= high, price, day, Unit.POINTS, also=also)


def _wilder_sum(rsi: float, step_to_30: float) -> float:
    """13 times the average gain and loss together, from the step that puts the RSI at 30."""
    at = 0.3
    return at * -step_to_30 / (rsi - at) if step_to_30 < 0 else (1 - at) * step_to_30 / (at - rsi)


def _step_to(rsi: float, target: float, sums: float) -> float:
    """The step of the close that moves the RSI to a target."""
    return -sums * (rsi - target) / target if target < rsi else sums * (target - rsi) / (1 - target)


def _rsi_at(rsi: float, sums: float, step: float) -> float:
    gain, loss = max(step, 0.0), max(-step, 0.0)
    return (rsi * sums + gain) / (sums + gain + loss)


STRUCTURES: Final[Mapping[str, Callable[[Past, Mapping[str, Any], Mapping[str, str]], Iterator[Result]]]] = {
    "level": _level,
    "cross": _cross,
    "move": _move,
    "retracement": _retracement,
    "range": _range,
    "decline": lambda past, words, written: _turn(past, words, written, is_decline=True),
    "rise": lambda past, words, written: _turn(past, words, written, is_decline=False),
    "poc": _poc,
}
"""How each such measure is judged. Relations that describe one thing together give one result."""
