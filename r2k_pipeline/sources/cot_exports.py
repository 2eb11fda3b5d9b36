"""Reports as other programs save them, as the text that the CFTC prints: the API's rows, tables of pandas and Excel.

Belongs here: exports of publicreporting.cftc.gov (CSV, JSON), columns and cells that a table program adds or changes.
Not here: the CFTC's own layouts (cot_layouts.py), wrappers and sheets (containers.py), asking the API (socrata.py).
"""

import csv
import json
from collections.abc import Sequence
from typing import Final

import polars as pl

from r2k_pipeline.sources.cot_layouts import LAYOUTS, Layout, normalise
from r2k_pipeline.sources.price_days import iso_days
from r2k_pipeline.sources.size_limits import MAX_LINE_BYTES, BoundsError, plain_text, refuse_beyond, refuse_wide

MARK: Final = "yyyy_report_week_ww"
"""A column that only the API has."""
INDEX: Final = ("", "index", "unnamed_0", "level_0")
"""Names of an index column that a table program put before the report's own."""
FIRST: Final = "market_and_exchange_names"
DAY: Final = "report_date"
SCOPE: Final = "futonly_or_combined"
NAMED_AFTER: Final = {"FutOnly": "deacot", "Combined": "deahistfo"}
"""An export's word for its scope -> the beginning of the CFTC's file name; the legacy file itself has no such word."""
_AS_OF: Final = "as_of_date_in_form_yymmdd"
_MIDNIGHT: Final = r"[ T](?:0?0:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?|12:00(?::00)? AM)$"
_GROUPED: Final = r"^-?\d{1,3}(?:,\d{3})+$"
_LARGEST: Final = "open_interest_contracts"
"""Where no open interest has groups of thousands, no other number has."""
_MAY_BE_SUPPRESSED: Final = ("_change_1w", "percent", "traders_total", "contract_units", "long", "short", "spreading")
"""Endings of our columns that an export may lack: a suppressed value is a missing key in JSON, and so a missing column
where few rows were saved."""

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
    """(name for the file, its text) in the CFTC's own columns; another text comes back unchanged.

    Raises BoundsError: no readable JSON or CSV, or an export that lacks columns.
    """
    if text[:1] in (b"[", b"{"):
        return _of_export(_json_rows(text))
    first = text[:MAX_LINE_BYTES].decode("utf-8", "replace").splitlines()[:1]
    names = [normalise(name) for name in next(csv.reader(first), [])]
    if MARK in names:
        return _of_export(_csv_rows(text))
    if FIRST in names and names[0] in INDEX:
        return "", _csv_rows(text)[:, 1:].write_csv().encode()
    return "", text


def as_printed(report: pl.DataFrame, counts: Sequence[str]) -> pl.DataFrame:
    """The columns of a report with the cells that table programs change as the CFTC prints them.

    `counts` may have become decimals (123.0) or have groups of thousands (1,230), days may have become midnights. A
    code that lost its zeros is not made up for.
    """
    looks = report.select(pl.col(counts).str.ends_with(".0").any(), pl.col(DAY).str.len_bytes().max() > 10)
    changed = [name for name, found in zip(looks.columns, looks.row(0), strict=True) if found]
    plain = report.with_columns(
        pl.col(name).str.replace(_MIDNIGHT, "") if name == DAY else pl.col(name).str.strip_suffix(".0")
        for name in changed
    )
    if not plain[_LARGEST].str.contains(",", literal=True).any():
        return plain
    is_grouped = pl.col(counts).str.contains(_GROUPED)
    ungrouped = pl.col(counts).str.replace_all(",", "", literal=True)
    return plain.with_columns(pl.when(is_grouped).then(ungrouped).otherwise(pl.col(counts)))


def spellings(vendor: str) -> tuple[str, ...]:
    """Possible API names for a column of the files: shortened, misspelled, with or without its `_all`."""
    name = vendor
    for long, short in _SHORTER.items():
        name = name.replace(long, short)
    return (_TYPOS[name],) if name in _TYPOS else (name, name.removesuffix("_all"))


def _csv_rows(text: bytes) -> pl.DataFrame:
    try:
        return refuse_beyond(pl.read_csv(plain_text(text), infer_schema=False))
    except pl.exceptions.PolarsError as error:
        raise BoundsError(str(error).splitlines()[0]) from error


def _json_rows(text: bytes) -> pl.DataFrame:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BoundsError(f"no readable JSON: {error}") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BoundsError("JSON that is no list of rows")
    names = refuse_wide(list(dict.fromkeys(name for row in rows for name in row)))
    cells = [[None if row.get(name) is None else str(row[name]) for name in names] for row in rows]
    return refuse_beyond(pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row"))


def _of_export(frame: pl.DataFrame) -> tuple[str, bytes]:
    """The rows of an export under the CFTC's column names, without those that are not taken."""
    named = {normalise(name): name for name in frame.columns}
    found = {family: _columns(layout, named) for family, layout in LAYOUTS.items()}
    layout = max(LAYOUTS.values(), key=lambda each: len(found[each.family]))
    columns = found[layout.family]
    missing = [vendor for vendor in layout.taken if vendor not in columns and vendor != _AS_OF]
    if lost := [vendor for vendor in missing if not layout.taken[vendor].endswith(_MAY_BE_SUPPRESSED)]:
        raise BoundsError(f"an export that lacks {len(lost)} columns of {layout.family}, e.g. {', '.join(lost[:3])}")
    rows = frame.select(
        *(pl.col(column).alias(vendor) for vendor, column in columns.items()),
        *(pl.lit(None, pl.String).alias(vendor) for vendor in missing),
    )
    day = iso_days(rows[DAY].str.replace(_MIDNIGHT, ""))
    rows = rows.with_columns(day, day.str.replace_all("-", "").str.slice(2).alias(_AS_OF))
    scopes = set(frame[named[SCOPE]]) if SCOPE in named else set()
    is_named = SCOPE not in layout.columns and len(scopes) == 1
    return NAMED_AFTER.get(scopes.pop(), "") if is_named else "", rows.write_csv().encode()


def _columns(layout: Layout, named: dict[str, str]) -> dict[str, str]:
    """The files' name -> the column of an export, of what is taken from a report and is there."""
    there = {vendor: [name for name in spellings(vendor) if name in named] for vendor in layout.taken}
    return {vendor: named[names[0]] for vendor, names in there.items() if names}
