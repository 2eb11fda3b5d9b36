"""Parses COT files: the yearly and historical zips, their texts, and the headerless current week.

Belongs here: unpacking with caps, layout recognition, text to typed rows. Not here: the column lists
(cot_layouts.py), how a file was fetched (files.py, cftc.py, sample.py).
"""

import csv
import io
import re
import struct
import zipfile
import zlib
from datetime import datetime
from typing import Final

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.sources.cot_layouts import ALIASES, LEGACY, TFF, Layout, normalise
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.screening import Screened, screen

MAX_TEXT_BYTES: Final = 512 * 2**20
"""The largest official member (legacy 1986-2016) is under 200 MiB."""
MAX_RATIO: Final = 100
"""Official zips compress about 5:1; a bomb is beyond 1,000:1."""
_LEGACY_COMBINED: Final = re.compile(r"deahistfo|deacom|annualof|com\d\d_\d\d", re.IGNORECASE)
_LEGACY_FUTURES: Final = re.compile(r"deacot|deafut|annual\.|fut\d\d_\d\d", re.IGNORECASE)
"""How the CFTC names its legacy files: nothing in them says whether options are counted."""
_DAMAGED_ZIP: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError)
"""What the standard library raises for one flipped byte or another."""
_DOWNLOAD: Final = "delete the file and download it again from the CFTC"


def screen_reports(reports: list[pl.DataFrame]) -> Screened:
    """CotReports of some files as read by `read_report`, in order of precedence."""
    return screen(CotReports, pl.concat(reports)) if reports else screen(CotReports, CotReports.create_empty())


def read_report(document: CotDocument, recorded_at: datetime) -> pl.DataFrame:
    """The rows of one file in the columns of CotReports, all values still text.

    Raises SourceError where the file is not what its name claims or a column is missing or unknown.
    """
    member, body = _unpack(document)
    text, layout = _read_text(document, body)
    scope = _report_type(document, layout, document.name + " " + member)
    written = text.select(
        scope.alias("report_type"),
        *(_cell(name) for name in ("contract_code", "report_date", "market_name", "contract_units")),
        *(_cell(name) for name in layout.taken.values() if name.endswith(("contracts", "_1w", "percent", "total"))),
        *(_cell(name) for name in layout.taken.values() if "_traders_" in name),
        pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")).alias("recorded_at"),
        pl.lit(document.origin).alias("source"),
        pl.lit(False).alias("is_withdrawn"),
    )
    absent = [name for name in CotReports.column_names() if name not in written.columns]
    dated = text.select(agrees=_cell("report_date").str.replace_all("-", "").str.slice(2) == _cell("as_of_yymmdd"))
    return written.with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in absent),
        # A report date that the file's second date column contradicts is no date.
        report_date=pl.when(dated["agrees"]).then("report_date").otherwise(pl.col("report_date") + " contradicted"),
    ).select(CotReports.column_names())


def _unpack(document: CotDocument) -> tuple[str, bytes]:
    """(member name, text bytes) of a zip with one plain text member, or of a text file."""
    if not document.name.lower().endswith(".zip"):
        return document.name, document.content
    try:
        with zipfile.ZipFile(io.BytesIO(document.content)) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise _refuse(document, f"one text member expected, found {[m.filename for m in members]}")
            (member,) = members
            if not re.fullmatch(r"[\w.\-]+\.txt", member.filename, re.IGNORECASE):
                raise _refuse(document, f"unexpected member {member.filename!r}")
            if member.flag_bits & 1:
                raise _refuse(document, "the member is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _refuse(document, f"compression method {member.compress_type} is not the CFTC's")
            if member.file_size > min(MAX_TEXT_BYTES, MAX_RATIO * max(member.compress_size, 1024)):
                raise _refuse(document, f"member of {member.file_size:,} bytes is beyond the caps")
            return member.filename, archive.read(member)
    except _DAMAGED_ZIP as error:
        found = "an HTML page" if document.content.lstrip()[:1] == b"<" else f"{document.content[:8]!r}"
        raise _refuse(document, f"not a sound zip ({error}); begins with {found}") from error


def _read_text(document: CotDocument, body: bytes) -> tuple[pl.DataFrame, Layout]:
    """The kept columns of a report under our names, all text, and the layout they were in."""
    decoded = _decode(document, body)
    first = decoded.partition("\n")[0]
    has_header = "market" in first[:40].lower() and "exchange" in first[:60].lower() and "yymmdd" in first.lower()
    try:
        names = [normalise(name) for name in next(csv.reader([first]))]
    except csv.Error as error:
        raise _refuse(document, f"not readable as a report: {error}") from error
    if has_header:
        names = [ALIASES.get(name, name) for name in names]
        layout = TFF if "futonly_or_combined" in names else LEGACY
        _check_header(document, names, layout)
    else:
        layout = _layout_of_width(document, len(names))
        names = list(layout.columns)
    try:
        frame = pl.read_csv(
            decoded.encode(), has_header=False, skip_rows=int(has_header), new_columns=names, infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        raise _refuse(document, f"not readable as a report: {error}") from error
    if cut := frame[names[-1]].null_count():
        raise _refuse(document, f"cut short: {cut} rows have fewer than {len(names)} cells")
    return frame.select(pl.col(vendor).alias(ours) for vendor, ours in layout.taken.items()), layout


def _decode(document: CotDocument, body: bytes) -> str:
    """The text of a report: UTF-8 with or without a mark, or cp1252."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = body.decode("cp1252")
        except UnicodeDecodeError as error:
            raise _refuse(document, f"not a text: {error}") from error
    if text.lstrip()[:1] == "<":
        raise _refuse(document, "an HTML page, not a report")
    return text


def _check_header(document: CotDocument, names: list[str], layout: Layout) -> None:
    unknown = [name for name in names if name not in layout.columns]
    missing = [name for name in layout.taken if name not in names]
    repeated = [name for name in set(names) if names.count(name) > 1]
    if unknown or missing or repeated:
        raise _refuse(
            document, f"columns of the {layout.family} layout: missing {missing}, unknown {unknown}, twice {repeated}"
        )


def _layout_of_width(document: CotDocument, width: int) -> Layout:
    for layout in (TFF, LEGACY):
        if len(layout.columns) == width:
            return layout
    raise _refuse(document, f"no header, and {width} columns fit neither layout (TFF 87, legacy 129)")


def _report_type(document: CotDocument, layout: Layout, names: str) -> pl.Expr:
    if layout is LEGACY:
        is_combined, is_futures = (pattern.search(names) is not None for pattern in (_LEGACY_COMBINED, _LEGACY_FUTURES))
        if is_combined == is_futures:
            which = "of futures (deacot, deafut, annual.txt) or with options (deahistfo, deacom, annualof.txt)"
            raise _refuse(document, f"a legacy report, and the names {names} do not say whether {which}")
        return pl.lit("legacy_combined" if is_combined else "legacy_futures")
    kinds = {"FutOnly": "tff_futures", "Combined": "tff_combined"}
    return _cell("scope").replace_strict(kinds, default=_cell("scope"), return_dtype=pl.String)


def _cell(name: str) -> pl.Expr:
    """A vendor's cell without its padding; blank and `.` (suppressed) are null."""
    cell = pl.col(name).str.strip_chars()
    return pl.when(cell.is_in(["", "."])).then(None).otherwise(cell).alias(name)


def _refuse(document: CotDocument, rule: str) -> SourceError:
    return SourceError(document.origin, document.name, rule, _DOWNLOAD)
