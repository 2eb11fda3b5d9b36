"""The release ledger against the CFTC's own schedules, real report dates, and what must hold for any date."""

import csv
import io
import tomllib
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.tseries.holiday import USFederalHolidayCalendar

from r2k_pipeline.sources.release_calendar import (
    LEDGER,
    build_cot_releases,
    closure,
    federal_holidays,
    next_release,
    release,
    report_dates,
    scheduled_release,
)
from r2k_pipeline.sources.settlement import GRACE
from r2k_pipeline.tables.cot_releases import CotReleases

NEW_YORK = ZoneInfo("America/New_York")
UNTIL = date(2026, 12, 31)


def dates(text: str) -> list[date]:
    return [date.fromisoformat(word) for word in text.split()]


def pairs(text: str) -> list[tuple[date, date]]:
    days = dates(text)
    return list(zip(days[::2], days[1::2], strict=True))


ANNOUNCED = pairs("""
2007-01-03 2007-01-08  2008-12-22 2008-12-29  2013-10-01 2013-10-25  2013-10-08 2013-11-01  2013-10-15 2013-11-01
2013-10-22 2013-11-08  2019-01-08 2019-02-08  2019-01-15 2019-02-12  2019-01-22 2019-02-15  2019-01-29 2019-02-19
2019-02-05 2019-02-22  2019-02-12 2019-02-26  2019-02-19 2019-03-01  2021-06-15 2021-06-21  2025-01-07 2025-01-13
2025-09-30 2025-11-19  2025-10-07 2025-11-21  2025-10-14 2025-11-25  2025-10-21 2025-12-02  2025-10-28 2025-12-05
2025-11-04 2025-12-09  2025-11-18 2025-12-12  2025-11-25 2025-12-15  2025-12-02 2025-12-17  2025-12-09 2025-12-19
2025-12-16 2025-12-23
""")
"""As-of day and release of reports whose delay was announced or follows a stated rhythm: nobody saw them come out."""

SEEN = {
    **dict(
        pairs("""
2015-06-30 2015-07-06  2020-12-21 2020-12-28  2023-01-31 2023-02-24  2023-02-07 2023-03-03  2023-02-14 2023-03-08
2023-02-21 2023-03-10  2023-02-28 2023-03-14  2023-03-07 2023-03-16  2023-03-14 2023-03-21
""")
    ),
    date(2018, 12, 24): datetime(2019, 2, 1, 15, 31),  # noqa: DTZ001 (New York)
    date(2018, 12, 31): datetime(2019, 2, 5, 15, 33),  # noqa: DTZ001
    date(2025, 11, 10): datetime(2025, 12, 10, 16, 14),  # noqa: DTZ001
}
"""As-of day and release of reports that came out then: at 15:30, or to the minute where it is on record."""

DISPUTED = pairs("2013-10-29 2013-11-08  2014-12-23 2014-12-30  2025-12-23 2025-12-31")
"""Sources differ: the later day stands."""

PRINTED = pairs("""
2012-07-03 2012-07-09  2012-11-20 2012-11-26  2015-06-30 2015-07-06  2018-12-04 2018-12-10  2020-12-21 2020-12-28
2021-06-15 2021-06-21  2024-06-18 2024-06-24  2024-07-02 2024-07-08  2024-11-26 2024-12-02  2024-12-24 2024-12-30
2025-01-07 2025-01-13  2025-11-25 2025-12-01  2025-12-23 2025-12-29  2025-12-30 2026-01-05  2026-06-16 2026-06-22
2026-06-30 2026-07-06  2026-11-10 2026-11-16  2026-11-24 2026-11-30  2026-12-22 2026-12-28
""")
"""Weeks that CFTC schedules and announcements print with a day other than Friday."""

NOT_TUESDAY = dates("""
2006-07-03 2007-01-03 2007-12-24 2007-12-31 2008-12-22 2009-11-09 2012-12-24 2012-12-31 2017-07-03 2018-12-24
2018-12-31 2020-12-21 2023-07-03 2025-11-10
""")
"""As-of days other than Tuesday in the CFTC's weekly rows to 2025-12-23 (read where cot_releases.toml says)."""

days = st.dates(date(2006, 6, 13), date(2040, 12, 31))
instants = st.datetimes(datetime(2006, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def in_new_york(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M")


def report_dates_of(archive: Path) -> set[date]:
    with zipfile.ZipFile(archive) as files:
        rows = csv.reader(io.StringIO(files.read(files.namelist()[0]).decode("latin-1")))
        column = next(i for i, name in enumerate(next(rows)) if "YYMMDD" in name.upper())
        return {datetime.strptime(row[column].strip(), "%y%m%d").replace(tzinfo=UTC).date() for row in rows}


@pytest.mark.parametrize(
    ("report_date", "released", "basis"),
    [
        *((report_date, released, "scheduled") for report_date, released in ANNOUNCED),
        *((report_date, released, "actual") for report_date, released in SEEN.items()),
        *((report_date, released, "estimated") for report_date, released in DISPUTED),
    ],
)
def test_documented_release(report_date: date, released: date, basis: str) -> None:
    row = release(report_date)
    minute = f"{released:%Y-%m-%d %H:%M}" if isinstance(released, datetime) else f"{released} 15:30"
    assert (in_new_york(row.released_at), row.release_basis) == (minute, basis)
    assert row.reason
    assert row.provenance


def test_a_report_that_came_out_after_the_close_is_not_in_that_days_row() -> None:
    """Report 2025-11-10: out on 2025-12-10 at 16:14 New York, a quarter of an hour after the close."""
    close = datetime(2025, 12, 10, 21, tzinfo=UTC)
    assert release(date(2025, 11, 4)).released_at < close < release(date(2025, 11, 10)).released_at


def test_only_what_was_seen_is_actual() -> None:
    ledger = build_cot_releases([], UNTIL)
    assert set(ledger.filter(release_basis="actual")["report_date"]) == set(SEEN)
    disputed = ledger.filter(pl.col("report_date").is_in([day for day, _ in DISPUTED]))
    assert disputed["provenance"].str.contains(r"\d{4}-\d\d-\d\d.*(\d{4}-\d\d-\d\d|earlier day)").all()


def test_last_report_of_the_2019_backlog_is_an_estimate_and_the_next_is_normal() -> None:
    row = release(date(2019, 2, 26))
    assert (in_new_york(row.released_at), row.release_basis) == ("2019-03-05 15:30", "estimated")
    normal = release(date(2019, 3, 5))
    assert (in_new_york(normal.released_at), normal.release_basis) == ("2019-03-08 15:30", "scheduled")


@pytest.mark.parametrize(("report_date", "released"), PRINTED)
def test_rule_gives_the_printed_schedule(report_date: date, released: date) -> None:
    assert in_new_york(scheduled_release(report_date)) == f"{released} 15:30"


@pytest.mark.parametrize(("year", "mondays"), [(2012, 2), (2024, 4)])
def test_every_other_week_of_a_printed_year_is_a_friday(year: int, mondays: int) -> None:
    released = [scheduled_release(day).astimezone(NEW_YORK) for day in report_dates(date(year, 12, 31))]
    weekdays = [moment.weekday() for moment in released if moment.year == year]
    assert (weekdays.count(0), weekdays.count(4), len(weekdays)) == (mondays, 52 - mondays, 52)


def test_monday_holidays_move_nothing() -> None:
    for day in dates("2025-01-20 2025-02-17 2025-05-26 2025-09-01 2025-10-13 2012-11-12"):
        assert closure(day)
        assert scheduled_release(day + timedelta(1)).astimezone(NEW_YORK).date() == day + timedelta(4)


def test_federal_holidays_against_pandas() -> None:
    theirs = {day.date() for day in USFederalHolidayCalendar().holidays("2006-01-01", "2035-12-31")}
    assert {day for year in range(2006, 2036) for day in federal_holidays(year)} == theirs


def test_as_of_days_other_than_tuesday() -> None:
    ours = [day for day in report_dates(date(2025, 12, 23)) if day.weekday() != 1]
    assert ours == NOT_TUESDAY


def test_summer_and_winter_time() -> None:
    assert scheduled_release(date(2025, 3, 4)) == datetime(2025, 3, 7, 20, 30, tzinfo=UTC)
    assert scheduled_release(date(2025, 3, 11)) == datetime(2025, 3, 14, 19, 30, tzinfo=UTC)
    assert scheduled_release(date(2025, 3, 11)).tzinfo is UTC


@settings(deadline=None, max_examples=50)
@given(days)
def test_rule_for_any_day(day: date) -> None:
    local = scheduled_release(day).astimezone(NEW_YORK)
    assert (local.hour, local.minute) == (15, 30)
    assert timedelta(2) <= local.date() - day <= timedelta(13)
    assert local.weekday() < 5
    assert closure(local.date()) is None


@settings(deadline=None, max_examples=50)
@given(days, days)
def test_report_dates_only_grow(one: date, other: date) -> None:
    early, late = (report_dates(until) for until in sorted((one, other)))
    assert late[: len(early)] == early
    assert all(day > min(one, other) for day in late[len(early) :])


def test_ledger_satisfies_its_contract_and_never_runs_backwards() -> None:
    ledger = CotReleases.validate(build_cot_releases([], UNTIL))
    assert ledger["report_date"].to_list() == report_dates(UNTIL)
    assert ledger["released_at"].is_sorted()
    gaps = ledger.select(
        (pl.col("released_at").dt.convert_time_zone("America/New_York").dt.date() - pl.col("report_date"))
        .dt.total_days()
        .alias("days")
    )["days"]
    assert (gaps.min(), gaps.max()) == (3, 50)  # 2025-09-30 -> 2025-11-19
    caught_up = ledger.filter(pl.col("released_at").is_duplicated())["report_date"].to_list()
    assert caught_up == dates("2013-10-08 2013-10-15 2013-10-22 2013-10-29 2013-11-05")


def test_every_line_of_the_data_file_has_its_place_in_the_calendar() -> None:
    tables = tomllib.loads(LEDGER.read_text("utf-8"))
    documented = [report_date for group in tables["release"] for report_date, _ in group["days"]]
    assert len(documented) == len(set(documented))
    assert set(documented) | {entry["report_date"] for entry in tables["as_of"]} <= set(report_dates(UNTIL))
    assert all(entry["tuesday"].weekday() == 1 for entry in tables["as_of"])
    for entry in tables["closure"]:
        assert entry["day"].weekday() < 5
        assert closure(entry["day"]) == entry["reason"]
        assert entry["provenance"]


def test_basis_by_era() -> None:
    ledger = build_cot_releases([date(1995, 5, 2), date(2024, 5, 8)], date(2025, 3, 11))
    basis = dict(zip(ledger["report_date"], ledger["release_basis"], strict=True))
    assert basis[date(1995, 5, 2)] == "estimated"  # before the ledger
    assert basis[date(2010, 7, 13)] == "estimated"  # TFF was not published yet
    assert basis[date(2010, 7, 20)] == "scheduled"
    assert basis[date(2024, 5, 8)] == "estimated"  # a Wednesday that no calendar knows
    assert basis[date(2025, 3, 11)] == "scheduled"


def test_real_report_dates_are_all_in_the_calendar(real: Path) -> None:
    for archive in sorted((real / "cot").glob("*.zip")):
        theirs = report_dates_of(archive)
        expected = set(report_dates(max(theirs)))
        assert theirs <= expected, archive.name
        assert {day for day in expected if day >= min(theirs)} == theirs, archive.name


def test_real_shutdown_leaves_one_report_for_six_weeks(real: Path) -> None:
    seen = report_dates_of(real / "cot" / "fut_fin_txt_2018.zip") | report_dates_of(
        real / "cot" / "fut_fin_txt_2019.zip"
    )
    ledger = build_cot_releases(pl.Series(sorted(seen)), max(seen))
    for moment, newest in [
        (datetime(2018, 12, 24, 21, tzinfo=UTC), date(2018, 12, 18)),
        (datetime(2019, 2, 1, 20, 30, tzinfo=UTC), date(2018, 12, 18)),
        (datetime(2019, 2, 1, 20, 31, tzinfo=UTC), date(2018, 12, 24)),
    ]:
        assert ledger.filter(pl.col("released_at") <= moment)["report_date"].max() == newest


def test_next_release_of_an_ordinary_week() -> None:
    out = datetime(2025, 3, 14, 19, 30, tzinfo=UTC)
    before = next_release(out - timedelta(seconds=1), date(2025, 3, 4))
    assert (before.report_date, before.released_at, before.is_late) == (date(2025, 3, 11), out, False)
    awaited = next_release(out, date(2025, 3, 4))
    assert (awaited.report_date, awaited.is_late) == (date(2025, 3, 18), False)
    late = next_release(out + GRACE, date(2025, 3, 4))
    assert (late.report_date, late.late_report_date, late.late_since) == (date(2025, 3, 18), date(2025, 3, 11), out)
    assert not next_release(out + GRACE, date(2025, 3, 11)).is_late


def test_next_release_in_a_shutdown_is_the_documented_one() -> None:
    due = next_release(datetime(2025, 11, 1, tzinfo=UTC), date(2025, 9, 23))
    assert (due.report_date, in_new_york(due.released_at), due.is_late) == (
        date(2025, 9, 30),
        "2025-11-19 15:30",
        False,
    )


def test_next_release_with_an_empty_lake_and_with_a_report_seen_early() -> None:
    empty = next_release(datetime(2025, 3, 17, tzinfo=UTC), None)
    assert (empty.report_date, empty.late_report_date) == (date(2025, 3, 18), date(2025, 3, 11))
    early = next_release(datetime(2025, 3, 12, tzinfo=UTC), date(2025, 3, 11))
    assert (early.report_date, early.is_late) == (date(2025, 3, 18), False)


def test_next_release_refuses_a_clock_without_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        next_release(datetime(2025, 3, 14), None)  # noqa: DTZ001


@settings(deadline=None, max_examples=50)
@given(instants)
def test_next_release_is_ahead_and_nothing_is_late_when_all_is_held(now: datetime) -> None:
    ledger = build_cot_releases([], now.date())
    held = ledger.filter(pl.col("released_at") <= now)["report_date"].max()
    due = next_release(now, held)  # type: ignore[arg-type]
    assert due.released_at > now
    assert not due.is_late
    late = ledger.filter(pl.col("released_at") <= now - GRACE)["report_date"].max()
    assert late is None or next_release(now, late - timedelta(1)).late_report_date == late  # type: ignore[operator]
