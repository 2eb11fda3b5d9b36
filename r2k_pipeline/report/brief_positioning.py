"""The brief's half on positioning: who holds what, who moved, how crowded it is.

Belongs here: the wording of COT rows. Not here: which rows count (brief_facts.py), prices (brief_technicals.py), other
markets (brief_contrast.py).
"""

from collections.abc import Iterator
from typing import Final

from r2k_pipeline.report.brief_facts import Facts, has_old_report
from r2k_pipeline.report.brief_statements import Grid, Row, Section, Statement, cell, say

GROUPS: Final = {
    "asset_manager": "Asset managers",
    "leveraged_funds": "Leveraged funds",
    "dealer": "Dealers",
    "swap_dealer": "Swap dealers",
    "managed_money": "Managed money",
    "producer_merchant": "Producers and merchants",
    "noncommercial": "Noncommercial",
    "commercial": "Commercial",
    "other_reportables": "Other reportables",
    "nonreportable": "Nonreportable",
}
"""Trader groups in the order of the brief: institution, speculator, hedger, and the rest."""


HEAD: Final = ("longs", "shorts", "mostly", "percentile", "weeks ranked", "by percentile")
"""Columns after net, share and week: what the week was made of, and the rank among the weeks known of three years."""


def positioning(facts: Facts) -> Section:
    """The newest report that was known at the close, group by group."""
    return Section("Positioning", tuple(_positioning(facts)))


def _positioning(facts: Facts) -> Iterator[Statement | Grid]:
    session = facts.session
    if "report_date" not in session:
        yield _nothing(facts)
        return
    report = [session.show(column) for column in ("report_date", "released_at", "report_age_days")]
    old = ": too old to speak of the last week" if has_old_report(session) else ""
    words = f"Report of {{}}, released {{}}, {{}} days old at the close{old}."
    yield say(words, *report, otherwise="Its release is not known.")
    if facts.late:
        late = facts.late.show("report_date"), facts.late.show("released_at")
        yield say("Not the newest: the report of {} came out {} and is not here.", *late)
    lines = [_standing(label, facts.positions[group]) for group, label in GROUPS.items() if group in facts.positions]
    if lines:
        week = f"week to {session['report_date']}" if has_old_report(session) else "week"
        yield Grid(("", "net contracts", "of open interest", week, *HEAD), tuple(lines))
    yield from _changed(facts)


def _nothing(facts: Facts) -> Statement:
    """The statement for a market without positions; its report may have been public all the same."""
    if "contract_codes" not in facts.market:
        return say("No COT contract: no positions.")
    if facts.late is None:
        return say("No COT report is known at this close.")
    out = facts.late.show("report_date"), facts.late.show("released_at")
    return say("No COT report of this market is here at this close; that of {} came out {}.", *out)


def _standing(label: str, row: Row) -> tuple[Statement, ...]:
    """One group: its net, the week, and its rank among the weeks known, which are fewer than 156 where some lack."""
    week = [row.show(f"{side}_contracts_change_1w", signed=True) for side in ("net", "long", "short")]
    is_ranked = "net_percentile_156w" in row
    return (
        say(label),
        cell(row.show("net_contracts", signed=True)),
        cell(row.show("net_share_oi", signed=True)),
        *map(cell, week),
        cell(row.show("dominant_flow")),
        cell(row.show("net_percentile_156w"), otherwise="not ranked"),
        cell(row.show("net_weeks_156w")),
        cell(row.show("positioning_state"), otherwise="not known" if is_ranked else "fewer than 141 weeks"),
    )


def _side(row: Row) -> str:
    return "long" if row["net_contracts"] > 0 else "short" if row["net_contracts"] < 0 else "flat,"


def _changed(facts: Facts) -> Iterator[Statement]:
    """Changes since the previous report: largest move, sides, states, extremes, open interest."""
    rows = {group: row for group, row in facts.positions.items() if group in GROUPS and "net_contracts" in row}
    week = "that week" if has_old_report(facts.session) else "the week"
    moved = [group for group in GROUPS if group in rows and "net_contracts_change_1w" in rows[group]]
    if moved:
        most = max(moved, key=lambda group: abs(rows[group]["net_contracts_change_1w"]))
        flow = rows[most].show("net_contracts_change_1w", signed=True)
        yield say(f"Largest move of {week}: {GROUPS[most].lower()}, {{}} contracts.", flow)
    for group, label in GROUPS.items():
        if group in rows:
            yield from _turned(label, rows[group], facts.positions_before.get(group))
    for row in list(rows.values())[:1]:
        yield say(
            f"Open interest {{}} contracts, {{}} in {week}.",
            row.show("open_interest_contracts"),
            row.show("open_interest_contracts_change_1w", signed=True),
            otherwise=f"The change of open interest in {week} is not known.",
        )


def _turned(label: str, now: Row, before: Row | None) -> Iterator[Statement]:
    """Changes of a group against the previous report, if the week's changes are complete."""
    if "change_basis" in now:
        before = None
    if before and "net_contracts" in before and _side(now) != _side(before):
        yield say(
            f"{label} turned from net {_side(before)} {{}} on {{}} to net {_side(now)} {{}}.",
            before.show("net_contracts", size=True),
            before.show("report_date"),
            now.show("net_contracts", size=True),
        )
    if before and "positioning_state" in before and now["positioning_state"] != before["positioning_state"]:
        states = before.show("positioning_state"), now.show("positioning_state")
        words = f"By percentile {label.lower()} went from {{}} to {{}}."
        yield say(words, *states, otherwise=f"{label} are no longer ranked.")
    if now["cot_index_156w"] in {0, 100}:
        extreme = "highest" if now["cot_index_156w"] else "lowest"
        words = f"Net of {label.lower()} is the {extreme} of {{}} weeks, COT index {{}}."
        yield say(words, now.show("net_weeks_156w"), now.show("cot_index_156w"))
