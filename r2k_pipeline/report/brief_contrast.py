"""The brief's comparison: the same quantities of every market known at that moment, and differences of two.

Belongs here: the wording of rows of several markets. Not here: one market's own (brief_positioning.py,
brief_technicals.py), which rows count (brief_facts.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from r2k_pipeline.report.brief_facts import Facts, has_old_report
from r2k_pipeline.report.brief_positioning import GROUPS
from r2k_pipeline.report.brief_statements import Figure, Row, Section, Statement, join, listed, say

COMPARED: Final = ("asset_manager", "leveraged_funds")


def contrast(facts: Facts, others: Sequence[Facts]) -> Section:
    """The same quantities of every market known at that moment, this one first."""
    if not others:
        return Section("Against other markets", (Statement("No other market is known at this moment."),))
    rows = [peer.session for peer in (facts, *others)]
    if any("report_date" in row for row in rows):
        held = [*_reports(rows), *(statement for group in COMPARED for statement in _held(rows, group))]
    else:
        held = [Statement("No positions of any market are known at this close.")]
    return Section("Against other markets", (*held, *_prices(rows), *map(_against, facts.compared)))


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


def _held(rows: Sequence[Row], group: str) -> Iterator[Statement]:
    ranked, state = f"{group}_net_percentile_156w", f"{group}_positioning_state"
    head = f"{GROUPS[group]}, percentile of the weeks known of the last 156:"
    yield _side_by_side(head, rows, lambda row: (row.show(ranked), row.show(state)))
    yield _side_by_side(
        f"{GROUPS[group]}, net share of open interest:",
        rows,
        lambda row: (row.show(f"{group}_net_share_oi", signed=True),),
    )
    change, flow = f"{group}_net_contracts_change_1w", f"{group}_dominant_flow"
    week = "week of that report" if any(map(has_old_report, rows)) else "week"
    yield _side_by_side(
        f"{GROUPS[group]}, {week} in contracts:",
        rows,
        lambda row: (row.show(change, signed=True), *([row.show(flow)] if flow in row else [])),
    )


def _prices(rows: Sequence[Row]) -> Iterator[Statement]:
    if any(row["session_date"] != rows[0]["session_date"] for row in rows):
        yield _side_by_side("Sessions differ:", rows, lambda row: (row.show("session_date"),))
    yield _side_by_side("Close on the day:", rows, lambda row: (row.show("return_1d", signed=True),))
    yield _side_by_side("Close against SMA 200:", rows, lambda row: (row.against("close", "sma_200"),))
    yield _side_by_side(
        "Close against its highest close on file:", rows, lambda row: (row.show("drawdown_ratio", signed=True),)
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
    shares = say(
        "net share of asset managers {} of open interest, of leveraged funds {};",
        *(row.show(f"{group}_net_share_spread", signed=True) for group in COMPARED),
        otherwise="shares of open interest not known;",
    )
    prices = say(
        "price over 20 sessions {}, over 60 {}.",
        *(row.show(f"relative_strength_{sessions}d_ratio", signed=True) for sessions in (20, 60)),
        otherwise="relative price not known.",
    )
    return join(Statement(against), percentiles, shares, prices)


def _side_by_side(head: str, rows: Sequence[Row], figures: Callable[[Row], tuple[Figure, ...]]) -> Statement:
    shown = [(row["market"], figures(row)) for row in rows]
    return listed(
        head, [say(f"{name}{' {}' * len(cells)}", *cells, otherwise=f"{name} not known") for name, cells in shown]
    )
