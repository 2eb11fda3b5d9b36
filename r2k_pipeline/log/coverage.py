"""The days that an answer could have shown: a row of these days that it lacks did not exist at the fetch.

Belongs here: the days of price answers and of COT files, for the fetch log. Not here: what follows from them for when
a row is known (sql/staging).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from r2k_pipeline.contracts.cot import FETCHED_ITEM
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.log.recording import MADE_UP, Attempt
from r2k_pipeline.sources.prices import Bars
from r2k_pipeline.sources.protocol import Span
from r2k_pipeline.sources.screening import FAULT, day_of


def with_days_of_prices(
    attempts: Iterable[Attempt], bars: Iterable[Bars], log: pl.DataFrame, table: type[Table], *, asks_vendor: bool
) -> list[Attempt]:
    """`attempts` with the days whose rows of `table` their answers could have shown; `log` is the FetchLog before them.

    A live answer covers all history. A file proves nothing about missing rows, unless it was saved after the symbol's
    last fetch: then it is a later version and could have shown the sessions from its first to the one before its last.
    A fetch whose process died has no such days; the next one has them, even if it finds the same file.
    """
    read = log.filter(
        pl.col("table_name") == table.dotted(),
        pl.col("status").is_in(["ok", "held"]),
        pl.col("message").ne_missing(MADE_UP),
    )
    fetched_at = dict(read.group_by("item").agg(pl.col("fetched_at").max()).iter_rows())
    by_origin = {answer.origin: answer for answer in bars}

    def shown(attempt: Attempt) -> Span | None:
        answer = by_origin.get(attempt.origin)
        if answer is None:
            return None
        if asks_vendor:
            return answer.asked
        before = fetched_at.get(attempt.item)
        return answer.within if before is not None and before < answer.asked_at else None

    return [replace(attempt, shows=shown(attempt)) for attempt in attempts]


def with_days_of_reports(
    attempts: Iterable[Attempt], reports: Iterable[pl.DataFrame], log: pl.DataFrame, *, asks_vendor: bool
) -> list[Attempt]:
    """`attempts` with the days whose reports the CFTC's answers could have shown: the years of an archive, whether it
    is there yet or not; the days of its own rows for the current week. `reports`: CotReports, days still text.

    If an archive's request failed, the days after the newest report recorded from such archives are awaited: r2k did
    not have these reports then, even if they were published. `log` is CotReports before this fetch. Before the first
    load nothing is recorded, so no failure dates its history.
    """
    if not asks_vendor:
        return list(attempts)
    days = pl.concat([pl.DataFrame(schema={"source": pl.String, "report_date": pl.Date}), *map(_days, reports)])
    spans = days.group_by("source").agg(pl.col("report_date").min(), pl.col("report_date").max().alias("last"))
    span_of = {source: (first, last) for source, first, last in spans.iter_rows()}
    last_recorded = _last_by_archive(log)

    def dated(attempt: Attempt) -> Attempt:
        years = _years_named(attempt.item)
        awaits = _days_after(last_recorded.get(_archive(attempt.item)), years)
        shows = awaits if attempt.status == "failed" else years or span_of.get(attempt.origin)
        return replace(attempt, shows=shows, awaits=awaits)

    return list(map(dated, attempts))


def _days_after(last: date | None, years: Span | None) -> Span | None:
    """The days of an archive's years after the last report recorded; None where there are none, or nothing is known."""
    if years is None or last is None or last >= years[1]:
        return None
    return max(years[0], last + timedelta(days=1)), years[1]


def _archive(file: str) -> str:
    """The name of a CFTC file without its years."""
    return re.sub(r"\d", "", file)


def _last_by_archive(log: pl.DataFrame) -> dict[str, date]:
    """The newest report date from each kind of archive."""
    archive = FETCHED_ITEM.str.replace_all(r"\d", "")
    return dict(log.group_by(archive).agg(pl.col("report_date").max()).iter_rows())


def _days(report: pl.DataFrame) -> pl.DataFrame:
    return report.filter(pl.col(FAULT).is_null()).select("source", day_of("report_date")).drop_nulls().unique()


def _years_named(file: str) -> Span | None:
    """The years in the name of one of the CFTC's archives: `fut_fin_txt_2024.zip`, `fin_fut_txt_2006_2016.zip`."""
    named = re.search(r"(?:(\d{4})_)?(\d{4})\.zip$", file)
    return named and (date(int(named[1] or named[2]), 1, 1), date(int(named[2]), 12, 31))
