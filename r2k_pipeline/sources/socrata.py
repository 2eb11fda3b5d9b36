"""The CFTC's public reporting API (Socrata): one report's rows, to be compared with those of the archives.

Belongs here: paging, reconciling with the count, the API's spellings of our columns. Not here: the archives, which
are what is ingested (cftc.py), and what the columns mean (contracts/cot.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.report_types import REPORTS, family_of
from r2k_pipeline.sources.cot import screen_reports
from r2k_pipeline.sources.cot_layouts import LAYOUTS
from r2k_pipeline.sources.http import FetchError, Limits, fetch
from r2k_pipeline.sources.protocol import SourceError
from r2k_pipeline.sources.screening import FAULT

OFFICIAL: Final = "https://publicreporting.cftc.gov"
DATASETS: Final = {kind: report.dataset for kind, report in REPORTS.items()}
PAGE_ROWS: Final = 1000
"""The API's default number of rows in an answer."""
DAY: Final = "report_date_as_yyyy_mm_dd"
CODE: Final = "cftc_contract_market_code"
REMEDY: Final = "r2k doctor --online (later)"

_SHORTER: Final = {
    "noncommercial": "noncomm",
    "commercial": "comm",
    "total_reportable": "tot_rept",
    "nonreportable": "nonrept",
    "spreading": "spread",
    "traders_total": "traders_tot",
    "concentration": "conc",
    "_lt_": "_le_",
}
"""How the API shortens the words of the legacy files' headers, in this order."""
_TYPOS: Final = {
    "noncomm_positions_spread_all": "noncomm_postions_spread_all",
    "change_in_noncomm_spread_all": "change_in_noncomm_spead_all",
}
"""Columns that the API misspells; the right spelling is another column there (old crop)."""


@dataclass(frozen=True)
class SocrataReports:
    """The API at `base_url`, asked `page_rows` rows at a time."""

    base_url: str = OFFICIAL
    limits: Limits = Limits(deadline_s=30)  # noqa: RUF009 - frozen
    page_rows: int = PAGE_ROWS

    def fetch_reports(self, report_type: str, day: date, codes: Sequence[str], recorded_at: datetime) -> pl.DataFrame:
        """The rows of one report and of these contracts as CotReports.

        Raises SourceError where the API cannot be asked, its pages do not make up its count, or a row breaks the
        contract.
        """
        among = ", ".join(f"'{code}'" for code in codes)
        where = f"{DAY}='{day}T00:00:00.000' and {CODE} in ({among})"
        rows = self._rows(report_type, where)
        screened = screen_reports([_as_written(rows, report_type, recorded_at)])
        if screened.refused.height or screened.identical.height:
            broken = ", ".join(screened.refused["rule"].unique().sort()) or "repeated rows"
            raise _refuse(report_type, f"rows of {day} break the contract: {broken}")
        return screened.rows

    def _rows(self, report_type: str, where: str) -> list[dict[str, Any]]:
        """All rows, page by page in the order of their ids; without an order pages may overlap."""
        (counted,) = self._ask(report_type, {"$select": "count(*)", "$where": where}) or ({},)
        expected = int(next(iter(counted.values()), 0))
        rows: list[dict[str, Any]] = []
        while len(rows) < expected:
            asked = {"$where": where, "$order": ":id", "$limit": str(self.page_rows), "$offset": str(len(rows))}
            page = self._ask(report_type, asked)
            if not page:
                break
            rows += page
        distinct = len({row.get("id") for row in rows})
        if not len(rows) == distinct == expected:
            raise _refuse(report_type, f"{expected} rows announced, {len(rows)} came, {distinct} of them distinct")
        return rows

    def _ask(self, report_type: str, query: dict[str, str]) -> list[dict[str, Any]]:
        url = f"{self.base_url}/resource/{DATASETS[report_type]}.json?{urlencode(query)}"
        try:
            answer = fetch(url, {"Accept": "application/json"}, self.limits)
            said = json.loads(answer.body) if answer.status == 200 else {"message": f"HTTP {answer.status}"}
        except (FetchError, ValueError) as error:
            raise _refuse(report_type, str(error)) from error
        if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
            raise _refuse(report_type, f"an error instead of rows: {json.dumps(said)[:200]}")
        return said


def _as_written(rows: list[dict[str, Any]], report_type: str, recorded_at: datetime) -> pl.DataFrame:
    """API rows as text in the columns of CotReports; a key that is not there is a suppressed value."""
    layout = LAYOUTS[family_of(report_type)]
    names = {ours: _spellings(vendor) for vendor, ours in layout.taken.items() if ours in CotReports.column_names()}
    scope = "Combined" if report_type.endswith("combined") else "FutOnly"
    written = [
        {
            **{ours: next((row[name] for name in spelled if name in row), None) for ours, spelled in names.items()},
            "report_date": str(row.get(DAY, ""))[:10],
            "report_type": report_type if row.get("futonly_or_combined") == scope else row.get("futonly_or_combined"),
            "source": f"socrata:{DATASETS[report_type]}",
        }
        for row in rows
    ]
    given = ("recorded_at", "is_withdrawn")
    text = pl.DataFrame(written, schema={n: pl.String for n in CotReports.column_names() if n not in given})
    return text.with_columns(
        pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
        pl.lit(None, pl.String).alias(FAULT),
        is_withdrawn=pl.lit(False),
    ).select(*CotReports.column_names(), FAULT)


def _spellings(vendor: str) -> tuple[str, ...]:
    """Possible API names for a column of the files: shortened, misspelled, with or without its `_all`."""
    name = vendor
    for long, short in _SHORTER.items():
        name = name.replace(long, short)
    return (_TYPOS[name],) if name in _TYPOS else (name, name.removesuffix("_all"))


def _refuse(report_type: str, rule: str) -> SourceError:
    return SourceError("socrata", report_type, rule, REMEDY)
