"""Reports as other programs save them, as the text that the CFTC prints: the API's rows, an index of pandas, Excel.

Belongs here: exports of publicreporting.cftc.gov (CSV, JSON), columns and cells that a table program adds or changes.
Not here: the CFTC's own layouts (cot_layouts.py), wrappers and sheets (containers.py), asking the API (socrata.py).
"""

import csv
import io
import json
from collections.abc import Sequence
from typing import Final

import polars as pl

from r2k_pipeline.sources.cot_layouts import LEGACY, TFF, Layout, normalise
from r2k_pipeline.sources.size_limits import BoundsError, lines_of, refuse_beyond, refuse_wide

EXPORT: Final = "yyyy_report_week_ww"
"""A column that only the API has."""
LAYOUTS: Final = (TFF, LEGACY)
"""Families whose exports are read."""
INDEX: Final = ("", "index", "unnamed_0", "level_0")
"""Names of an index column that a table program put before the report's own."""
FIRST: Final = "market_and_exchange_names"
DAY: Final = "report_date_as_yyyy_mm_dd"
SCOPES: Final = {"FutOnly": "deacot", "Combined": "deahistfo"}
"""The export's word for what is counted -> the CFTC's name of such a legacy file."""
_AS_OF: Final = "as_of_date_in_form_yymmdd"
_MIDNIGHT: Final = r"[ T]00:00:00(?:\.0+)?$"
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


def as_cftc(text: bytes) -> tuple[str, bytes]:
    """(what the file would be named after, its text) in the CFTC's own columns; another text comes back as it is.

    Raises BoundsError: no readable JSON or CSV, or an export that lacks columns.
    """
    if text.lstrip()[:1] in b"[{" and text.strip():
        return _of_export(_json_rows(text))
    first = text.lstrip()[: text.lstrip().find(b"\n") + 1 or None][:100_000].decode("utf-8", "replace").splitlines()
    names = [normalise(name) for name in next(csv.reader(first[:1]), [])]
    has_index = names[:1] != [] and names[0] in INDEX and FIRST in names
    if not has_index and EXPORT not in names:
        return "", text
    frame = _csv_rows(text)
    return _of_export(frame) if EXPORT in names else ("", frame[:, 1:].write_csv().encode())


def as_printed(report: pl.DataFrame, counts: Sequence[str]) -> pl.DataFrame:
    """A report's text with the cells that a table program changed as the CFTC prints them.

    Counts that became decimals (123.0), codes that lost their leading zeros, days that became midnights.
    """
    decimal = [name for name, found in report.select(pl.col(counts).str.ends_with(".0").any()).row_items() if found]
    return report


def spellings(vendor: str) -> tuple[str, ...]:
    """Possible API names for a column of the files: shortened, misspelled, with or without its `_all`."""
    name = vendor
    for long, short in _SHORTER.items():
        name = name.replace(long, short)
    return (_TYPOS[name],) if name in _TYPOS else (name, name.removesuffix("_all"))


def _csv_rows(text: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_csv(io.BytesIO(b"\n".join(lines_of(text))), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise BoundsError(str(error).splitlines()[0]) from error
    return refuse_beyond(frame)


def _json_rows(text: bytes) -> pl.DataFrame:
    """Rows of objects; a key that is not there is a suppressed value."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise BoundsError(f"not readable as JSON: {error}") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BoundsError("JSON without a list of rows")
    names = refuse_wide(list(dict.fromkeys(name for row in rows for name in row)))
    cells = [[None if row.get(name) is None else str(row[name]) for name in names] for row in rows]
    return refuse_beyond(pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row"))


def _of_export(frame: pl.DataFrame) -> tuple[str, bytes]:
    """The rows of an export under the CFTC's column names; percentages and splits by crop year are left out."""
    named = {normalise(name): name for name in frame.columns}
    found = {layout.family: _columns(layout, named) for layout in LAYOUTS}
    layout = min(LAYOUTS, key=lambda each: len(_lacking(each, found[each.family])))
    if missing := _lacking(layout, found[layout.family]):
        raise BoundsError(f"an export without {len(missing)} columns of {layout.family}, e.g. {missing[:3]}")
    rows = frame.select(pl.col(column).alias(vendor) for vendor, column in found[layout.family].items())
    day = pl.col(_day(layout)).str.replace(_MIDNIGHT, "")
    rows = rows.with_columns(day, day.str.replace_all("-", "").str.slice(2).alias(_AS_OF))
    scope = frame[named["futonly_or_combined"]].unique().to_list() if "futonly_or_combined" in named else []
    hint = SCOPES.get(scope[0], "") if layout is LEGACY and len(scope) == 1 else ""
    return hint, rows.write_csv().encode()


def _columns(layout: Layout, named: dict[str, str]) -> dict[str, str]:
    """Vendor name of the files -> column of an export, for what is taken from a report and is there."""
    wanted = {vendor: (DAY, vendor) if vendor == _day(layout) else spellings(vendor) for vendor in layout.taken}
    there = {vendor: next((name for name in names if name in named), None) for vendor, names in wanted.items()}
    return {vendor: named[name] for vendor, name in there.items() if name}


def _lacking(layout: Layout, columns: dict[str, str]) -> list[str]:
    return [vendor for vendor in layout.taken if vendor not in columns and vendor != _AS_OF]


def _day(layout: Layout) -> str:
    """The vendor name of the report date."""
    return next(vendor for vendor, ours in layout.taken.items() if ours == "report_date")
