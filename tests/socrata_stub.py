"""The CFTC's API on the loopback server: rows of the archives under the API's names, asked for as production asks.

Belongs here: the API's spellings and the few queries that it must answer. Not here: faults (vendor_stub.py).
"""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from r2k_pipeline.sources.socrata import CODE, DATASETS, DAY
from tests.vendor_stub import Resource, VendorStub

ApiRow = dict[str, str]

WITHOUT_ALL: Final = re.compile(
    r"((change_in_|pct_of_oi_)?(asset_mgr|lev_money|other_rept|prod_merc)_(positions_)?(long|short|spread)"
    r"|(change_in_|pct_of_oi_)?m_money_(positions_)?spread"
    r"|tot_rept_positions_short|(change_in|pct_of_oi)_tot_rept_short"
    r"|traders_(asset_mgr|lev_money)_spread|traders_other_rept_(short|spread)"
    r"|conc_gross_le_[48]_tdr_(long|short))_all"
)
"""Columns of the financial and the disaggregated report that have no `_all` in the API."""
SHORTER: Final = {
    "noncommercial": "noncomm",
    "commercial": "comm",
    "total_reportable": "tot_rept",
    "nonreportable": "nonrept",
    "spreading": "spread",
    "traders_total": "traders_tot",
    "concentration": "conc",
    "_lt_": "_le_",
}
MISSPELLED: Final = {
    "noncomm_positions_spread_all": "noncomm_postions_spread_all",
    "change_in_noncomm_spread_all": "change_in_noncomm_spead_all",
}


def api_rows(archive: bytes, scope: str = "FutOnly") -> Iterator[ApiRow]:
    """The rows of a yearly zip as the API has them: its names, strings, no key for a dot."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = opened.read(opened.namelist()[0]).decode()
    header, *lines = csv.reader(io.StringIO(text))
    names = [_api_name(name) for name in header]
    for line in lines:
        row = {name: cell.strip() for name, cell in zip(names, line, strict=True) if cell.strip() not in ("", ".")}
        day = row.pop("day")
        key = f"{day.replace('-', '')[2:]}{row[CODE]}{scope[0]}"
        yield {"id": key, **row, DAY: f"{day}T00:00:00.000", "futonly_or_combined": scope}


def _api_name(header: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", header.strip().lower().replace("%", "pct")).strip("_")
    name = re.sub(r"(?<!swap)__+", "_", name)
    if re.fullmatch(r"(report_date_as|as_of_date_in_form)_yyyy_mm_dd", name):
        return "day"
    for long, short in SHORTER.items():
        name = name.replace(long, short)
    name = MISSPELLED.get(name, name)
    return name.removesuffix("_all") if WITHOUT_ALL.fullmatch(name) else name


def serve(stub: VendorStub, report_type: str, rows: Sequence[ApiRow]) -> str:
    """Serve `rows` as the data set of a report type; returns its path."""
    path = f"/resource/{DATASETS[report_type]}.json"
    stub.answerers[path] = lambda query: Resource(
        json.dumps(_answer(rows, query)).encode(), content_type="application/json"
    )
    return path


def _answer(rows: Iterable[ApiRow], query: dict[str, str]) -> list[ApiRow]:
    """Counts by report, or the rows of some reports page by page; another query is an error in the test."""
    if query.get("$group") == DAY:
        assert query["$select"] == f"{DAY}, count(*) as n"
        return [{DAY: day, "n": str(n)} for day, n in sorted(Counter(row[DAY] for row in rows).items())]
    assert query["$order"] == ":id"
    column, listed = query["$where"].split(" in ")
    among = set(re.findall(r"'([^']*)'", listed))
    found = [row for row in rows if row[column] in among]
    start = int(query["$offset"])
    return found[start : start + int(query["$limit"])]
