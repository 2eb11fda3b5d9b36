"""The brief's half on prices: trend, momentum, and the levels around the close with their distances.

Belongs here: the wording of indicators, levels, ranges and profiles. Not here: positions (brief_positioning.py).
"""

from typing import Final

from r2k_pipeline.report.brief_facts import Facts
from r2k_pipeline.report.brief_statements import Answer, Grid, Row, Section, Statement, cell, join, number_of, say

TOO_SHORT: Final = "the history is too short"
LEVELS_A_SIDE: Final = 3
AVERAGES: Final = (20, 50, 100, 200)
ZONE: Final = (
    *("Zone", "price", "from the close", "reaches", "touches", "held", "broken", "undecided"),
    *("held of decided", "broken untouched"),
)
RECORDS: Final = {"strong": "of which at least 65 % held", "weak": "of which at most half held"}
"""How sql/macros/zone_records.sql divides zones."""


def trend(facts: Facts) -> Section:
    """Moving averages, their order and last cross, the year's range."""
    row = facts.session
    order = say(
        "SMA order from the top: {}.",
        row.show("moving_average_order"),
        otherwise=f"SMA order is not known: {TOO_SHORT}.",
    )
    cross = say(
        "Last cross {} on {}.",
        row.show("last_cross"),
        row.show("last_cross_date"),
        otherwise="No cross of SMA 50, 100 and 200 is known.",
    )
    year = say(
        "52 weeks: {} to {}.",
        row.show("low_252d"),
        row.show("high_252d"),
        otherwise=f"The 52-week range is not known: {TOO_SHORT}.",
    )
    high = say("{} from the highest close on file.", row.show("drawdown_ratio", signed=True), otherwise="")
    gaps = [_gaps(row)] if row["missing_sessions_252d"] else []
    return Section("Trend", (join(order, cross), _averages(row), join(year, high), *gaps))


def _gaps(row: Row) -> Statement:
    gaps = number_of(row, "missing_sessions_252d", "that gap", "those gaps")
    return say(f"The last 252 sessions lack {{}}: windows of bars span {gaps}.", row.show("missing_sessions_252d"))


def _averages(row: Row) -> Statement:
    known = [_average(row, sessions) for sessions in AVERAGES if f"sma_{sessions}" in row]
    missing = ", ".join(str(sessions) for sessions in AVERAGES if f"sma_{sessions}" not in row)
    rest = [say(f"SMA {missing}: not known, {TOO_SHORT}.")] if missing else []
    return join(*known, *rest)


def _average(row: Row, sessions: int) -> Statement:
    name = f"sma_{sessions}"
    gap = round(row["close"] / row[name] - 1, 4)  # as it is printed: where that is 0, there is no side
    side = "Above" if gap > 0 else "Below" if gap < 0 else "At"
    return say(f"{side} SMA {sessions} {{}} ({{}}).", row.show(name), row.against("close", name))


def momentum(facts: Facts) -> Section:
    """RSI, MACD, bands, and how far the market moves in a day."""
    row = facts.session
    return Section("Momentum", (_rsi(row), _macd(row), _bands(row), _pace(row)))


def _rsi(row: Row) -> Statement:
    rsi = row["rsi_14"]
    zone = "" if rsi is None else ", under 30" if rsi < 30 else ", over 70" if rsi > 70 else ", between 30 and 70"
    return say(f"RSI 14 at {{}}{zone}.", row.show("rsi_14"), otherwise=f"RSI 14 is not known: {TOO_SHORT}.")


def _macd(row: Row) -> Statement:
    side = "above" if (row["macd_histogram"] or 0) >= 0 else "below"
    return say(
        f"MACD {{}} is {side} its signal {{}} (histogram {{}}).",
        row.show("macd"),
        row.show("macd_signal"),
        row.show("macd_histogram", signed=True),
        otherwise=f"MACD is not known: {TOO_SHORT}.",
    )


def _bands(row: Row) -> Statement:
    if "bollinger_lower" not in row:
        return say(f"Bollinger bands are not known: {TOO_SHORT}.")
    where = _where(row["close"], row["bollinger_lower"], row["bollinger_upper"])
    bands = row.show("bollinger_lower"), row.show("bollinger_upper")
    return say(f"The close is {where} the Bollinger bands, {{}} to {{}}.", *bands)


def _pace(row: Row) -> Statement:
    return say(
        "ATR 14 is {} points; volatility of 20 sessions {} a year.",
        row.show("atr_14"),
        row.show("realised_volatility_20d"),
        otherwise=f"ATR 14 and volatility are not known: {TOO_SHORT}.",
    )


def levels(facts: Facts) -> Section:
    """The zone around the close, zones on both sides, the consolidation range, the volume profile."""
    sides = {"Support": facts.supports, "Resistance": facts.resistances}
    zones = {"Around the close": (facts.around,) if facts.around else ()} | sides
    lines = tuple(_zone(role, zone) for role, found in zones.items() for zone in found[:LEVELS_A_SIDE])
    missing = (say(f"{side}: no level known.") for side, found in sides.items() if not found)
    made = (_made(role, found[0]) for role, found in zones.items() if found)
    table = [Grid(ZONE, lines)] if lines else []
    rest = (records(facts.records), _range(facts.session), _profile(facts.session))
    return Section("Levels", (*table, *missing, *made, *rest))


def _zone(role: str, zone: Row) -> tuple[Statement, ...]:
    """One zone with the outcomes of its touches; breaks without a touch are counted apart."""
    counts = ("touches", "holds", "breaks", "undecided")
    return (
        say(role),
        cell(zone.show("price")),
        say("{} ATR", zone.show("distance_atr", signed=True)),
        say("{} to {}", zone.show("low"), zone.show("high")),
        *(cell(zone.show(column)) for column in counts),
        cell(zone.share("holds", "breaks"), otherwise="none decided"),
        cell(zone.show("breaks_untouched")),
    )


def _made(role: str, zone: Row) -> Statement:
    which = role if zone["role"] == "around" else f"Nearest {role.lower()}"
    return say(f"{which}, since {{}}: {{}}.", zone.show("born_date"), zone.show("evidence"))


def records(row: Answer) -> Statement:
    """How often zones of the market held, and how often the next touch held by the zone's record so far."""
    every = say(
        f"Of {{}} decided {number_of(row, 'touches', 'touch', 'touches')} of this market's zones {{}} held.",
        row.show("touches"),
        row.show("held_share_ratio"),
        otherwise="No touch of this market's zones is decided yet.",
    )
    by_record = [
        say(
            f"After ten touches or more, {words}, the next held in {{}} of {{}}.",
            row.show(f"{record}_held_share_ratio"),
            row.show(f"{record}_touches"),
            otherwise="",
        )
        for record, words in RECORDS.items()
    ]
    return join(every, *by_record)


def _range(row: Row) -> Statement:
    return say(
        "In a range since {}: floor {} ({}), ceiling {} ({}); the close is at {} of it. Core {} to {}.",
        row.show("range_start_date"),
        row.show("range_floor"),
        row.against("range_floor", "close"),
        row.show("range_ceiling"),
        row.against("range_ceiling", "close"),
        row.show("range_position_ratio"),
        row.show("range_core_low"),
        row.show("range_core_high"),
        otherwise="The close is in no open consolidation range.",
    )


def _profile(row: Row) -> Statement:
    if "poc_250" not in row:
        return say("POC and value area of 250 sessions are not known.")
    where = _where(row["close"], row["value_area_low_250"], row["value_area_high_250"])
    profile = say(
        f"POC of 250 sessions {{}} ({{}} from the close), value area {{}} to {{}}: the close is {where} it.",
        row.show("poc_250"),
        row.against("poc_250", "close"),
        row.show("value_area_low_250"),
        row.show("value_area_high_250"),
    )
    volume = say("Volume of {}.", row.show("volume_symbol"), otherwise="Time at price: no volume is known.")
    return join(profile, volume)


def _where(close: float, low: float, high: float) -> str:
    return "below" if close < low else "above" if close > high else "inside"
