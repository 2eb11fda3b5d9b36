"""marts.movers and its macro: how unusual a week is in its own market, as it was known, twinned in plain Python."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import pytest

from r2k_pipeline.contracts.marts import Movers, PositioningVintages, PositioningVsTechnicals
from r2k_pipeline.tables.reference import Markets
from tests.sql.rows import RUT, Row, derive

FIRST: Final = date(2023, 1, 3)
FLOWS: Final = [(7919 * n) % 1000 - 500 for n in range(60)]
"""Sixty weeks of flows of all sizes and both signs."""


def report(week: int, flow: float | None, **more: Any) -> Row:
    day = FIRST + timedelta(7 * week)
    usual = {"market": "RUT", "report_type": "tff_futures", "trader_group": "asset_manager"}
    known = {"known_at": f"{day + timedelta(3)}T20:30Z", "released_at": f"{day + timedelta(3)}T20:30Z"}
    held = {"net_contracts": 5000.0, "open_interest_contracts": 10_000.0}
    return {**usual, **known, **held, "report_date": str(day), "net_contracts_change_1w": flow, **more}


def movers(reports: Sequence[Row], **more: Sequence[Row]) -> list[Mapping[str, Any]]:
    given = {Markets: [RUT], PositioningVintages: reports}
    sessions = {PositioningVsTechnicals: more["sessions"]} if "sessions" in more else {}
    return derive(Movers, {**given, **sessions}).sort("report_date", "known_at").to_dicts()


def test_a_week_has_its_place_among_those_before_it() -> None:
    found = movers([report(week, flow) for week, flow in enumerate(FLOWS)])
    for week, row in enumerate(found):
        sizes = [abs(flow) for flow in FLOWS[: week + 1]]
        place = 1 + sum(size > sizes[-1] for size in sizes)
        assert (row["flow_place"], row["flow_weeks"]) == (place, week + 1)
        percentile = 100 * sum(size <= sizes[-1] for size in sizes) / len(sizes)
        assert row["flow_percentile"] == (pytest.approx(percentile) if week >= 46 else None)
        assert row["flow_oi_ratio"] == pytest.approx(FLOWS[week] / 10_000)
        assert row["role"] == "institution"


def test_a_week_without_a_flow_has_no_place_and_counts_for_none() -> None:
    found = movers([report(0, None), report(1, 10.0), report(2, -20.0)])
    assert [(row["flow_place"], row["flow_weeks"]) for row in found] == [(None, 0), (1, 1), (1, 2)]


def test_a_later_revision_of_an_older_week_changes_no_place_that_was_told() -> None:
    revised_at = "2023-03-01T12:00Z"
    reports = [
        report(0, 10.0, superseded_at=revised_at),
        report(0, 1000.0, known_at=revised_at),
        *(report(week, 20.0 * week) for week in range(1, 12)),
    ]
    found = {(row["report_date"], row["known_at"].isoformat()): row for row in movers(reports)}
    places = [row["flow_place"] for (_, known), row in found.items() if known < "2023-03-01"]
    assert set(places) == {1}, "flows grew from week to week, and the old value of week 0 is the smallest"
    later = [row for (_, known), row in found.items() if known > "2023-03-02"]
    assert later
    assert {row["flow_place"] for row in later} == {2}, "the revised week is larger than all of them"


@pytest.mark.parametrize(
    ("before", "row", "said"),
    [
        ("extreme_long", {"net_contracts_change_1w": -100.0}, "leaving_extreme_long"),
        ("extreme_long", {"net_contracts_change_1w": -99.0}, "none"),
        ("extreme_short", {"net_contracts_change_1w": 100.0}, "leaving_extreme_short"),
        ("neutral", {"net_contracts": -5.0, "net_contracts_change_1w": -10.0}, "turned_short"),
        ("neutral", {"net_contracts": 5.0, "net_contracts_change_1w": 10.0}, "turned_long"),
        ("neutral", {"net_contracts_change_1w": None}, None),
    ],
)
def test_a_reversal_leaves_an_extreme_or_changes_the_side(before: str, row: Row, said: str | None) -> None:
    first = report(0, 1.0, positioning_state=before, net_percentile_156w=50.0)
    assert movers([first, {**report(1, None), **row}])[1]["reversal"] == said


@pytest.mark.parametrize(
    ("percentile", "net", "said"),
    [(90.0, 1.0, "crowded_long"), (90.0, -1.0, "none"), (10.0, -1.0, "crowded_short"), (None, 1.0, None)],
)
def test_crowding_needs_the_side_and_the_rank(percentile: float | None, net: float, said: str | None) -> None:
    (found,) = movers([report(0, 1.0, net_percentile_156w=percentile, net_contracts=net)])
    assert found["crowding"] == said


def test_the_setup_is_that_of_the_first_close_with_the_report() -> None:
    session = {"market": "RUT", "report_date": str(FIRST), "close": 1.0}
    facts = {f"setup_fact_{number}": "-" for number in (1, 2, 3)}
    sessions = [
        {**session, **facts, "session_date": "2023-01-09", "setup": "squeeze_risk"},
        {**session, **facts, "session_date": "2023-01-06", "setup": "capitulation"},
    ]
    (found,) = movers([report(0, 1.0)], sessions=sessions)
    assert (found["setup"], found["setup_known_at"].isoformat()[:10]) == ("capitulation", "2023-01-06")


def test_only_reportable_groups_of_the_primary_report_move() -> None:
    reports = [
        report(0, 1.0),
        report(0, 1.0, report_type="legacy_futures", trader_group="commercial"),
        report(0, 1.0, trader_group="nonreportable"),
    ]
    assert [row["trader_group"] for row in movers(reports)] == ["asset_manager"]
