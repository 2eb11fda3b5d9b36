"""Parses COT files: the yearly and historical reports and the headerless current week, by content.

Belongs here: layout recognition, the order of dates, text to typed rows. Not here: unpacking (cot_archive.py), what
other programs save (cot_exports.py), column lists (cot_layouts.py), how a file was fetched (files.py, cftc.py).
"""

import csv
import re
from collections import Counter
from datetime import date, datetime
from functools import cache
from typing import Final

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.errors import first_names
from r2k_pipeline.sources.cot_archive import AGAIN, UNKNOWN, decode, refuse, unpack
from r2k_pipeline.sources.cot_exports import as_cftc, as_printed
from r2k_pipeline.sources.cot_layouts import LAYOUTS, Layout, Other, layout_of, normalise
from r2k_pipeline.sources.protocol import CotDocument
from r2k_pipeline.sources.screening import FAULT, Screened, screen
from r2k_pipeline.sources.size_limits import (
    MAX_LINE_BYTES,
    BoundsError,
    plain_text,
    refuse_beyond,
    refuse_open_end,
    refuse_wide,
    say_ragged,
)

_LEGACY_COMBINED: Final = re.compile(r"deahistfo|deacom|annualof|com\d\d_\d\d", re.IGNORECASE)
_LEGACY_FUTURES: Final = re.compile(r"deacot|deafut|annual(?!of|ci)|fut\d\d_\d\d", re.IGNORECASE)
"""How the CFTC names its legacy files: only the name shows whether options are counted."""
_RENAME: Final = (
    "rename it to deacot{year}.txt where it is of futures only, to deahistfo{year}.txt where options are in it"
)
_DAY: Final = r"^\d{4}-\d{1,2}-\d{1,2}$"
_NUMBER: Final = r"^\d{1,5}$|^\d+\.0$"
"""A code that a table program took for a number."""
_SLASHED: Final = r"^\d{1,2}/\d{1,2}/\d{4}$"
_ORDERS: Final = ("%m/%d/%Y", "%d/%m/%Y")
_ISO: Final = "save the dates as YYYY-MM-DD, or take the CFTC's own file"
_COMMAS: Final = "save it with commas between the cells, or take the CFTC's own file"
CONTRADICTED: Final = "report_date is contradicted by the second date column"
WITHOUT_ZEROS: Final = "contract_code lost its leading zeros"
_HAS_COME: Final = {"in_the_future": pl.col("report_date") <= pl.col("recorded_at").dt.date()}


def screen_reports(reports: list[pl.DataFrame]) -> Screened:
    """CotReports of some files as read by `read_report`; where two files differ, the more recent one counts.

    That is the one with the later newest report, then the one with more rows, then the first.
    """
    ordered = sorted(reports, key=_reach, reverse=True)
    return screen(CotReports, pl.concat(ordered) if ordered else CotReports.create_empty(), _HAS_COME)


def _reach(report: pl.DataFrame) -> tuple[date, int]:
    days = report.filter(pl.col(FAULT).is_null())["report_date"]
    newest: date | None = days.str.to_date("%Y-%m-%d", strict=False).max()  # type: ignore[assignment]
    return newest or date.min, report.height


def read_report(document: CotDocument, recorded_at: datetime) -> pl.DataFrame:
    """The rows of one file in the columns of CotReports and FAULT, all values still text.

    Raises SourceError where the file is not what its name claims or a column is missing or unknown.
    """
    member, body = unpack(document)
    hint, body = _as_cftc(document, decode(document, body))
    text, layout = _read_text(document, body)
    text = _with_iso_days(document, as_printed(text, [name for name in text.columns if _is_count(name)]))
    scope = _report_type(document, layout, text, f"{document.name} {member} {hint}".rstrip())
    return text.select(
        *_cells(layout.family),
        scope.alias("report_type"),
        pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
        pl.lit(document.origin).alias("source"),
    ).select(*CotReports.column_names(), FAULT)


@cache
def _cells(family: str) -> list[pl.Expr]:
    """The columns of CotReports and FAULT that do not depend on the file; those that a family has not are null."""
    there = {*CotReports.column_names()} & {*LAYOUTS[family].taken.values()}
    own = {"report_type", "recorded_at", "source", "is_withdrawn", *there}
    day, code = _cell("report_date"), _cell("contract_code")
    agrees = day.str.replace_all("-", "", literal=True).str.slice(2) == _yymmdd()
    is_contradicted = day.str.contains(_DAY) & ~agrees.fill_null(False)
    return [
        _cell(*there),
        *(pl.lit(None, pl.String).alias(name) for name in CotReports.column_names() if name not in own),
        pl.lit(False).alias("is_withdrawn"),
        pl.when(is_contradicted)
        .then(pl.lit(CONTRADICTED))
        .when(code.str.contains(_NUMBER))
        .then(pl.lit(WITHOUT_ZEROS))
        .alias(FAULT),
    ]


def _as_cftc(document: CotDocument, body: bytes) -> tuple[str, bytes]:
    try:
        return as_cftc(body)
    except BoundsError as error:
        raise refuse(document, f"not readable as a report: {error}", UNKNOWN) from error


def _read_text(document: CotDocument, body: bytes) -> tuple[pl.DataFrame, Layout]:
    """The kept columns of a report under our names, text without padding, and the layout they were in."""
    try:
        written = plain_text(body)
        first = next(iter(written[: MAX_LINE_BYTES + 1].splitlines()), b"").decode()
        names = refuse_wide([normalise(name) for name in next(csv.reader([first]), [])])
        layout, has_header = _layout(document, names, first)
        if has_header:
            _check_header(document, names, layout)
        else:
            names = list(layout.columns)
        if _is_number(layout.columns[names[-1]]):  # in the CFTC's own order the last one is a word
            refuse_open_end(body)
        # The last one too, for it shows whether a row was cut.
        wanted = [name for name in names if name in layout.taken or name == names[-1]]
        rows = pl.scan_csv(written, has_header=False, skip_lines=has_header, new_columns=names, infer_schema=False)
        frame = refuse_beyond(rows.select(wanted).collect())
    except pl.exceptions.NoDataError as error:
        raise refuse(document, "a header without rows") from error
    except (BoundsError, csv.Error) as error:
        raise refuse(document, f"not readable as a report: {error}") from error
    except pl.exceptions.PolarsError as error:
        # Of Polars's message only the first line: the rest is advice for programmers.
        rule, remedy = (ragged, UNKNOWN) if (ragged := say_ragged(written)) else (str(error).splitlines()[0], AGAIN)
        raise refuse(document, f"not readable as a report: {rule}", remedy) from error
    if cut := frame[names[-1]].null_count():
        raise refuse(document, f"cut short: {cut} rows have fewer than {len(names)} cells")
    kept = frame.select(pl.col(*layout.taken).str.strip_chars()).rename(layout.taken)
    return kept, layout


def _layout(document: CotDocument, names: list[str], first: str) -> tuple[Layout, bool]:
    """The layout of a file, and whether its first line is a header. Raises SourceError with the remedy that fits."""
    found = layout_of(names)
    if not isinstance(found, Other):
        return found
    separator = next((sign for sign in (";", "\t") if first.count(sign) > first.count(",")), None)
    if separator:
        raise refuse(document, f"cells are separated by {separator!r}, not by commas", _COMMAS)
    raise refuse(document, found.what, found.remedy or UNKNOWN)


def _check_header(document: CotDocument, names: list[str], layout: Layout) -> None:
    unknown = [name for name in names if name not in layout.columns]
    missing = [name for name in layout.taken if name not in names]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if unknown or missing or repeated:
        found = {"missing": missing, "unknown": [name or "(no name)" for name in unknown], "twice": repeated}
        differences = "; ".join(f"{what} {first_names(columns)}" for what, columns in found.items() if columns)
        raise refuse(document, f"columns of the {layout.family} layout: {differences}", UNKNOWN)


def _is_number(name: str) -> bool:
    return _is_count(name) or name.endswith("percent")


def _is_count(name: str) -> bool:
    return name.endswith(("contracts", "_1w", "total")) or "_traders_" in name


def _with_iso_days(document: CotDocument, text: pl.DataFrame) -> pl.DataFrame:
    """Report dates as YYYY-MM-DD, also where a spreadsheet wrote them with slashes.

    The order of month and day is decided for the whole file: every date must be a day in it, and more of them must
    equal the second date column than in the other order. Raises SourceError if neither order fits.
    """
    days = text.select(day=_cell("report_date"))["day"]
    if not all(some.str.contains(_SLASHED).all() for some in (days.head(1), days)):  # the first tells of most files
        return text
    written = text.select(day=_cell("report_date"), as_of=_yymmdd())
    readings = [written["day"].str.to_date(order, strict=False) for order in _ORDERS]
    whole = [days for days in readings if days.null_count() == written["day"].null_count()]
    agreeing = [(days.dt.strftime("%y%m%d") == written["as_of"]).sum() for days in whole]
    best = [days for days, count in zip(whole, agreeing, strict=True) if count == max(agreeing)]
    if not best or not best[0].equals(best[-1]):
        example = written["day"].drop_nulls()[0]
        raise refuse(document, f"the file does not decide which of month and day comes first in {example}", _ISO)
    return text.with_columns(report_date=best[0].dt.strftime("%Y-%m-%d"))


def _report_type(document: CotDocument, layout: Layout, text: pl.DataFrame, names: str) -> pl.Expr:
    if layout is LAYOUTS["legacy"]:
        is_combined, is_futures = (pattern.search(names) is not None for pattern in (_LEGACY_COMBINED, _LEGACY_FUTURES))
        if is_combined == is_futures:
            rule = f"a legacy report, and neither its content nor the names {names} say whether options are in it"
            year = str(text["report_date"].max())[:4]
            raise refuse(document, rule, _RENAME.format(year=year))
        return pl.lit("legacy_combined" if is_combined else "legacy_futures")
    kinds = {"FutOnly": f"{layout.family}_futures", "Combined": f"{layout.family}_combined"}
    return _cell("scope").replace_strict(kinds, default=_cell("scope"), return_dtype=pl.String)


def _yymmdd() -> pl.Expr:
    """The second date column; a spreadsheet drops the zero of 2000 to 2009."""
    return _cell("as_of_yymmdd").str.zfill(6)


def _cell(*names: str) -> pl.Expr:
    """A vendor's cells under the same names; blank and `.` (suppressed) are null."""
    cells = pl.col(names)
    return pl.when(~cells.is_in(["", "."])).then(cells)
