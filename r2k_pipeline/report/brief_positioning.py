"""The brief's half on positioning: who holds what, who moved, how crowded it is, and how other markets compare.

Belongs here: the wording of COT rows. Not here: which rows count (brief_facts.py), prices (brief_technicals.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from r2k_pipeline.report.brief_facts import Facts
from r2k_pipeline.report.brief_statements import Figure, Row, Section, Statement, join, listed, say

GROUPS: Final = {
    "asset_manager": "Asset managers",
    "leveraged_funds": "Leveraged funds",
    "dealer": "Dealers",
    "other_reportables": "Other reportables",
    "nonreportable": "Nonreportable",
}
"""Trader groups of the TFF report in the order of the brief."""
COMPARED: Final = ("asset_manager", "leveraged_funds")


def positioning(facts: Facts) -> Section:
    """The newest report that was public at the close, group by group."""
    return Section("Positioning", tuple(_positioning(facts)))


def _positioning(facts: Facts) -> Iterator[Statement]:
    session = facts.session
    if "report_date" not in session:
        has_contract = "contract_codes" in facts.market
        yield Statement("No COT report was public at this close." if has_contract else "No COT contract: no positions.")
        return
    report = [session.show(column) for column in ("report_date", "released_at", "report_age_days")]
    yield say("Report of {}, released {}, {} days old at the close.", *report, otherwise="Its release is not known.")
    if facts.late:
        late = facts.late.show("report_date"), facts.late.show("released_at")
        yield say("Not the newest: the report of {} came out {} and is not here.", *late)
    for group, label in GROUPS.items():
        if group in facts.positions:
            yield _standing(label, facts.positions[group])
    yield from _changed(facts)


def _standing(label: str, row: Row) -> Statement:
    if "net_contracts" not in row:
        return Statement(f"{label}: not known in today's contracts.")
    stands = say(
        f"{label}: net {_side(row)} {{}} contracts, {{}} of open interest.",
        row.show("net_contracts", size=True),
        row.show("net_share_oi", size=True),
        otherwise=f"{label}: no open interest.",
    )
    week = say(
        "Week {}: longs {}, shorts {}, mostly {}.",
        row.show("net_contracts_change_1w", signed=True),
        row.show("long_contracts_change_1w", signed=True),
        row.show("short_contracts_change_1w", signed=True),
        row.show("dominant_flow"),
        otherwise="The week's flow is not known.",
    )
    crowded = say(
        "Percentile of 156 weeks {}: {}.",
        row.show("net_percentile_156w"),
        row.show("positioning_state"),
        otherwise="Not ranked: fewer than 156 weeks are known.",
    )
    return join(stands, week, crowded)


def _side(row: Row) -> str:
    return "long" if row["net_contracts"] > 0 else "short" if row["net_contracts"] < 0 else "flat,"


def _changed(facts: Facts) -> Iterator[Statement]:
    """What is not as it was in the report before: who moved most, sides, states, extremes, open interest."""
    rows = {group: row for group, row in facts.positions.items() if group in GROUPS and "net_contracts" in row}
    moved = [group for group in GROUPS if group in rows and "net_contracts_change_1w" in rows[group]]
    if moved:
        most = max(moved, key=lambda group: abs(rows[group]["net_contracts_change_1w"]))
        flow = rows[most].show("net_contracts_change_1w", signed=True)
        yield say(f"Largest move of the week: {GROUPS[most].lower()}, {{}} contracts.", flow)
    for group, label in GROUPS.items():
        if group in rows:
            yield from _turned(label, rows[group], facts.positions_before.get(group))
    for row in list(rows.values())[:1]:
        yield say(
            "Open interest {} contracts, {} in the week.",
            row.show("open_interest_contracts"),
            row.show("open_interest_contracts_change_1w", signed=True),
            otherwise="The week's change of open interest is not known.",
        )


def _turned(label: str, now: Row, before: Row | None) -> Iterator[Statement]:
    if before and "net_contracts" in before and _side(now) != _side(before):
        yield say(
            f"{label} turned from net {_side(before)} {{}} on {{}} to net {_side(now)} {{}}.",
            before.show("net_contracts", size=True),
            before.show("report_date"),
            now.show("net_contracts", size=True),
        )
    if before and "positioning_state" in before and now["positioning_state"] != before["positioning_state"]:
        states = before.show("positioning_state"), now.show("positioning_state")
        yield say(f"{label} went from {{}} to {{}}.", *states, otherwise=f"{label} are no longer ranked.")
    if now["cot_index_156w"] in {0, 100}:
        extreme = "highest" if now["cot_index_156w"] else "lowest"
        yield say(f"Net of {label.lower()} is the {extreme} of 156 weeks, COT index {{}}.", now.show("cot_index_156w"))


def contrast(facts: Facts, others: Sequence[Facts]) -> Section:
    """The same quantities of every market known at that moment, this one first."""
    if not others:
        return Section("Against other markets", (Statement("No other market is known at this moment."),))
    rows = [peer.session for peer in (facts, *others)]
    if any("report_date" in row for row in rows):
        held = [statement for group in COMPARED for statement in _held(rows, group)]
    else:
        held = [Statement("No positions of any market were public at this close.")]
    return Section("Against other markets", (*held, *_prices(rows), *map(_against, facts.compared)))


def _held(rows: Sequence[Row], group: str) -> Iterator[Statement]:
    ranked, state = f"{group}_net_percentile_156w", f"{group}_positioning_state"
    yield _side_by_side(
        f"{GROUPS[group]}, percentile of 156 weeks:", rows, lambda row: (row.show(ranked), row.show(state))
    )
    yield _side_by_side(
        f"{GROUPS[group]}, net share of open interest:",
        rows,
        lambda row: (row.show(f"{group}_net_share_oi", signed=True),),
    )
    yield _side_by_side(
        f"{GROUPS[group]}, week in contracts:",
        rows,
        lambda row: (row.show(f"{group}_net_contracts_change_1w", signed=True), row.show(f"{group}_dominant_flow")),
    )


def _prices(rows: Sequence[Row]) -> Iterator[Statement]:
    if any(row["session_date"] != rows[0]["session_date"] for row in rows):
        yield _side_by_side("Sessions differ:", rows, lambda row: (row.show("session_date"),))
    yield _side_by_side("Close on the day:", rows, lambda row: (row.show("return_1d", signed=True),))
    yield _side_by_side("Close against SMA 200:", rows, lambda row: (row.against("close", "sma_200"),))
    yield _side_by_side(
        "Close against its highest close:", rows, lambda row: (row.show("drawdown_ratio", signed=True),)
    )


def _against(row: Row) -> Statement:
    """Differences of this market less one other, where the warehouse has them."""
    against = f"Against {row['other_market']}:"
    ranks = ("asset_manager_percentile_difference", "leveraged_funds_percentile_difference")
    percentiles = say(
        "percentile of asset managers {} points, of leveraged funds {} points;",
        *(row.show(name, signed=True) for name in ranks),
        otherwise="percentiles not known;",
    )
    prices = say(
        "price over 20 sessions {}, over 60 {}.",
        *(row.show(f"relative_strength_{sessions}d_ratio", signed=True) for sessions in (20, 60)),
        otherwise="relative price not known.",
    )
    return join(Statement(against), percentiles, prices)


def _side_by_side(head: str, rows: Sequence[Row], figures: Callable[[Row], tuple[Figure, ...]]) -> Statement:
    shown = [(row["market"], figures(row)) for row in rows]
    return listed(
        head, [say(f"{name}{' {}' * len(cells)}", *cells, otherwise=f"{name} not known") for name, cells in shown]
    )
