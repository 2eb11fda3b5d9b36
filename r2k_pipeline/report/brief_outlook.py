"""The brief's end: the setup, what followed such setups, and what would change the picture.

Belongs here: the wording of setups, outcomes, trigger closes and the next release. Not here: forecasts.
"""

from collections.abc import Iterator
from typing import Final

from r2k_pipeline.report.brief_facts import Facts, has_old_report
from r2k_pipeline.report.brief_statements import Answer, Grid, Row, Section, Statement, cell, join, number_of, say

FACTS: Final = ("setup_fact_1", "setup_fact_2", "setup_fact_3")
NO_SETUP: Final = "none"
FARTHEST_TRIGGER_ATR: Final = 10
"""Trigger closes farther away are not printed: only four of the 52,911 sessions of four indices moved as far."""


NO_STATISTIC: Final = "too few"
OUTCOME: Final = (
    *("Sessions after", "independent", "events", "since", "mean", "all sessions", "median", "positive", "q"),
    "reading",
)
"""Columns of the outcomes; `all sessions` is the mean of all sessions with a known setup."""
LEVEL_OUTCOME: Final = (
    *("Zones founded on", "since", "touches", "sessions", "turned back", "went through", "turned back of decided"),
    *("at random prices", "q among all kinds"),
)
"""Columns of touches: within so many sessions the price turned back, or went through, by one ATR."""


def setup(facts: Facts) -> Section:
    """The setup at the close with its facts, and what followed earlier ones."""
    return Section("Setup and what followed", (*_setup(facts.session), *_followed(facts)))


def _setup(row: Row) -> Iterator[Statement]:
    if "technical_state" in row:
        yield say("Technical state: {}.", row.show("technical_state"))
    if row["is_inverse"]:
        yield say("Alignment, setup and what followed are of the contract's direction, not of the series'.")
    if "alignment" in row:
        whose = f"{row['institution_label']}' " if row["alignment"].startswith("flow") else ""
        yield say(f"Alignment: {whose}{{}}.", row.show("alignment"))
    if "setup" not in row and has_old_report(row):
        report = row.show("report_date"), row.show("report_age_days")
        yield say("Setup and alignment: not known: the report of {} is {} days old.", *report)
    elif "setup" not in row:
        yield say("Whether there is a setup is not known: not all that its rules read is.")
    elif not _has_setup(row):
        yield say("No named setup at this close.")
    else:
        because = [row.show(column) for column in FACTS if column in row]
        yield say("Setup: {}" + "; {}" * len(because) + ".", row.show("setup"), *because)


def _has_setup(row: Row) -> bool:
    return "setup" in row and row["setup"] != NO_SETUP


def _followed(facts: Facts) -> Iterator[Statement | Grid]:
    """Base rates as tables: after such setups by horizon, and of touches of zones founded like the nearest ones."""
    if _has_setup(facts.session) and not facts.outcomes:
        yield say("What followed such setups is not known.")
    if facts.outcomes:
        yield say("Markets of the same weeks move together: a setup in all of them at once is one event.")
        yield Grid(OUTCOME, tuple(map(_outcome, facts.outcomes)))
    if facts.level_outcomes:
        yield Grid(LEVEL_OUTCOME, tuple(map(_level_outcome, facts.level_outcomes)))


def _outcome(row: Row) -> tuple[Statement, ...]:
    """One horizon; the table's own reading where there are too few events for a statistic."""
    counted = ("horizon_sessions", "independent_events", "events", "first_event_date")
    returns = ("mean_forward_return_ratio", "baseline_mean_return_ratio", "median_forward_return_ratio")
    return (
        *(cell(row.show(column)) for column in counted),
        *(cell(row.show(column, signed=True), otherwise=NO_STATISTIC) for column in returns),
        *(cell(row.show(column), otherwise=NO_STATISTIC) for column in ("hit_rate_ratio", "q_value", "reading")),
    )


def _level_outcome(row: Row) -> tuple[Statement, ...]:
    """Touches of one kind of zone, decided within so many sessions by one ATR."""
    counted = ("first_session_date", "touches", "horizon_sessions", "held", "broken")
    return (
        say(f"{row['role'].capitalize()}, {{}}", row.show("kind")),
        *(cell(row.show(column)) for column in counted),
        *(
            cell(row.show(column), otherwise=NO_STATISTIC)
            for column in ("held_share_ratio", "baseline_share_ratio", "q_value")
        ),
    )


def changes(facts: Facts) -> Section:
    """Closes of the next session that would change a reading, levels to break, and the next report."""
    return Section(
        "What would change the picture", (*_triggers(facts.indicators, facts.cross), *_breaks(facts), _release(facts))
    )


def _triggers(row: Row | None, cross: Answer) -> Iterator[Statement]:
    if row is None or "rsi_14" not in row:
        yield say("Trigger closes are not known: the history is too short.")
        return
    for bound in (30, 70):
        goes, direction = ("above", "over") if row["rsi_14"] < bound else ("below", "under")
        yield _trigger(row, f"rsi_{bound}_trigger_close", goes, f"RSI 14 {direction} {bound}")
    yield join(_cross(row), _projected(row, cross))


def _trigger(row: Row, column: str, goes: str, effect: str) -> Statement:
    if column in row and "atr_14" in row and abs(row[column] - row["close"]) > FARTHEST_TRIGGER_ATR * row["atr_14"]:
        return say(f"No close of the next session within {FARTHEST_TRIGGER_ATR} ATR takes {effect}.")
    return say(
        f"A close {goes} {{}} ({{}}) takes {effect}.",
        row.show(column),
        row.against(column, "close"),
        otherwise=f"No close of the next session takes {effect}.",
    )


def _cross(row: Row) -> Statement:
    """The close at which SMA 50 crosses SMA 200. A close moves SMA 50 more: under the trigger it is below SMA 200."""
    if "sma_200" not in row:
        return say("SMA 200 is not known: the history is too short for a cross.")
    goes, direction = ("below", "under") if row["sma_50"] > row["sma_200"] else ("above", "over")
    return _trigger(row, "sma_50_200_trigger_close", goes, f"SMA 50 {direction} SMA 200")


def _projected(row: Row, cross: Answer) -> Statement:
    """When the averages cross if the price does not change: old closes leave the windows, so they move all the same."""
    if "sma_200" not in row:
        return say("")
    sessions = number_of(cross, "sessions_to_cross", "session", "sessions")
    side = {"down": "under", "up": "over"}.get(cross["direction"], "")
    return say(
        f"At unchanged closes SMA 50 is {side} SMA 200 in {{}} {sessions}.",
        cross.show("sessions_to_cross"),
        otherwise="At unchanged closes they do not cross.",
    )


def _breaks(facts: Facts) -> Iterator[Statement]:
    """The edges of the zone around the close, the far ones of the nearest zones, those of the range."""
    if facts.around is not None:
        yield say(
            "A close below {} or above {} is outside the zone around this one.",
            *map(facts.around.show, ("low", "high")),
        )
    for zones, edge, goes in ((facts.supports, "low", "below"), (facts.resistances, "high", "above")):
        for zone in zones[:1]:
            words = f"A close {goes} {{}} leaves the nearest {zone['role']} zone behind."
            yield say(words, zone.show(edge))
    session = facts.session
    if "range_start_date" in session:
        edges = session.show("range_floor"), session.show("range_ceiling")
        yield say(
            "A close below {} or above {} is outside the range: it widens it, or is one of ten that end it.", *edges
        )


def _release(facts: Facts) -> Statement:
    """The next report, due by the rule, because exceptions to it were not known in advance."""
    if "contract_codes" not in facts.market:
        return say("No COT release concerns this market.")
    if facts.release is None:
        return say("The next COT report is not in the release ledger.")
    report, due = facts.release.show("report_date"), facts.release.show("scheduled_at")
    is_overdue = facts.release["scheduled_at"] <= facts.session["known_at"]
    return say(f"Next COT report: positions of {{}}, {'overdue since' if is_overdue else 'due'} {{}}.", report, due)
