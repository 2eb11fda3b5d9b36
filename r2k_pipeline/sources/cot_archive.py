"""Unpacks COT files: the one text of a zip, or the file itself, within bounds; and how a file is refused.

Belongs here: zips, encodings, what to do about a file that is not usable. Not here: layouts (cot_layouts.py), rows
(cot.py), how a file was fetched (files.py, cftc.py, sample.py).
"""

import io
import re
import struct
import zipfile
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.size_limits import MAX_BYTES

MAX_RATIO: Final = 100
"""Official zips compress about 5:1; a bomb is beyond 1,000:1."""
AGAIN: Final = "delete the file and download it again from the CFTC"
"""Only for bad downloads: a sound file of another kind would be the same after another download."""
UNKNOWN: Final = "where it is the CFTC's, download it again; where it is not, take it out of cot/"
LATER: Final = "run again later; where it stays so, the CFTC changed its files, and this needs a newer r2k"
UNPACK: Final = "unpack it, and put the CFTC's text file beside the others in cot/"
SPREADSHEET: Final = "take the text instead: fut_fin_txt_YYYY.zip where this is fut_fin_xls_YYYY.zip"
_DAMAGED_ZIP: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError)
"""Exceptions of the standard library for damaged zips."""


def refuse(document: CotDocument, rule: str, remedy: str = AGAIN) -> SourceError:
    """The error for a file that breaks `rule`; its remedy differs for a download, as there is no local file to fix."""
    return SourceError(document.origin, document.name, rule, LATER if document.is_live else remedy)


def unpack(document: CotDocument) -> tuple[str, bytes]:
    """(member name, text bytes) of a zip with one plain text member, or of a text file. Raises SourceError."""
    if not document.name.lower().endswith(".zip"):
        return document.name, document.content
    try:
        with zipfile.ZipFile(io.BytesIO(document.content)) as archive:
            return _the_one_text(document, archive)
    except _DAMAGED_ZIP as error:
        found = "an HTML page" if document.content.lstrip()[:1] == b"<" else f"{document.content[:8]!r}"
        raise refuse(document, f"not a sound zip ({error}); begins with {found}") from error


def _the_one_text(document: CotDocument, archive: zipfile.ZipFile) -> tuple[str, bytes]:
    members = archive.infolist()
    if len(members) != 1:
        raise refuse(document, f"one text member expected, found {[m.filename for m in members[:3]]}", UNPACK)
    (member,) = members
    if member.filename.lower().endswith((".xls", ".xlsx")):
        raise refuse(document, f"a spreadsheet ({member.filename})", SPREADSHEET)
    if not re.fullmatch(r"[\w.\-]+\.txt", member.filename, re.IGNORECASE):
        raise refuse(document, f"unexpected member {member.filename!r}", UNPACK)
    if member.flag_bits & 1:
        raise refuse(document, "the member is encrypted", UNPACK)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse(document, f"compression method {member.compress_type} is not the CFTC's", UNPACK)
    if member.file_size > min(MAX_BYTES, MAX_RATIO * max(member.compress_size, 1024)):
        raise refuse(document, f"member of {member.file_size:,} bytes is beyond the caps")
    return member.filename, archive.read(member)


def decode(document: CotDocument, body: bytes) -> bytes:
    """The text of a report in UTF-8 without a mark, from that, UTF-16 with a mark, or cp1252. Raises SourceError."""
    utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8", "cp1252"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError as error:
            problem = error
        else:
            utf8 = (body if encoding == "utf-8" else text.encode()).removeprefix(BOM_UTF8)
            if utf8.lstrip()[:1] == b"<":
                raise refuse(document, "an HTML page, not a report")
            return utf8
    raise refuse(document, f"not a text: {problem}")
