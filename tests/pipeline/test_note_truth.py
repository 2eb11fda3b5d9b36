"""A note is true: numbers are parsed from its text and judged by code that shares no query with it (note_world.py).

Every sentence with a number must be one that a judge here knows.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from r2k_pipeline.report.note.compose import Note, read_note
from r2k_pipeline.snapshot import reading
from tests.lakes import Published
from tests.pipeline.note_world import FUNDS, MANAGERS, Files, Group, World, is_roll

Judge = Callable[[World, re.Match[str]], bool]
N, P, D = r"([\d,]+(?:\.\d+)?)", r"([-+]?\d+(?:\.\d+)?) %", r"(\d+ [A-Z][a-z]+(?: \d{4})?)"
SHARE = r"(\d+|less than 1) %"
CROSS = r"the (\d+)-day went (above|below) the (\d+)-day"
WHO: Final = {"Asset managers": MANAGERS, "Leveraged funds": FUNDS, "Dealers": "dealer"}
WHOSE: Final = r"(Asset managers|Leveraged funds)"
FRACTIONS: Final = {
    "a fifth": (0.2, 0.225),
    "a quarter": (0.225, 0.29),
    "a third": (0.29, 0.42),
    "half": (0.42, 0.6),
    "three quarters": (0.6, 0.9),
    "nine tenths or more": (0.9, 1.0),
    "as much again": (0.9, 1.5),
    "a multiple": (1.5, np.inf),
}


def same(text: str, value: float) -> bool:
    """Whether a printed number is the value to its own precision."""
    number = text.replace(",", "")
    half = 0.5 * 10 ** -len(number.partition(".")[2])
    return abs(float(number) - value) <= half * (1 + 1e-9)


def pct(text: str, ratio: float) -> bool:
    """The same of a percentage."""
    return same(text, 100 * ratio)


def share(text: str, ratio: float) -> bool:
    """The same of a share of open interest, which is never printed as 0 %."""
    return ratio < 0.005 if text == "less than 1" else pct(text, ratio) and ratio >= 0.005


def on(text: str, day: date) -> bool:
    """Whether a printed day is that day."""
    return f"{day:%-d %B %Y}".startswith(text)


def rank(text: str, percentile: float) -> bool:
    """Whether `65th` is that percentile; none is less than 1st."""
    return abs(int(re.sub(r"\D", "", text)) - max(1.0, percentile)) <= 0.5 + 1e-9


def side(word: str, value: float) -> bool:
    """Whether a word for a sign is that of the value."""
    return (word in {"long", "bought", "rise", "ahead of", "above"}) == (value > 0)


def flows_of(group: Group) -> np.ndarray:
    """A group's weekly flows over open interest, null in roll weeks and where a week is missing."""
    steps = [(b - a).days < 11 for a, b in zip(group.days, group.days[1:], strict=False)]
    same_codes = [a == b for a, b in zip(group.codes, group.codes[1:], strict=False)]
    known = np.array(steps) & np.array(same_codes) & ~np.array([is_roll(day) for day in group.days[1:]])
    return np.where(known, np.diff(group.net) / group.interest[1:], np.nan)


def is_unusual(group: Group) -> bool:
    """Whether the newest flow is beyond its own 10th or 90th percentile of 156 weeks."""
    flows = flows_of(group)[-156:]
    percentile = 100 * np.mean(flows[~np.isnan(flows)] <= flows[-1])
    return bool(percentile <= 10 or percentile >= 90)


def opposite(w: World, _: re.Match[str]) -> bool:
    both = [w.group(MANAGERS), w.group(FUNDS)]
    return both[0].flow * both[1].flow < 0 and all(map(is_unusual, both))


def one_sided(w: World, m: re.Match[str]) -> bool:
    return opposite(w, m) and side("bought" if m[1] == "buy" else "sold", w.group(MANAGERS).flow)


def extreme(name: str, best: Callable[[np.ndarray], float]) -> Judge:
    def judge(w: World, m: re.Match[str]) -> bool:
        group = w.group(name)
        if ("short" in m[1]) != (group.net[-1] < 0):
            return False
        known = [n for day, n in zip(group.days, group.net, strict=True) if day > group.days[-1] - timedelta(weeks=156)]
        is_whole = (len(known) < 156) == bool(m[2])
        return is_whole and len(known) >= 141 and group.net[-1] == best(np.array(known))

    return judge


def record(group: Group, m: re.Match[str]) -> bool:
    """No week known of three years is beyond the newest; all are known if the sentence does not limit itself."""
    known = [n for day, n in zip(group.days, group.net, strict=True) if day > group.days[-1] - timedelta(weeks=156)]
    return (len(known) < 156) == bool(m[2]) and group.net[-1] == (min if m[1] == "lowest" else max)(known)


def stands(w: World, m: re.Match[str]) -> bool:
    group = w.group(WHO[m[1]])
    return side(m[2], group.net[-1]) and same(m[3], abs(group.net[-1])) and share(m[4], abs(group.share))


def resized(w: World, m: re.Match[str]) -> bool:
    group = w.group(WHO[m[1]])
    now, before = group.net[-1], group.net[-2]
    low, high = FRACTIONS[m[4]]
    is_large = abs(before / group.interest[-2]) >= 0.05 and now * before > 0
    is_right = (abs(now) < abs(before)) == (m[3] == "shrank") and low <= abs(now / before - 1) < high
    return is_large and is_right and side(m[2], now) and same(m[5], abs(now)) and share(m[6], abs(group.share))


def turned(w: World, m: re.Match[str]) -> bool:
    group = w.group(WHO[m[1]])
    now, before = group.net[-1], group.net[-2]
    words = side(m[2], now - before) and side(m[4], before) and side(m[5], now)
    return words and now * before < 0 and same(m[3], abs(now - before)) and same(m[6], abs(now))


def either(judge: Callable[[Group, re.Match[str]], bool]) -> Judge:
    """Of sentences that go on with one on asset managers or on leveraged funds: true of one of them."""
    return lambda w, m: any(judge(w.group(name), m) for name in (MANAGERS, FUNDS))


def made_of(group: Group, m: re.Match[str]) -> bool:
    longs, shorts = group.long[-1] - group.long[-2], group.short[-1] - group.short[-2]
    flows = {"new longs": longs, "long liquidation": -longs, "new shorts": shorts, "short covering": -shorts}
    return max(flows, key=lambda name: flows[name]) == m[1] and same(m[2], longs) and same(m[3], shorts)


def others(w: World) -> dict[str, Group]:
    groups = {market: w.group(MANAGERS, market) for market in w.markets if market != w.market}
    return {name: g for name, g in groups.items() if g.days[-1] == w.group(MANAGERS).days[-1]}


def heaviest(w: World, m: re.Match[str]) -> bool:
    own, rest = w.group(MANAGERS).flow, {name: g.flow for name, g in others(w).items()}
    alike = all(flow * own > 0 and abs(flow) < abs(own) for flow in rest.values())
    return alike and side(m[1], own) and pct(m[2], abs(own)) and m[3] == max(rest, key=lambda name: abs(rest[name]))


def apart(w: World, m: re.Match[str]) -> bool:
    own, rest = w.group(MANAGERS).flow, {name: g.flow for name, g in others(w).items()}
    alone = all(flow * own <= 0 for flow in rest.values())
    return alone and side(m[1], own) and pct(m[2], abs(own)) and pct(m[4], rest[m[3]])


def beside(w: World, m: re.Match[str]) -> bool:
    rest = others(w)
    own = w.group(MANAGERS).flow
    return pct(m[1], own) and pct(m[3], rest[m[2]].flow) and pct(m[5], rest[m[4]].flow)


def alike(w: World, m: re.Match[str]) -> bool:
    own = w.group(MANAGERS).percentile
    told = [(m[1], m[2]), (m[3], m[4])] if len(m.groups()) > 3 else [(m[1], m[2])]
    found = [(w.group(MANAGERS, market).percentile, text) for market, text in told]
    return all(rank(text, value) and (value <= 10) == (own <= 10) and not 10 < value < 90 for value, text in found)


def alone(w: World, m: re.Match[str]) -> bool:
    """By rank the funds are on that side in this market and in no other with a report of the day."""
    groups = {market: w.group(FUNDS, market) for market in w.markets}
    day = groups[w.market].days[-1]
    sides = {name: g.percentile <= 30 if m[1] == "short" else g.percentile >= 70 for name, g in groups.items()}
    return [name for name, g in groups.items() if g.days[-1] == day and sides[name]] == [w.market]


def strength(w: World, m: re.Match[str]) -> bool:
    rest = World(w.files, m[3], w.at)
    common = sorted(set(w.days) & set(rest.days))[-61:]
    own, other = (x.closes[x.days.index(common[-1])] / x.closes[x.days.index(common[0])] for x in (w, rest))
    return side(m[2], own / other - 1) and pct(m[1], abs(own / other - 1))


def taken_back(w: World, m: re.Match[str]) -> bool:
    """The close is back where the day before began, to a tenth of its points; of `most`, beyond the half of them."""
    before, then, now = w.closes[-3:]
    part = (then - now) / (then - before)
    days = (f"{w.days[-1]:%A}", f"{w.days[-2]:%A}") == (m[1], m[3])
    return days and side(m[4], then - before) and (0.5 < part < 0.9 if m[2] else part >= 0.9)


def low_of(w: World, weekday: str, text: str, sessions: int) -> bool:
    place = len(w.lows) - sessions + int(np.argmin(w.lows[-sessions:]))
    return f"{w.days[place]:%A}" == weekday and same(text, w.lows[place])


def high_of(w: World, m: re.Match[str]) -> bool:
    place = len(w.highs) - 252 + int(np.argmax(w.highs[-252:]))
    return f"{w.days[place]:%A}" == m[1] and same(m[2], w.highs[place])


def zone(w: World, m: re.Match[str]) -> bool:
    role = m[1].lower() if m[1] in {"Support", "Resistance"} else "around"
    low, high = w.level_groups(role)[0]
    return same(m[2], low) and same(m[3] if len(m.groups()) > 2 else m[2], high)


def broken(w: World, m: re.Match[str]) -> bool:
    """A session of that month made the price, it is beyond the close now, and was not a few sessions ago."""
    prices = w.lows if m[1] == "low" else w.highs
    places = [p for p in range(len(w.days) - 63, len(w.days)) if f"{w.days[p]:%B}" == m[2] and same(m[3], prices[p])]
    way = 1 if m[1] == "low" else -1
    gone = [way * (prices[p] - w.closes[-1]) > 0 and (way * w.closes[-6:-1] > way * prices[p]).any() for p in places]
    return any(gone)


def trigger(w: World, m: re.Match[str]) -> bool:
    """At the printed close RSI is within what its last digit moves it of 30 or 70."""
    wanted, price = (30, -1) if m[1] == "Below" else (70, 1), float(m[2].replace(",", ""))
    at = [w.rsi(np.append(w.closes, price + off)) for off in (-0.5, 0.5)]
    return min(at) - 1e-6 <= wanted[0] <= max(at) + 1e-6


def next_report(w: World, m: re.Match[str]) -> bool:
    ledger = w.files.frames["staging.cot_releases"].filter(pl.col("released_at") > w.at).sort("report_date")
    return on(m[1], ledger["scheduled_at"][0].date())


def reports_missing(w: World, m: re.Match[str]) -> bool:
    """The last report is of that day, and a later one was out by the ledger."""
    last = w.group(MANAGERS).days[-1]
    ledger = w.files.frames["staging.cot_releases"].filter(pl.col("released_at") <= w.at)
    return on(m[1], last) and ledger["report_date"].max() > last  # type: ignore[operator]


def followed(w: World, m: re.Match[str]) -> bool:
    returns = w.followed(m[2].replace(" ", "_"))
    return int(m[1]) == len(returns) and (len(m.groups()) < 3 or pct(m[3], float(np.mean(returns))))


def crossed(w: World, fast: str, way: str, slow: str) -> bool:
    """Whether one average went to that side of the other at the close."""
    now, before = (w.mean(int(fast), ago) > w.mean(int(slow), ago) for ago in (0, 1))
    return now == (way == "above") and before != now


def rsi(w: World, m: re.Match[str]) -> bool:
    return same(m[1], w.rsi())


def rsi_and_before(w: World, m: re.Match[str]) -> bool:
    now, before = w.rsi(), w.rsi(w.closes[:-1])
    limits = {"no longer oversold": before <= 30 < now, "oversold": now <= 30, "overbought": now >= 70}
    return same(m[1], now) and same(m[3], before) and limits[m[2]]


def surprise(w: World, m: re.Match[str]) -> bool:
    """The flow's size; how unusual it is, is judged on made-up weeks (sql/test_note_macros.py)."""
    group = w.group(GROUPS[m[2].capitalize()])
    changes = {"the net": group.net, "longs": group.long, "shorts": group.short}[m[1]]
    change = (changes[-1] - changes[-2]) / group.interest[-1]
    return pct(m[4], abs(change)) and (change > 0) == (m[3] == "rose")


JUDGES: Final[dict[str, Judge]] = {
    r"# (\w+), .+: \w+ (\d+ \w+ \d{4})": lambda w, m: w.market == m[1] and on(m[2], w.day),
    rf"Missing: COT reports since that of {D}\.": reports_missing,
    rf"Missing: prices since {D}, {N} sessions?\.": lambda w, m: on(m[1], w.day),
    rf"Close {N}, {P}\.": lambda w, m: same(m[1], w.closes[-1]) and pct(m[2], w.change),
    rf"Close {N}, the first on file\.": lambda w, m: len(w.closes) == 1 and same(m[1], w.closes[-1]),
    rf"Close {N}; the session before is missing\.": lambda w, m: same(m[1], w.closes[-1]),
    rf"Positions: CFTC, TFF futures only, of {D}, released (\w+)\.": (
        lambda w, m: on(m[1], w.group(MANAGERS).days[-1]) and f"{w.released():%A}" == m[2]
    ),
    rf"Positions: CFTC, TFF futures only, of {D}, released {D}\.": (
        lambda w, m: on(m[1], w.group(MANAGERS).days[-1]) and on(m[2], w.released())
    ),
    rf"Positions: CFTC, TFF futures only, of {D}\.": lambda w, m: on(m[1], w.group(MANAGERS).days[-1]),
    r"The positions are (\d+) days old: .*?\.": lambda w, m: int(m[1]) == (w.day - w.group(MANAGERS).days[-1]).days,
    r"The week's flows are not known: [^.]*\.": lambda w, _: not w.group(MANAGERS).whole,
    r"The report's week has the quarterly roll: .*?\.": lambda w, _: is_roll(w.group(MANAGERS).days[-1]),
    r"Asset managers (buy|sell), leveraged funds take the other side, .*?\.": one_sided,
    r"Asset managers have not (held so little|been so short) in (the known weeks of )?three years\.": extreme(
        MANAGERS, np.min
    ),
    r"Asset managers have not (held so much|been so little short) in (the known weeks of )?three years\.": extreme(
        MANAGERS, np.max
    ),
    r"Leveraged funds have not been so (little long|short) in (the known weeks of )?three years\.": extreme(
        FUNDS, np.min
    ),
    r"Leveraged funds have not been so (long|little short) in (the known weeks of )?three years\.": extreme(
        FUNDS, np.max
    ),
    rf"An unusual week: ([\w ]+) of ([\w ]+?)(?: \(below the reporting level\))? (rose|fell) by {P} of open interest;"
    r" [^.]*\.": surprise,
    rf"([A-Z][\w ]+?)(?: \(below the reporting level\))? stand unusually far from their mean of three years,"
    rf" net (long|short) {SHARE} of open interest\.": (
        lambda w, m: share(m[3], abs(w.group(GROUPS[m[1]]).share)) and side(m[2], w.group(GROUPS[m[1]]).share)
    ),
    r"(\w+day)'s bounce is still inside the downtrend\.": (
        lambda w, _: w.change >= 0.01 and w.closes[-1] < min(w.mean(50), w.mean(200))
    ),
    r"(\w+day)'s fall is still inside the uptrend\.": (
        lambda w, _: w.change <= -0.01 and w.closes[-1] > max(w.mean(50), w.mean(200))
    ),
    r"(\w+day) took back (most of )?(\w+day)'s (rise|fall)\.": taken_back,
    rf"{WHOSE}: net (long|short) {N} contracts, {SHARE} of open interest\.": stands,
    rf"{WHOSE}' net (long|short) (shrank|grew) by ([a-z ]+) in a week,"
    rf" to {N} contracts, {SHARE} of open interest\.": resized,
    rf"{WHOSE} (bought|sold) {N} contracts and turned from net (long|short) to net (long|short) {N}\.": turned,
    r"The week was mostly ([a-z ]+): longs ([-+\d,]+), shorts ([-+\d,]+)\.": either(made_of),
    r"That is the (lowest|highest) net in (the known weeks of )?three years\.": either(record),
    r"That is the (\d+)\w\w percentile of three years\.": either(lambda g, m: rank(m[1], g.percentile)),
    r"In three years' comparison they went from ([a-z ]+) to ([a-z ]+)\.": either(
        lambda g, m: (g.state(len(g.days) - 2), g.state(len(g.days) - 1)) == (m[1], m[2])
    ),
    r"Leveraged funds are (short|long) by rank here alone\.": alone,
    rf"{WHOSE} have (bought|sold) for (\d+) weeks running\.": (
        lambda w, m: w.group(WHO[m[1]]).streak == int(m[3]) and side(m[2], w.group(WHO[m[1]]).flow)
    ),
    r"Dealers' net is in its (\d+)\w\w percentile of three years\.": lambda w, m: rank(
        m[1], w.group("dealer").percentile
    ),
    rf"Asset managers (bought|sold) in every market, here the most: {P} of open interest, before (\w+)\.": heaviest,
    rf"Asset managers (bought|sold) here alone, {P} of open interest; (\w+) {P}\.": apart,
    rf"Asset managers' week over open interest: {P}; (\w+) {P}, (\w+) {P}\.": beside,
    r"Asset managers are as extreme in (\w+) \((\d+)\w\w percentile\) and (\w+) \((\d+)\w\w\)\.": alike,
    r"Asset managers are as extreme in (\w+) \((\d+)\w\w percentile\)\.": alike,
    rf"Asset managers in (\w+) are neutral by rank only: they (hold|are net short) {P} of open interest\.": (
        lambda w, m: (
            pct(m[3], abs(w.group(MANAGERS, m[1]).share))
            and (m[2] == "hold") == (w.group(MANAGERS, m[1]).share > 0)
            and 30 < w.group(MANAGERS, m[1]).percentile < 70
        )
    ),
    rf"Over 60 sessions the index is {P} (ahead of|behind) (\w+)\.": strength,
    r"At unchanged closes the 50-day average (falls below|rises above) the 200-day in (\d+) sessions?\.": (
        lambda w, m: w.sessions_to_cross() == int(m[2]) and (w.mean(50) > w.mean(200)) == (m[1] == "falls below")
    ),
    rf"At this close the averages crossed: ({CROSS}(?:, {CROSS})*)\.": lambda w, m: all(
        crossed(w, *cross) for cross in re.findall(CROSS, m[1])
    ),
    rf"{P} off the high\.": lambda w, m: pct(m[1], 1 - w.closes[-1] / w.closes.max()),
    r"The highest close on file\.": lambda w, _: w.closes[-1] == w.closes.max(),
    r"Below the 50-, 100- and 200-day averages\.": lambda w, _: w.closes[-1] < min(map(w.mean, (50, 100, 200))),
    r"Above the 50-, 100- and 200-day averages\.": lambda w, _: w.closes[-1] > max(map(w.mean, (50, 100, 200))),
    rf"The year's low is (\w+)'s {N}\.": lambda w, m: low_of(w, m[1], m[2], 252),
    rf"The year's high is (\w+)'s {N}\.": high_of,
    rf"(\w+)'s low, {N}, is the lowest of twenty sessions\.": lambda w, m: low_of(w, m[1], m[2], 20),
    rf"RSI {N}: (no longer oversold), after {N} on \w+\.": rsi_and_before,
    rf"RSI {N}: (oversold|overbought) \({N} the session before\)\.": rsi_and_before,
    rf"RSI {N}: weak, not oversold\.": lambda w, m: rsi(w, m) and 30 < w.rsi() < 40,
    rf"RSI {N}\.(?!\d)": rsi,
    rf"The 50-day is {N} points (above|below) the 200-day and (rising|falling)\.": (
        lambda w, m: (
            same(m[1], abs(w.mean(50) - w.mean(200)))
            and side(m[2], w.mean(50) - w.mean(200))
            and (w.mean(50) > w.mean(50, 5)) == (m[3] == "rising")
        )
    ),
    rf"A swing (low|high) of (\w+), {N}, is broken: [^.]*\.": broken,
    rf"(Support|Resistance) {N} to {N}\.": zone,
    rf"(Support|Resistance) {N}\.": zone,
    rf"The close is inside a (zone), {N} to {N}\.": zone,
    rf"Further out, on old swings, {N} below and {N} above\.": (
        lambda w, m: same(m[1], w.structural("support")) and same(m[2], w.structural("resistance"))
    ),
    rf"Further below, on old swings, {N}\.": lambda w, m: same(m[1], w.structural("support")),
    rf"Further above, on old swings, {N}\.": lambda w, m: same(m[1], w.structural("resistance")),
    rf"The year's heaviest volume lies at {N}, {P} (above|below)\.": (
        lambda w, m: (
            same(m[1], w.profile_price())
            and pct(m[2], abs(w.profile_price() / w.closes[-1] - 1))
            and side(m[3], w.profile_price() - w.closes[-1])
        )
    ),
    rf"(Below|Above) {N} RSI is (?:oversold|overbought)\.": trigger,
    rf"Next report: {D}\.": next_report,
    rf"The CFTC's next report is overdue since {D}\.": next_report,
    rf"After (\d+) such setups? \(([a-z ]+)\) the mean of five sessions was {P}: [^.]*\.": followed,
    r"Too few such setups \(([a-z ]+)\) came before for a statistic\.": (
        lambda w, m: len(w.followed(m[1].replace(" ", "_"))) < 10
    ),
}
"""What each sentence says, and how it is judged."""
CLOSES: Final = int(os.environ.get("NOTE_CLOSES", "4"))
"""How many closes are judged: `NOTE_CLOSES=50 make test ARGS="-k notes_on_real_data"` judges 200 notes."""
GROUPS: Final = {"Asset managers": MANAGERS, "Leveraged funds": FUNDS, "Dealers": "dealer",
                 "Other reportables": "other_reportables", "Nonreportable traders": "nonreportable"}  # fmt: skip


def wrong_in(text: str, world: World) -> Iterator[str]:
    """What of a note's text no judge knows or holds to be true."""
    rest = text
    for pattern, judge in JUDGES.items():
        for match in re.finditer(pattern, text):
            if not judge(world, match):
                yield f"not true: {match[0]}"
            rest = rest.replace(match[0], "", 1)
    unjudged = re.sub(r"Russell 2000|S&P 500|Nasdaq-100", "", rest)
    yield from (f"no judge: {line}" for line in unjudged.splitlines() if re.search(r"\d", line))


def notes_and_worlds(lake: Published, days: int, since: date) -> Iterator[tuple[Note, World]]:
    """The notes on all markets at random closes, each with what it is judged by."""
    files = Files.of(lake.lake)
    closes = (
        files.frames["marts.positioning_vs_technicals"].filter(pl.col("session_date") >= since)["known_at"].unique()
    )
    for at in random.Random(16).sample(closes.sort().to_list(), days):
        yield from _at(lake, files, at)


def _at(lake: Published, files: Files, at: datetime) -> Iterator[tuple[Note, World]]:
    mart = files.frames["marts.positioning_vs_technicals"].filter(pl.col("known_at") == at)
    for market in sorted(mart["market"]):
        yield note_and_world(lake, files, market, at)


def note_and_world(lake: Published, files: Files, market: str, at: datetime) -> tuple[Note, World]:
    with reading(lake.lake, at) as snapshot:
        return read_note(snapshot, market), World(files, market, at)


def check(lake: Published, days: int, since: date) -> None:
    found = list(notes_and_worlds(lake, days, since))
    wrong = [f"{w.market} {w.day}: {said}" for note, w in found for said in wrong_in(note.text(), w)]
    assert not wrong, "\n".join(wrong)
    assert all(note.words <= 250 and note.numbers <= 25 for note, _ in found)


def test_notes_on_the_sample_are_true(sample: Published) -> None:
    check(sample, 3, date(2018, 1, 1))


def test_notes_on_real_data_are_true(from_real: Published) -> None:
    """At CLOSES random closes of four markets each."""
    check(from_real, CLOSES, date(2017, 6, 1))


def test_a_close_at_which_two_pairs_crossed_has_a_note(from_real: Published) -> None:
    at = datetime.fromisoformat("2024-01-02T21:00:00+00:00")
    note, world = note_and_world(from_real, Files.of(from_real.lake), "RUT", at)
    assert "the 50-day went above the 100-day, the 50-day went above the 200-day" in note.text()
    assert not list(wrong_in(note.text(), world))


def test_what_is_not_true_is_found(from_real: Published) -> None:
    at = datetime.fromisoformat("2025-03-14T20:00:00+00:00")
    note, world = note_and_world(from_real, Files.of(from_real.lake), "RUT", at)
    text = note.text()
    assert not list(wrong_in(text, world))
    for true, false in (("Close 2,044.10", "Close 2,044.20"), ("by a third", "by half"), ("RSI 35", "RSI 36")):
        (found,) = wrong_in(text.replace(true, false), world)
        assert false in found
