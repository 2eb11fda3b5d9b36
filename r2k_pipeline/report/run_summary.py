"""The end of a run as a user reads it: what was published, what failed, the next commands.

Belongs here: the summary and its wording. Not here: the run (orchestration/), how it is remembered (last_run.py).
"""

import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.lake import Lake
from r2k_pipeline.settings import Settings
from r2k_pipeline.warehouse import open_warehouse

_QUERY: Final = '"select market, session_date, close, rsi_14 from latest()"'


@dataclass(frozen=True)
class Summary:
    """Summary of a run. `failures` are required items and checks that failed. If not published, the last generation

    stays. `checked_at`: the moment at which a run found nothing new since the last generation, else None. `next`: the
    commands that show what is published.
    """

    ok: bool
    published: bool
    checked_at: datetime | None
    seconds: float
    label: str
    as_of: datetime | None
    generation_id: str | None
    warehouse: Path
    rows_new: int
    rows_refused: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    next: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: str(value) if isinstance(value, Path | datetime) else value for name, value in asdict(self).items()
        }

    def text(self) -> str:
        """The end of a run on a terminal: what happened, what failed, where to look next."""
        state = "NOT published: the last generation stays" if self.as_of else "NOT published"
        if self.published:
            state = f"published in {self.seconds:.1f} s"
        elif self.checked_at:
            state = f"stays: nothing new, checked at {self.checked_at:%Y-%m-%d %H:%M:%S} UTC in {self.seconds:.1f} s"
        known = f"{self.as_of:%Y-%m-%d %H:%M:%S} UTC" if self.as_of else "nothing yet"
        lines = [
            f"{self.label}: generation {self.generation_id or '-'} {state}",
            f"  known as of  {known}",
            f"  raw rows     {self.rows_new:,} new, {self.rows_refused:,} refused now (all: meta.quarantine)",
            f"  warehouse    {self.warehouse}",
            *(f"  FAILED       {failure}" for failure in self.failures),
            *(f"  NOTE         {note}" for note in self.notes),
            f"  next         {self.next if self.as_of else 'mend what failed, then r2k run again'}",
        ]
        return "\n".join(lines)


def next_commands(settings: Settings) -> str:
    """The commands that show what a run with these settings published, with the options that lead to its lake."""
    where = f" --source {settings.source}" if settings.source != "sample" else ""
    where += Lake.of(settings.lake, settings.source).where
    where += f" --as-of {settings.as_of:%Y-%m-%dT%H:%M:%SZ}" if settings.as_of else ""
    files = f" --files {shlex.quote(str(settings.files))}" if settings.files and not settings.as_of else ""
    shows = ("note", where), ("status", where), ("ui", where + files), (f"sql {_QUERY}", where)
    return " · ".join(f"r2k {command}{options}" for command, options in shows)


def published_generation(lake: Lake) -> dict[str, Any]:
    """The row of meta.generation in the published DuckDB file; empty before the first publication.

    Not that of the Parquet, which may be of a generation that failed later. Raises R2kError or duckdb.Error where there
    is a file and it cannot be read.
    """
    if not lake.warehouse.exists():
        return {}
    with open_warehouse(lake.warehouse) as connection:
        row: dict[str, Any] = connection.sql(f"from {Generation.dotted()}").pl().row(0, named=True)
    return row
