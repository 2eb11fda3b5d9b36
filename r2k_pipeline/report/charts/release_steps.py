"""Positions as steps: the values of the newest known report, from the moment it was known until the next one was.

Belongs here: when a value stood, spans without one. Not here: how steps look (position_panels.py).
"""

from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

LONGEST_STEP: Final = timedelta(days=11)
"""Reports come weekly, at most 10 days and an hour apart (a Friday moved to Monday, the clocks changed)."""


def build_steps(vintages: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """The vintages that were of the newest report when they became known, with `until`; by trader_group, known_at.

    `vintages`: trader_group, report_date, known_at, superseded_at and any values, all known by `end`. A step lasts
    until the next one of its group, until it was withdrawn, until `end`, and never longer than LONGEST_STEP: then the
    next report is overdue, and there is a gap until it is known.
    """
    ordered = vintages.sort("trader_group", "known_at", "report_date").unique(
        ["trader_group", "known_at"], keep="last", maintain_order=True
    )
    newest = ordered.filter(pl.col("report_date") == pl.col("report_date").cum_max().over("trader_group"))
    return newest.with_columns(
        until=pl.min_horizontal(
            pl.col("known_at").shift(-1).over("trader_group"),
            pl.col("known_at") + LONGEST_STEP,
            pl.col("superseded_at"),
            pl.lit(end, newest.schema["known_at"]),
        )
    )


def build_path(steps: pl.DataFrame, column: str) -> pl.DataFrame:
    """Points of one line a group: trader_group, at, `column`, report_date; to be joined by steps after each point.

    A null in `column` breaks the line where a value ended and none followed at once.
    """
    points: list[tuple[object, ...]] = []
    for (group,), rows in steps.filter(pl.col(column).is_not_null()).group_by("trader_group", maintain_order=True):
        known = rows.select("known_at", "until", column, "report_date").rows()
        for i, (start, until, value, report) in enumerate(known):
            points.append((group, start, value, report))
            if i + 1 == len(known) or known[i + 1][0] != until:
                points += [(group, until, value, report), (group, until, None, report)]
    schema: dict[str, Any] = {
        "trader_group": pl.String,
        "at": steps.schema["known_at"],
        column: pl.Float64,
        "report_date": pl.Date,
    }
    return pl.DataFrame(points, schema, orient="row")


def build_gaps(steps: pl.DataFrame, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The spans of `start`..`end` in which no step of any group stood."""
    gaps, reached = [], start
    for known, until in steps.select("known_at", "until").unique().sort("known_at", "until").rows():
        if known > reached:
            gaps.append((reached, known))
        reached = max(reached, until)
    return [*gaps, (reached, end)] if reached < end else gaps


def standing_at(steps: pl.DataFrame, moments: pl.Series, group: str) -> pl.DataFrame:
    """For each of the ascending `moments`, the newest report of `group` known by then, overdue or not; null if none."""
    of_group = steps.filter(pl.col("trader_group") == group).sort("known_at")
    asked = pl.DataFrame({"at": moments.cast(steps.schema["known_at"])})
    return asked.join_asof(of_group, left_on="at", right_on="known_at", coalesce=False)
