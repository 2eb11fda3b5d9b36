"""Archives of past years that have changed: the alarm of the run that records the change.

Belongs here: finding these rows in a fetch, and the message. Not here: the lasting finding
(sql/checks/closed_years_changed.sql), which rows are revisions (revisions.py).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import polars as pl

from r2k_pipeline.sources.protocol import came_live

EXAMPLES: Final = 3
LOOKED_AT: Final = ("report_type", "report_date", "contract_code", "recorded_at", "source")
"""The columns of CotReports that an alarm needs."""
NEXT: Final = "r2k sql --source live \"from meta.findings where check_name = 'closed_years_changed'\""
_WASHINGTON: Final = "America/New_York"


def alarms_of(before: pl.DataFrame, after: pl.DataFrame, stamp: datetime) -> Iterator[str]:
    """A line for each file of the CFTC that brought other rows of a closed year's report than it had before.

    `before` and `after` are CotReports (LOOKED_AT) around the fetch of `stamp`. The rows are recorded as vintages.
    """
    report = ["report_type", "report_date"]
    this_year = pl.col("recorded_at").dt.convert_time_zone(_WASHINGTON).dt.year()
    changed = (
        after.filter(pl.col("recorded_at") == stamp, came_live(), pl.col("report_date").dt.year() < this_year)
        .join(before.filter(came_live()), on=report, how="semi")
        .sort("report_date", "contract_code")
    )
    for (source,), rows in changed.group_by("source", maintain_order=True):
        named = (
            f"{day} {code}" for day, code in rows.select("report_date", "contract_code").head(EXAMPLES).iter_rows()
        )
        yield (
            f"{str(source).rpartition('/')[2]}: an archive of a year that is over has changed: {rows.height} rows, "
            f"e.g. {', '.join(named)}; they are recorded beside those before; next: {NEXT}"
        )
