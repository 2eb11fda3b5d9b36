"""Status: what is published, how fresh it is, what is due next and what is late.

Belongs here: reading the newest generation and the fetch log. Not here: looking for damage (doctor.py).
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.errors import R2kError
from r2k_pipeline.folders import Folders
from r2k_pipeline.generations import lake_as_of, outgrown
from r2k_pipeline.holes import is_awaited, is_missed, read_holes, say_doubts
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import LastRun, read_last_run
from r2k_pipeline.restatement import read_restatement
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import reading
from r2k_pipeline.sources.release_calendar import NextRelease, next_release
from r2k_pipeline.sources.settlement import GRACE
from r2k_pipeline.tables import TABLES

_SESSIONS: Final = """
select market, max(session_date)
from marts.markets
left join marts.positioning_vs_technicals using (market)
where index_symbol is not null
group by market
order by place_of(market), market
"""
_REPORT: Final = """
select greatest(
    (select max(report_date) from marts.positioning_vs_technicals),
    (
        select max(report_date) from staging.cot_positions
        where report_type = 'tff_futures' or report_type in (select primary_report_type from marts.markets)
    )
)
"""
"""A report is known at its release but appears in the mart from the next close: hours later, or days on Good Friday."""
_DOUBTS: Final = """
select check_name, count(*) from meta.findings where severity = 'warn' group by check_name order by check_name
"""
_GENERATION: Final = "select label, generation_id, published_at, as_of from meta.generation"
_CALENDARS: Final = "select distinct calendar from marts.markets where index_symbol is not null order by 1"
_FETCHES: Final = """
select
    status,
    item || ' (' || table_name || '): ' || message,
    message,
    fetched_at >= max(fetched_at) filter (status <> 'accepted' and item <> 'corrections') over (partition by table_name)
from meta.fetches
order by item, table_name
"""
"""Last column: whether the latest fetch requested the item. An item that is no longer requested (a removed file, a
corrected contract code) can never succeed."""


@dataclass(frozen=True)
class Status:
    """The published generation, its newest session of each market and report, the last run, what is due."""

    label: str
    generation_id: str
    published_at: datetime
    as_of: datetime
    checked_at: datetime | None
    last_sessions: dict[str, date | None]
    last_report: date | None
    failed: tuple[str, ...]
    held: tuple[str, ...]
    holes: tuple[str, ...]
    awaited: tuple[str, ...]
    doubts: dict[str, int]
    remarks: tuple[str, ...]
    last_run: str | None
    release: NextRelease | None
    lake: Folders

    @property
    def ok(self) -> bool:
        """The last run succeeded, no required item failed, nothing waits for acceptance, nothing due is missing."""
        is_late = self.release is not None and self.release.is_late
        return not (self.last_run or self.failed or self.held or self.holes or is_late)

    @property
    def last_session(self) -> date | None:
        """The newest session of any market."""
        return max((day for day in self.last_sessions.values() if day), default=None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        due = self.release
        return {
            "label": self.label,
            "generation_id": self.generation_id,
            "published_at": self.published_at.isoformat(),
            "as_of": self.as_of.isoformat(),
            "checked_at": self.checked_at and self.checked_at.isoformat(),
            "last_session": self.last_session and str(self.last_session),
            "last_sessions": {market: day and str(day) for market, day in self.last_sessions.items()},
            "last_report": self.last_report and str(self.last_report),
            "next_report": due and {"report_date": str(due.report_date), "released_at": due.released_at.isoformat()},
            "late_report": due and due.late_report_date and str(due.late_report_date),
            "last_run": self.last_run,
            "failed": list(self.failed),
            "held": list(self.held),
            "holes": list(self.holes),
            "awaited": list(self.awaited),
            "doubts": self.doubts,
            "remarks": list(self.remarks),
            "ok": self.ok,
        }

    def text(self) -> str:
        """A few lines for a terminal."""
        checked = f"; nothing new since, checked at {self.checked_at:%Y-%m-%d %H:%M:%S} UTC" if self.checked_at else ""
        lines = [
            f"{self.label}: generation {self.generation_id}, published {self.published_at:%Y-%m-%d %H:%M:%S} UTC",
            f"  known as of   {self.as_of:%Y-%m-%d %H:%M:%S} UTC{checked}",
            f"  last session  {self._sessions_by_day()}",
            f"  last report   {self.last_report or 'none'}",
        ]
        if self.release:
            due = self.release
            lines.append(f"  next report   {due.report_date}, due {due.released_at:%Y-%m-%d %H:%M} UTC")
            if due.is_late:
                late = f"report {due.late_report_date} was due {due.late_since:%Y-%m-%d %H:%M} UTC"
                lines.append(f"  LATE          {late}; next: {self.lake.run}")
        lines += [f"  note          {remark}" for remark in self.remarks]
        lines += [f"  in doubt      {say_doubts(self.doubts, self.lake)}"] if self.doubts else []
        lines += [f"  awaited       {hole}" for hole in self.awaited]
        lines += [f"  HOLE          {hole}" for hole in self.holes]
        lines += [f"  HELD          {held}" for held in self.held]
        lines += [f"  LAST RUN      {self.last_run}"] if self.last_run else []
        return "\n".join([*lines, *(f"  FAILED        {failure}" for failure in self.failed)])

    def _sessions_by_day(self) -> str:
        """Each last day with its markets, the newest first."""
        days = sorted({day for day in self.last_sessions.values() if day}, reverse=True)
        named = {day: [market for market, last in self.last_sessions.items() if last == day] for day in (*days, None)}
        said = [f"{day or 'none'} ({', '.join(markets)})" for day, markets in named.items() if markets]
        return ", ".join(said) or "none"


def read_status(settings: Settings) -> Status:
    """Status of the settings' lake; the release clock only for live data.

    Raises R2kError without a warehouse, or where another version of r2k published it.
    """
    lake = lake_as_of(settings.lake, settings.source, settings.as_of)
    now = settings.as_of or datetime.now(UTC)
    with reading(lake, settings.as_of, settings.memory_limit) as snapshot:
        connection = snapshot.connection
        ((label, generation_id, published_at, as_of),) = connection.sql(_GENERATION).fetchall()
        sessions: dict[str, date | None] = dict(connection.sql(_SESSIONS).fetchall())
        ((report,),) = connection.sql(_REPORT).fetchall()
        failed, remarks = _fetched(connection)
        awaited = read_holes(connection, now, is_awaited)
        holes = (*_holes(connection, lake, as_of, now), *filter(None, [outgrown(lake)]))
        doubts: dict[str, int] = dict(connection.sql(_DOUBTS).fetchall())
    failed, held = tuple(map(lake.here, failed)), tuple(map(lake.here, _held(lake)))
    run = read_last_run(lake)
    last_run = _last_run(lake, run, (*failed, *map(_without_way_on, held), *_refused(lake))) if run else None
    return Status(
        label=label,
        generation_id=generation_id,
        published_at=published_at,
        as_of=as_of,
        checked_at=run.checked_at if run else None,
        last_sessions=sessions,
        last_report=report,
        failed=failed,
        held=held,
        holes=holes,
        awaited=awaited,
        doubts=doubts,
        remarks=remarks,
        last_run=last_run,
        release=next_release(now, report) if settings.source == "live" else None,
        lake=lake,
    )


def _fetched(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The failures of the last fetch, each named once, as prices and actions are in one file; and its remarks."""
    outcomes = connection.sql(_FETCHES).fetchall()
    failed = dict.fromkeys(message for status, _, message, is_asked in outcomes if status == "failed" and is_asked)
    remarks = (remark for status, remark, *_ in outcomes if remark and status in ("ok", "accepted"))
    return tuple(failed), tuple(remarks)


def _holes(connection: duckdb.DuckDBPyConnection, lake: Lake, as_of: datetime, now: datetime) -> Iterator[str]:
    """What is missing in the published data, and sessions that closed after its moment."""
    newer = ", with newer files" if lake.root.name == "files" and not read_restatement(lake) else ""
    remedy = _way_on(lake) + newer
    yield from (f"{hole}; {remedy}" for hole in read_holes(connection, now, is_missed))
    yield from say_unpublished(connection, lake, as_of, now)


def _refused(lake: Lake) -> list[str]:
    """The lines with which a run ended if its restatement was not accepted, without the next command."""
    restatement = read_restatement(lake)
    lines = restatement.model_copy(update={"accepted_at": None}).lines(lake) if restatement else []
    return [*map(_without_way_on, lines)]


def _without_way_on(line: str) -> str:
    """A line without its next command: that one names the lake where it was then."""
    return line.partition("; next: ")[0]


def say_unpublished(connection: duckdb.DuckDBPyConnection, lake: Lake, as_of: datetime, now: datetime) -> Iterator[str]:
    """Sessions that closed after the published moment, where its calendar ends. The sample has no later news."""
    from r2k_pipeline.sources.sessions import build_sessions  # noqa: PLC0415  (pulls in pandas)

    if lake.root.name == "sample" or now - as_of <= GRACE:
        return
    if not (calendars := [name for (name,) in connection.sql(_CALENDARS).fetchall()]):
        return
    closes = build_sessions(calendars, now.date()).filter(pl.col("close_at").is_between(as_of, now - GRACE, "right"))
    for calendar in calendars:
        days = closes.filter(calendar=calendar)["session_date"].to_list()
        if days:
            closed = f"1 session of {calendar} has" if len(days) == 1 else f"{len(days):,} sessions of {calendar} have"
            since = f"{closed} closed since, the first {days[0]}"
            yield f"nothing fetched since {as_of:%Y-%m-%d %H:%M} UTC is published: {since}; {_way_on(lake)}"


def _way_on(lake: Lake) -> str:
    """The next command that publishes what is newer."""
    waiting = read_restatement(lake)
    return waiting.next_command(lake) if waiting else f"next: {lake.run}"


def _last_run(lake: Lake, run: LastRun, listed: tuple[str, ...]) -> str | None:
    """How the last run failed, if it did, without the failures `listed` elsewhere in the status."""
    other = tuple(line for line in map(lake.here, run.failures) if not any(message in line for message in listed))
    are_listed = bool(run.failures) and not other
    problem = run.model_copy(update={"failures": other}).problem(is_on=lake.holder() is not None, again=lake.run)
    return None if are_listed else problem


def _held(lake: Lake) -> Iterator[str]:
    """Items that wait for acceptance now, and why."""
    if restatement := read_restatement(lake):
        accepted = "accepted; " if restatement.accepted_at else ""
        yield f"{restatement.headline()}; {accepted}{restatement.next_command(lake)}"
    why = _reasons(lake) if (held := lake.held()) else {}
    for (table, item), file in held.items():
        try:
            rows = lake.read_held(TABLES[table], file).height
        except R2kError as error:
            yield str(error)
            continue
        accept = lake.command(f"accept {shlex.quote(item)}")
        yield why.get((table, item)) or f"{item}: {rows:,} rows of {table}; next: {accept}"


def _reasons(lake: Lake) -> dict[tuple[str, str], str]:
    """By table and item, why its answer was held the last time."""
    log = lake.read(FetchLog, ("table_name", "item", "message", "status", "fetched_at")).filter(status="held")
    return {(table, item): why for table, item, why, *_ in log.sort("fetched_at").iter_rows()}
