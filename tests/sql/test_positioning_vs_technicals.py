"""marts.positioning_vs_technicals: what was known at each close, and nothing that came after it."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.marts import PositioningVsTechnicals
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.tables.consolidations import OpenRanges
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.indicators import DailyIndicators, MovingAverageCrosses
from r2k_pipeline.tables.levels import Levels
from r2k_pipeline.tables.profiles import VolumeProfiles
from r2k_pipeline.tables.reference import Sessions
from tests.sql.rows import RUSSELL, Given, Row, bar, derive, fetch, release, report, session


def market(*sessions: Row, **more: Any) -> Given:
    """The Russell on some sessions, with a bar and indicators for each."""
    days = [row["session_date"] for row in sessions]
    return {
        **RUSSELL,
        Sessions: sessions,
        PriceBars: [bar("^RUT", day, 2000.0) for day in days],
        DailyIndicators: [
            {"market": "RUT", "session_date": day, "close": 2000.0, "drawdown_ratio": 0.0, **more} for day in days
        ],
    }


def reports(given: Given, as_of: str = "2100-01-01T00:00Z") -> list[tuple[object, ...]]:
    found = derive(PositioningVsTechnicals, given, as_of)
    return found.select("session_date", "report_date", "leveraged_funds_net_contracts").rows()


MARCH = market(*(session(f"2025-03-{day}", "20:00Z") for day in ("12", "13", "14", "17", "20")))
TWO_REPORTS: Given = {
    **MARCH,
    CotReleases: [release("2025-03-04", "2025-03-07T20:30Z"), release("2025-03-11", "2025-03-14T19:30Z")],
    CotReports: [report("239742", "2025-03-04", 300, 100), report("239742", "2025-03-11", 310, 140)],
}


def test_fridays_close_knows_fridays_release_and_thursdays_does_not() -> None:
    assert reports(TWO_REPORTS) == [
        (date(2025, 3, 12), date(2025, 3, 4), 200),
        (date(2025, 3, 13), date(2025, 3, 4), 200),
        (date(2025, 3, 14), date(2025, 3, 11), 170),  # released at 15:30, half an hour before the close
        (date(2025, 3, 17), date(2025, 3, 11), 170),
        (date(2025, 3, 20), date(2025, 3, 11), 170),
    ]


def test_as_of_a_moment_later_sessions_and_releases_are_not_there() -> None:
    assert reports(TWO_REPORTS, "2025-03-14T19:59Z") == [
        (date(2025, 3, 12), date(2025, 3, 4), 200),
        (date(2025, 3, 13), date(2025, 3, 4), 200),
    ]


def test_the_reports_own_columns() -> None:
    row = derive(PositioningVsTechnicals, TWO_REPORTS).row(
        by_predicate=pl.col("session_date") == date(2025, 3, 14), named=True
    )
    assert (row["report_age_days"], f"{row['released_at']:%m-%d %H:%M}") == (3, "03-14 19:30")
    assert row["leveraged_funds_net_contracts_change_1w"] == -30
    assert row["leveraged_funds_dominant_flow"] == "new_shorts"
    assert row["leveraged_funds_net_share_oi"] == pytest.approx(0.17)
    assert row["asset_manager_net_contracts"] is None


def test_before_the_first_release_there_is_no_report() -> None:
    given = {**TWO_REPORTS, CotReleases: [release("2025-03-04"), release("2025-03-11", "2025-03-18T19:30Z")]}
    without_first = {**given, CotReports: given[CotReports][1:]}
    assert [row[1] for row in reports(without_first)] == [None, None, None, None, date(2025, 3, 11)]


def test_a_half_days_close_comes_before_the_release() -> None:
    """Friday after Thanksgiving, close 13:00: even an ordinary 15:30 release would be too late for it."""
    given = {
        **market(session("2024-11-29", "18:00Z", is_half_day=True), session("2024-12-02")),
        CotReleases: [release("2024-11-19"), release("2024-11-26", "2024-11-29T20:30Z")],
        CotReports: [report("239742", "2024-11-19", 300, 100), report("239742", "2024-11-26", 310, 140)],
    }
    assert [row[1] for row in reports(given)] == [date(2024, 11, 19), date(2024, 11, 26)]
    assert f"{derive(PositioningVsTechnicals, given)['known_at'][0]:%d %H:%M}" == "29 18:00"


def test_a_delayed_report_appears_only_from_its_release() -> None:
    """The shutdown of 2018-19: the report of Christmas Eve came out on 1 February."""
    given = {
        **market(*(session(day) for day in ("2018-12-28", "2019-01-31", "2019-02-01"))),
        CotReleases: [release("2018-12-18"), release("2018-12-24", "2019-02-01T20:30Z")],
        CotReports: [report("239742", "2018-12-18", 300, 100), report("239742", "2018-12-24", 310, 140)],
    }
    assert [row[1] for row in reports(given)] == [date(2018, 12, 18), date(2018, 12, 18), date(2018, 12, 24)]


def test_a_later_correction_of_an_older_week_does_not_take_a_newer_ones_place() -> None:
    corrected = report("239742", "2025-03-04", 999, 100, recorded_at="2025-03-19T15:00Z")
    given = {**TWO_REPORTS, CotReports: [*TWO_REPORTS[CotReports], corrected]}
    assert [row[1:] for row in reports(given)[2:]] == [(date(2025, 3, 11), 170)] * 3


def test_a_later_correction_leaves_what_was_known_before_it() -> None:
    corrected = report("239742", "2025-03-11", 999, 100, recorded_at="2025-03-19T15:00Z")
    given = {**TWO_REPORTS, CotReports: [*TWO_REPORTS[CotReports], corrected]}
    assert [row[2] for row in reports(given)] == [200, 200, 170, 170, 899]


def test_a_late_session_is_known_from_its_recording_and_has_the_positions_of_its_own_close() -> None:
    """The bar of the 13th came on the 18th, when the report of the 11th had long been out; the 14th stays as told."""
    bars = [
        {**row, "recorded_at": "2025-03-18T09:00Z"} if row["session_date"] == "2025-03-13" else row
        for row in TWO_REPORTS[PriceBars]
    ]
    log = [fetch("^RUT", "2025-03-14T21:00Z", ("1987-09-10", "2025-03-14"))]
    given = {**TWO_REPORTS, PriceBars: bars, FetchLog: log}
    assert reports(given) == reports(TWO_REPORTS)
    found = derive(PositioningVsTechnicals, given)
    assert found["known_at"].dt.strftime("%d %H:%M").to_list() == [
        *("12 20:00", "18 09:00", "14 20:00", "17 20:00", "20 20:00")
    ]
    row = found.row(1, named=True)
    assert (row["report_age_days"], f"{row['released_at']:%m-%d}") == (9, "03-07")
    before = derive(PositioningVsTechnicals, given, "2025-03-18T08:59Z")
    assert before.equals(found.filter(pl.col("known_at") < datetime(2025, 3, 18, tzinfo=UTC)))


def test_a_correction_of_one_group_leaves_the_others_as_they_were() -> None:
    def row(day: str, long: int, **more: Any) -> Row:
        rest = {
            "asset_manager_long_contracts": 80,
            "asset_manager_short_contracts": 30,
            "nonreportable_long_contracts": 920 - long,
        }
        return report("239742", day, long, 100, **rest, nonreportable_short_contracts=870, **more)

    corrected = row("2025-03-11", 400, recorded_at="2025-03-19T15:00Z")
    given = {**TWO_REPORTS, CotReports: [row("2025-03-04", 300), row("2025-03-11", 310), corrected]}
    found = derive(PositioningVsTechnicals, given).tail(2)
    columns = ("leveraged_funds_net_contracts", "asset_manager_net_contracts", "report_date")
    assert found.select(columns).rows() == [(210, 50, date(2025, 3, 11)), (300, 50, date(2025, 3, 11))]


def test_nearest_levels_last_cross_and_profile() -> None:
    def level(price: float, role: str, born: str, nearness: int) -> Row:
        return {
            "market": "RUT",
            "session_date": "2025-03-13",
            "level_id": f"swing_low-{born}",
            **dict.fromkeys(("price", "low", "high"), price),
            "kind": "swing_low",
            "role": role,
            "nearness": nearness,
            "distance_atr": (price - 2000) / 30,
            **dict.fromkeys(("born_date", "confirmed_date"), born),
            "evidence": f"swing_low {born} at {price}",
        }

    def cross(day: str, fast: int, slow: int) -> Row:
        return {"market": "RUT", "session_date": day, "fast": fast, "slow": slow, "direction": "down"}

    def profile(window: str, poc: float) -> Row:
        area = {"poc": poc, "value_area_low": poc - 50, "value_area_high": poc + 50, "bin_points": 2.0}
        span = {"session_date": "2025-03-13", "start_date": "2024-03-14", "profile_window": window}
        return {"market": "RUT", **span, **area, "volume_symbol": "IWM"}

    given = {
        **TWO_REPORTS,
        Levels: [
            level(2000.0, "around", "2024-11-04", 1),
            level(1990.0, "support", "2024-08-05", 1),
            level(1924.0, "support", "2024-07-01", 2),
            level(2114.0, "resistance", "2025-01-10", 1),
            level(2284.0, "resistance", "2024-12-20", 2),
        ],
        MovingAverageCrosses: [cross("2025-02-19", 50, 100), cross("2025-03-13", 20, 50), cross("2025-03-14", 50, 200)],
        VolumeProfiles: [profile("rolling_250", 2064.0), profile("rolling_60", 2284.0)],
    }
    rows = derive(PositioningVsTechnicals, given)
    row, next_row = (rows.filter(session_date=date(2025, 3, day)).row(0, named=True) for day in (13, 14))
    assert (row["support_born_date"], row["support_price"]) == (date(2024, 8, 5), 1990.0)
    assert (row["resistance_born_date"], row["resistance_price"]) == (date(2025, 1, 10), 2114.0)
    around = ("around_born_date", "around_price", "around_low", "around_high")
    assert [row[name] for name in around] == [date(2024, 11, 4), 2000.0, 2000.0, 2000.0]
    assert (row["last_cross_date"], row["last_cross"]) == (date(2025, 2, 19), "50x100 down"), "not tomorrow's"
    assert (next_row["last_cross_date"], next_row["last_cross"]) == (date(2025, 3, 14), "50x200 down")
    assert (row["poc_250"], row["value_area_low_250"], row["volume_symbol"]) == (2064.0, 2014.0, "IWM")


def test_the_innermost_range_that_holds_the_close_and_its_parent() -> None:
    def open_range(day: str, start: str, low: float, high: float, parent: str | None = None) -> Row:
        edges = {"low": low, "core_low": low + 1, "core_high": high - 1, "high": high}
        first = {"first_confirmed_date": "2025-03-03", "parent_start_date": parent}
        return {"market": "RUT", "session_date": f"2025-03-{day}", "start_date": start, **edges, **first}

    given = {
        **TWO_REPORTS,
        OpenRanges: [
            open_range("13", "2022-04-21", 1600.0, 2200.0),
            open_range("13", "2023-12-13", 1900.0, 2100.0, "2022-04-21"),
            open_range("13", "2024-12-17", 2150.0, 2300.0, "2023-12-13"),  # innermost, but the close is below it
            open_range("14", "2024-12-17", 2150.0, 2300.0),
        ],
    }
    columns = ("range_start_date", "range_floor", "range_core_high", "range_position_ratio", "range_parent_start_date")
    rows = {
        row[0].day: row[1:] for row in derive(PositioningVsTechnicals, given).select("session_date", *columns).rows()
    }
    assert rows[13] == (date(2023, 12, 13), 1900.0, 2099.0, 0.5, date(2022, 4, 21))
    assert rows[14] == (None,) * 5
