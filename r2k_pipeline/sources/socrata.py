"""The CFTC's public reporting API (Socrata): rows of reports, as the text that the CFTC's files have of them.

Belongs here: paging, reconciling with counts. Not here: the API's spellings of the files' columns (cot_exports.py), the
archives (cftc.py), when the API stands in for them (cot_fallback.py), what the columns mean (contracts/cot.py).
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

import polars as pl

from r2k_pipeline.report_types import REPORTS, family_of
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.cot_exports import spellings
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.http import FetchError, Limits, fetch
from r2k_pipeline.sources.protocol import CotDocument, SourceError

OFFICIAL: Final = "https://publicreporting.cftc.gov"
DATASETS: Final = {kind: report.dataset for kind, report in REPORTS.items()}
PAGE_ROWS: Final = 5000
"""Rows asked for at once. A row of the widest report is 7 KB, so this is half of what an answer may hold; a year of it
is three pages."""
MOST_DAYS: Final = 53
"""Reports asked for at once, so that an address stays short."""
DAY: Final = "report_date_as_yyyy_mm_dd"
CODE: Final = "cftc_contract_market_code"
REMEDY: Final = "r2k doctor --online (later)"
_NOTHING: Final = "."
"""How the files print a suppressed value; here also a column of theirs that is not read."""


@dataclass(frozen=True)
class SocrataReports:
    """The API at `base_url`, asked `page_rows` rows at a time; without an app `token` it throttles sooner."""

    base_url: str = OFFICIAL
    limits: Limits = Limits(deadline_s=30)  # noqa: RUF009 - frozen
    page_rows: int = PAGE_ROWS
    token: str | None = None

    def address(self, report_type: str) -> str:
        """The address of a report type's data set."""
        return f"{self.base_url}/resource/{DATASETS[report_type]}.json"

    def fetch_reports(self, report_type: str, day: date, codes: Sequence[str], recorded_at: datetime) -> pl.DataFrame:
        """The rows of one report and of these contracts as CotReports.

        Raises SourceError where the API cannot be asked, its pages do not make up its count, or a row breaks the
        contract.
        """
        where = f"{_of([day])} and {_among(CODE, codes)}"
        with _in_its_shape(report_type, "no count of rows"):
            expected = int(self._ask(report_type, {"$select": "count(*)", "$where": where})[0]["count"])
        lines = self._lines(report_type, where, expected)
        if not lines:
            raise _refuse(report_type, f"no rows of {day}")
        body = header_of(report_type) + b"".join(line for _, line in lines)
        document = CotDocument(REPORTS[report_type].current_week, f"socrata:{DATASETS[report_type]}", body)
        screened = screen_reports([read_report(document, recorded_at)])
        if screened.refused.height or screened.identical.height:
            broken = ", ".join(screened.refused["rule"].unique().sort()) or "repeated rows"
            raise _refuse(report_type, f"rows of {day} break the contract: {broken}")
        return screened.rows

    def count_rows(self, report_type: str) -> dict[date, int]:
        """How many rows each report has, by its day, in one request. Raises SourceError."""
        query = {"$select": f"{DAY}, count(*) as n", "$group": DAY, "$order": DAY, "$limit": str(PAGE_ROWS)}
        with _in_its_shape(report_type, "no counts by report"):
            return {_day_of(row): int(row["n"]) for row in self._ask(report_type, query)}

    def fetch_days(self, report_type: str, counted: Mapping[date, int]) -> dict[date, list[bytes]]:
        """The lines of these reports as the files have them, by day; `counted`: how many rows each has.

        Raises SourceError where the API cannot be asked or its pages do not make up the counts.
        """
        lines: dict[date, list[bytes]] = {day: [] for day in counted}
        days = sorted(counted)
        for start in range(0, len(days), MOST_DAYS):
            some = days[start : start + MOST_DAYS]
            for day, line in self._lines(report_type, _of(some), sum(counted[day] for day in some)):
                lines.setdefault(day, []).append(line)
        if wrong := [str(day) for day in days if len(lines[day]) != counted[day]]:
            raise _refuse(report_type, f"rows of {wrong[0]} are not as many as were announced")
        return lines

    def _lines(self, report_type: str, where: str, expected: int) -> list[tuple[date, bytes]]:
        """All rows, page by page in the order of their ids; without an order pages may overlap."""
        rows: list[dict[str, Any]] = []
        while len(rows) < expected:
            asked = {"$where": where, "$order": ":id", "$limit": str(self.page_rows), "$offset": str(len(rows))}
            page = self._ask(report_type, asked)
            if not page:
                break
            rows += page
        distinct = len({str(row.get("id")) for row in rows})
        if not len(rows) == distinct == expected:
            raise _refuse(report_type, f"{expected} rows announced, {len(rows)} came, {distinct} of them distinct")
        with _in_its_shape(report_type, "a row without what every row has"):
            return list(_written(rows, report_type))

    def _ask(self, report_type: str, query: dict[str, str]) -> list[dict[str, Any]]:
        headers = {"Accept": "application/json"} | ({"X-App-Token": self.token} if self.token else {})
        try:
            answer = fetch(f"{self.address(report_type)}?{urlencode(query)}", headers, self.limits)
            rows = json.loads(answer.body) if answer.status == 200 else {"message": f"HTTP {answer.status}"}
        except (FetchError, ValueError, RecursionError) as error:
            raise _refuse(report_type, str(error)) from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _refuse(report_type, f"an error instead of rows: {json.dumps(rows)[:200]}")
        return rows


def header_of(report_type: str) -> bytes:
    """The first line of a file with the lines of `SocrataReports.fetch_days`."""
    return _line(LAYOUTS[family_of(report_type)].columns)


def _written(rows: Iterable[dict[str, Any]], report_type: str) -> Iterable[tuple[date, bytes]]:
    """API rows as (day, line of the CFTC's file); a key that is not there is a suppressed value."""
    layout = LAYOUTS[family_of(report_type)]
    spelled = {vendor: spellings(vendor) if ours else () for vendor, ours in layout.columns.items()}
    scope = "Combined" if report_type.endswith("combined") else "FutOnly"
    for row in rows:
        if row["futonly_or_combined"] != scope:
            raise _refuse(report_type, f"rows break the contract: {row['futonly_or_combined']} instead of {scope}")
        cells_by_name = {normalise(name): cell for name, cell in row.items()}
        day = _day_of(row)
        cells_by_name |= {"report_date": f"{day}", "as_of_date_in_form_yymmdd": f"{day:%y%m%d}"}
        cells = (
            next((cells_by_name[name] for name in names if name in cells_by_name), _NOTHING)
            for names in spelled.values()
        )
        yield day, _line(cells)


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _day_of(row: Mapping[str, Any]) -> date:
    return date.fromisoformat(str(row[DAY])[:10])


def _of(days: Iterable[date]) -> str:
    return _among(DAY, [f"{day}T00:00:00.000" for day in days])


def _among(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} in ({listed})"


@contextmanager
def _in_its_shape(report_type: str, rule: str) -> Iterator[None]:
    """Turn the error of a block that reads an answer into a SourceError: the answer is none that the API gives."""
    try:
        yield
    except (LookupError, ValueError, TypeError) as error:
        raise _refuse(report_type, f"{rule}: {error!r}") from error


def _refuse(report_type: str, rule: str) -> SourceError:
    return SourceError("socrata", report_type, rule, REMEDY)
