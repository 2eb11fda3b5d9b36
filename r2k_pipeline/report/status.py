"""Status: what is published, how fresh it is, what is due next and what is late.

Belongs here: reading the newest generation and the fetch log. Not here: looking for damage (doctor.py).
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.parquet as pq

from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings
from r2k_pipeline.sources.release_calendar import NextRelease, next_release
from r2k_pipeline.warehouse import open_warehouse


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
    """Status of the settings' lake; the release clock only for live data. Raises LakeError without a warehouse."""
    lake = Lake.of(settings.lake, settings.source, settings.as_of)
    with open_warehouse(lake.warehouse) as connection:
        (generation,) = connection.sql(
            "select label, generation_id, published_at, as_of from meta.generation"
        ).fetchall()
        ((session, report),) = connection.sql(
            "select max(session_date), max(report_date) from marts.positioning_vs_technicals"
        ).fetchall()
        said = connection.sql(
            "select status, item || ' (' || table_name || '): ' || message as remark, message from meta.fetches "
            "where message is not null order by item, table_name"
        ).fetchall()
    label, generation_id, published_at, as_of = generation
    due = next_release(datetime.now(UTC), report) if settings.source == "live" else None
    failed = tuple(message for outcome, _, message in said if outcome == "failed")
    remarks = tuple(remark for outcome, remark, _ in said if outcome in ("ok", "accepted"))
    held = tuple(_held(lake, settings.source))
    return Status(label, generation_id, published_at, as_of, session, report, failed, held, remarks, due)


def _held(lake: Lake, source: str) -> Iterator[str]:
    """What waits for acceptance now, whatever was published."""
    for (table, item), file in lake.held().items():
        rows = pq.read_metadata(file).num_rows
        yield f"{item}: {rows:,} rows of {table}; next: r2k accept {shlex.quote(item)} --source {source}"
