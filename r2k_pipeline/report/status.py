"""Status: what is published, how fresh it is, what is due next and what is late.

Belongs here: reading the newest generation and the fetch log. Not here: looking for damage (doctor.py).
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from r2k_pipeline.lake import Lake, LakeError
from r2k_pipeline.report.version import of_this_version
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.release_calendar import NextRelease, next_release
from r2k_pipeline.warehouse import open_warehouse

_NEWEST: Final = """
select
    (select max(session_date) from marts.positioning_vs_technicals),
    greatest(
        (select max(report_date) from marts.positioning_vs_technicals),
        (select max(report_date) from staging.cot_positions where report_type = 'tff_futures')
    )
"""
"""A report is held from its release, and in a mart row from the next close: hours later, or days on Good Friday."""
_SAID: Final = """
select
    status,
    item || ' (' || table_name || '): ' || message,
    message,
    fetched_at >= max(fetched_at) filter (status <> 'accepted' and item <> 'corrections') over (partition by table_name)
from meta.fetches
order by item, table_name
"""
"""The last column: whether the item was asked for in the latest fetch. What no fetch asks for any more (a file taken
away, a contract code put right) can never succeed."""


@dataclass(frozen=True)
class Status:
    """The published generation, the newest session and report it holds, and the release clock."""

    label: str
    generation_id: str
    published_at: datetime
    as_of: datetime
    last_session: date | None
    last_report: date | None
    failed: tuple[str, ...]
    held: tuple[str, ...]
    remarks: tuple[str, ...]
    release: NextRelease | None

    @property
    def ok(self) -> bool:
        """Nothing required failed at the last fetch, nothing waits for acceptance, and no report is late."""
        return not self.failed and not self.held and not (self.release and self.release.is_late)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        due = self.release
        return {
            "label": self.label,
            "generation_id": self.generation_id,
            "published_at": self.published_at.isoformat(),
            "as_of": self.as_of.isoformat(),
            "last_session": str(self.last_session),
            "last_report": str(self.last_report),
            "next_report": due and {"report_date": str(due.report_date), "released_at": due.released_at.isoformat()},
            "late_report": due and due.late_report_date and str(due.late_report_date),
            "failed": list(self.failed),
            "held": list(self.held),
            "remarks": list(self.remarks),
            "ok": self.ok,
        }

    def text(self) -> str:
        """A few lines for a terminal."""
        lines = [
            f"{self.label}: generation {self.generation_id}, published {self.published_at:%Y-%m-%d %H:%M:%S} UTC",
            f"  known as of   {self.as_of:%Y-%m-%d %H:%M:%S} UTC",
            f"  last session  {self.last_session}",
            f"  last report   {self.last_report}",
        ]
        if self.release:
            due = self.release
            lines.append(f"  next report   {due.report_date}, due {due.released_at:%Y-%m-%d %H:%M} UTC")
            if due.is_late:
                late = f"report {due.late_report_date} was due {due.late_since:%Y-%m-%d %H:%M} UTC; next: r2k run"
                lines.append(f"  LATE          {late}")
        lines += [f"  note          {remark}" for remark in self.remarks]
        lines += [f"  HELD          {held}" for held in self.held]
        return "\n".join([*lines, *(f"  FAILED        {failure}" for failure in self.failed)])


def read_status(settings: Settings) -> Status:
    """Status of the settings' lake; the release clock only for live data.

    Raises LakeError without a warehouse, or where another version of r2k published it.
    """
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    with open_warehouse(lake.warehouse) as connection, of_this_version(lake.warehouse):
        (generation,) = connection.sql(
            "select label, generation_id, published_at, as_of from meta.generation"
        ).fetchall()
        ((session, report),) = connection.sql(_NEWEST).fetchall()
        said = connection.sql(_SAID).fetchall()
    label, generation_id, published_at, as_of = generation
    due = next_release(datetime.now(UTC), report) if settings.source == "live" else None
    # one file is asked for prices and for actions: it is named once
    failed = tuple(dict.fromkeys(message for outcome, _, message, is_asked in said if outcome == "failed" and is_asked))
    remarks = tuple(remark for outcome, remark, *_ in said if remark and outcome in ("ok", "accepted"))
    held = tuple(_held(lake, settings.source))
    return Status(label, generation_id, published_at, as_of, session, report, failed, held, remarks, due)


def _held(lake: Lake, source: str) -> Iterator[str]:
    """What waits for acceptance now, whatever was published."""
    for (table, item), file in lake.held().items():
        try:
            rows = lake.read_held(file).height
        except LakeError as error:
            yield str(error)
            continue
        yield f"{item}: {rows:,} rows of {table}; next: r2k accept {shlex.quote(item)} --source {source}"
