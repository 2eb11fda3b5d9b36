"""The brief's comparison: the same quantities of every market known at that moment, and differences of two.

Belongs here: the wording of rows of several markets. Not here: one market's own (brief_positioning.py,
brief_technicals.py), which rows count (brief_facts.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from r2k_pipeline.report.brief_facts import Facts, has_old_report
from r2k_pipeline.report.brief_statements import Figure, Grid, Row, Section, Statement, cell, listed, say

ROLES: Final = {"institution": "Institutions", "speculator": "Speculators"}
"""Roles that are compared, by the name for markets whose reports have different groups in them."""
Line = tuple[Statement, ...]


def contrast(facts: Facts, others: Sequence[Facts]) -> Section:
    """The same quantities of every market known at that moment, this one first."""
    if not others:
        return Section("Against other markets", (say("No other market is known at this moment."),))
    rows = [peer.session for peer in (facts, *others)]
    if any("report_date" in row for row in rows):
        reports, held = tuple(_reports(rows)), [line for role in ROLES for line in _held(rows, role)]
    else:
        reports, held = (say("No positions of any market are known at this close."),), []
    names = (f"{row['market']}{' (inverse prices)' * row['is_inverse']}" for row in rows)
    markets = Grid(("", *names), (*held, *_prices(rows)))
    return Section("Against other markets", (*reports, markets, *_differences(facts.compared, rows)))


def _reports(rows: Sequence[Row]) -> Iterator[Statement]:
    """The markets compared, with the age of their reports if these are old or differ."""
    if len({row["report_date"] for row in rows}) > 1 or any(map(has_old_report, rows)):
        aged = [
            say(
                f"{row['market']} of {{}} ({{}} days old)",
                row.show("report_date"),
                row.show("report_age_days"),
                otherwise=f"{row['market']} none",
            )
            for row in rows
        ]
        yield listed("COT reports:", aged)


def _held(rows: Sequence[Row], role: str) -> Iterator[Line]:
    ranked, state = f"{role}_net_percentile_156w", f"{role}_positioning_state"
    name = _named(rows, role)
    yield _line(f"{name}, percentile of the last 156 weeks", rows, lambda row: (row.show(ranked), row.show(state)))
    share = f"{role}_net_share_oi"
    yield _line(f"{name}, net of open interest", rows, lambda row: (row.show(share, signed=True),))
    change, flow = f"{role}_net_contracts_change_1w", f"{role}_dominant_flow"
    week = "week of that report" if any(map(has_old_report, rows)) else "week"
    yield _line(
        f"{name}, {week} in contracts",
        rows,
        lambda row: (row.show(change, signed=True), *([row.show(flow)] if flow in row else [])),
    )


def _named(rows: Sequence[Row], role: str) -> str:
    """The group that has a role in each of these markets, else the role."""
    labels = {row[f"{role}_label"] for row in rows if f"{role}_label" in row}
    return labels.pop().capitalize() if len(labels) == 1 else ROLES[role]


def _prices(rows: Sequence[Row]) -> Iterator[Line]:
    if any(row["session_date"] != rows[0]["session_date"] for row in rows):
        yield _line("Session", rows, lambda row: (row.show("session_date"),))
    yield _line("Close on the day", rows, lambda row: (row.show("return_1d", signed=True),))
    yield _line("Close against SMA 200", rows, lambda row: (row.against("close", "sma_200"),))
    yield _line("Close against its highest close on file", rows, lambda row: (row.show("drawdown_ratio", signed=True),))


def _differences(compared: Sequence[Row], rows: Sequence[Row]) -> Iterator[Grid]:
    """Differences of this market less each other one that the warehouse has; `rows` name the groups."""
    held_against = {name for row in compared for name in (row["market"], row["other_market"])}
    names = {role: _named([row for row in rows if row["market"] in held_against], role) for role in ROLES}
    columns = {f"{name}, percentile points": f"{role}_percentile_difference" for role, name in names.items()}
    columns |= {f"{name}, net of open interest": f"{role}_net_share_spread" for role, name in names.items()}
    columns |= {f"Price over {sessions} sessions": f"relative_strength_{sessions}d_ratio" for sessions in ("20", "60")}
    if compared:
        lines = tuple(
            (say(name), *(cell(row.show(column, signed=True)) for row in compared)) for name, column in columns.items()
        )
        yield Grid(("This market less", *(row["other_market"] for row in compared)), lines)


def _line(name: str, rows: Sequence[Row], figures: Callable[[Row], tuple[Figure, ...]]) -> Line:
    return (say(name), *(cell(*figures(row)) for row in rows))
