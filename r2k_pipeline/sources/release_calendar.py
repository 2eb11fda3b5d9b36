"""When each COT report became public: the rule, the documented exceptions, and which report is due next.

Belongs here: as-of days, the government's calendar, the release ledger (its data: cot_releases.toml).
Not here: exchange sessions (a report waits for the government, not for the NYSE), a report's content,
or when we saw it.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import count, takewhile
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from r2k_pipeline.shipped import shipped
from r2k_pipeline.sources.settlement import GRACE

LEDGER: Final = shipped("sources/cot_releases.toml")
"""The documented releases, one line for each exception."""
LEDGER_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "report_date": pl.Date,
    **dict.fromkeys(("released_at", "scheduled_at"), pl.Datetime("us", "UTC")),
    **dict.fromkeys(("release_basis", "reason", "provenance"), pl.String),
}
FIRST_REPORT: Final = date(2006, 6, 13)
"""The first report of Traders in Financial Futures."""
NEW_YORK: Final = ZoneInfo("America/New_York")
RELEASE_TIME: Final = time(15, 30)
"""New York time of a release (CFTC release schedule)."""

_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = range(7)
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_BY_RULE: Final = "by rule: the CFTC's release schedule and the US federal calendar"


@dataclass(frozen=True)
class Release:
    """One row of the ledger: a report's as-of day, when it became public (UTC), and the evidence for that."""

    report_date: date
    released_at: datetime
    release_basis: str
    reason: str
    provenance: str


@dataclass(frozen=True)
class NextRelease:
    """The report due next, and the newest one that was due GRACE ago and was not received; instants in UTC."""

    report_date: date
    released_at: datetime
    release_basis: str
    late_report_date: date | None
    late_since: datetime | None

    @property
    def is_late(self) -> bool:
        """Whether a report should be here and is not."""
        return self.late_report_date is not None


@dataclass(frozen=True)
class _Ledger:
    closures: Mapping[date, str]
    as_of_days: Mapping[date, date]
    estimates: tuple[tuple[date, str, str], ...]
    documented: Mapping[date, Release]
    first_publications: tuple[Mapping[str, Any], ...]


def _instant(local: date) -> datetime:
    """UTC moment of a New York date (15:30 is meant) or a New York date and time."""
    if not isinstance(local, datetime):
        local = datetime.combine(local, RELEASE_TIME)
    return local.replace(tzinfo=NEW_YORK).astimezone(UTC)


@cache
def _ledger() -> _Ledger:
    tables = tomllib.loads(LEDGER.read_text("utf-8"))
    releases = [
        Release(report_date, _instant(released), group["basis"], group["reason"], group["provenance"])
        for group in tables["release"]
        for report_date, released in group["days"]
    ]
    return _Ledger(
        closures={entry["day"]: entry["reason"] for entry in tables["closure"]},
        as_of_days={entry["tuesday"]: entry["report_date"] for entry in tables["as_of"]},
        estimates=tuple((span["before"], span["reason"], span["provenance"]) for span in tables["estimate"]),
        documented={release.report_date: release for release in releases},
        first_publications=tuple(
            {"family": each["name"]} | {name: _instant(each[name]) for name in ("weekly_since", "history_on")}
            for each in tables["family"]
        ),
    )


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7) + (n - 1) * _WEEK


def _observed(day: date) -> date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day - _DAY if day.weekday() == _SATURDAY else day + _DAY if day.weekday() == _SUNDAY else day


@cache
def federal_holidays(year: int) -> Mapping[date, str]:
    """The days of `year` on which US federal holidays are observed, by name (5 U.S.C. 6103, for 1986 and later).

    New Year's Day on a Saturday falls into the year before. Inauguration days are not in it: they close
    Washington's offices, and no report is known to have waited for one.
    """
    fixed = {
        date(year, 1, 1): "New Year's Day",
        date(year, 7, 4): "Independence Day",
        date(year, 11, 11): "Veterans Day",
        date(year, 12, 25): "Christmas Day",
        date(year + 1, 1, 1): "New Year's Day",
    }
    if year >= 2021:
        fixed[date(year, 6, 19)] = "Juneteenth"
    floating = {
        _nth(year, 1, _MONDAY, 3): "Birthday of Martin Luther King, Jr.",
        _nth(year, 2, _MONDAY, 3): "Washington's Birthday",
        _nth(year, 6, _MONDAY, 1) - _WEEK: "Memorial Day",
        _nth(year, 9, _MONDAY, 1): "Labor Day",
        _nth(year, 10, _MONDAY, 2): "Columbus Day",
        _nth(year, 11, _THURSDAY, 4): "Thanksgiving Day",
    }
    observed = {_observed(day): name for day, name in fixed.items()} | floating
    return MappingProxyType({day: name for day, name in sorted(observed.items()) if day.year == year})


def closure(day: date) -> str | None:
    """Why the government is closed on a weekday: a federal holiday or an executive order; None if it is not."""
    return federal_holidays(day.year).get(day) or _ledger().closures.get(day)


def _next_business_day(day: date) -> date:
    day += _DAY
    while day.weekday() >= _SATURDAY or closure(day):
        day += _DAY
    return day


def _as_of_day(day: date) -> date:
    """The as-of day of the week (Monday to Sunday) that `day` is in."""
    tuesday = day + timedelta(days=_TUESDAY - day.weekday())
    moved = tuesday - _DAY if tuesday in federal_holidays(tuesday.year) else tuesday
    return _ledger().as_of_days.get(tuesday, moved)


def _as_of_days() -> Iterator[date]:
    """Every as-of day from the first report on, without end."""
    return (_as_of_day(FIRST_REPORT + weeks * _WEEK) for weeks in count())


def report_dates(until: date) -> list[date]:
    """The as-of days of all reports from 2006-06-13 to `until` (included), ascending.

    Tuesdays; the Monday before a Tuesday that is a federal holiday; otherwise as the CFTC decided.
    """
    return list(takewhile(lambda day: day <= until, _as_of_days()))


def _release_week(report_date: date) -> tuple[date, str | None]:
    """The first Friday at least two days after `report_date`, and the closure that keeps it from that day, if any."""
    earliest = report_date + 2 * _DAY
    friday = earliest + timedelta(days=(_FRIDAY - earliest.weekday()) % 7)
    closures = (closure(friday - back * _DAY) for back in range(_FRIDAY - _WEDNESDAY + 1))
    return friday, next(filter(None, closures), None)


def scheduled_release(report_date: date) -> datetime:
    """When a report is due by the rule, UTC.

    Friday 15:30 New York; a closure on Wednesday, Thursday or Friday moves it to the next business day
    after that Friday. Exceptions are not looked up: `release` does that.
    """
    friday, closed = _release_week(report_date)
    return _instant(_next_business_day(friday) if closed else friday)


def release(report_date: date) -> Release:
    """The ledger's row of one report: as documented, else by the rule; an estimate where the rule is uncertain."""
    if documented := _ledger().documented.get(report_date):
        return documented
    released_at = scheduled_release(report_date)
    for before, reason, provenance in _ledger().estimates:
        if report_date < before:
            return Release(report_date, released_at, "estimated", reason, provenance)
    if report_date != _as_of_day(report_date):
        return Release(report_date, released_at, "estimated", "not an as-of day of the calendar", _BY_RULE)
    friday, closed = _release_week(report_date)
    reason = f"moved from Friday {friday}: {closed}" if closed else "Friday 15:30 New York"
    return Release(report_date, released_at, "scheduled", reason, _BY_RULE)


def first_publications() -> list[Mapping[str, Any]]:
    """family, weekly_since, history_on (UTC) of each family of reports that had a history when it first came out.

    A report whose release by the ledger is earlier than `weekly_since` became public on `history_on`.
    """
    return list(_ledger().first_publications)


def documented_releases() -> list[Release]:
    """The documented releases, the newest report first."""
    return sorted(_ledger().documented.values(), key=lambda row: row.report_date, reverse=True)


def newest_documented() -> date:
    """The last day with a documented release: this version of r2k cannot be older than that."""
    return max(row.released_at for row in _ledger().documented.values() if row.release_basis != "scheduled").date()


def build_cot_releases(seen: Iterable[date], until: date) -> pl.DataFrame:
    """The ledger as `staging.cot_releases`: every report of the calendar to `until`, and every one in `seen`.

    `seen` are the report dates that the raw log has, in any order, repeated or not (a Series will do).
    """
    days = sorted({*report_dates(until), *seen})
    rows = [{**asdict(release(day)), "scheduled_at": scheduled_release(day)} for day in days]
    return pl.DataFrame(rows, schema=LEDGER_SCHEMA)


def next_release(now: datetime, seen: date | None) -> NextRelease:
    """Which report is due next at `now`, and whether one is late; `seen` is the newest report date received.

    Late: released by the ledger GRACE ago or earlier, and newer than `seen`. Raises ValueError for a naive `now`.
    """
    if now.tzinfo is None:
        raise ValueError("next_release: `now` has no time zone; pass an instant, e.g. datetime.now(UTC)")
    late: Release | None = None
    for day in _as_of_days():
        row = release(day)
        if seen is not None and day <= seen:
            continue
        if row.released_at > now:
            break
        if row.released_at + GRACE <= now:
            late = row
    return NextRelease(
        row.report_date,
        row.released_at,
        row.release_basis,
        late.report_date if late else None,
        late.released_at if late else None,
    )
