"""Wrappers of a file with a table: a zip of one member, a gzip, an Excel or Parquet file, within bounds.

Belongs here: unwrapping to the text of the table, and the remedy for a wrapper that is not read. Not here: sheets
themselves (sheets.py), the bounds (size_limits.py), encodings and rows of the text.
"""

import io
import re
import zipfile
import zlib
from typing import Final

from r2k_pipeline.sources.sheets import DAMAGED, ZIP, sheet_text
from r2k_pipeline.sources.size_limits import MAX_BYTES, MAX_RATIO, BoundsError

TABLES: Final = (".txt", ".csv", ".tsv", ".xls", ".xlsx", ".parquet", ".json")
WRAPPERS: Final = (".gz", ".zip")
READ: Final = (*TABLES, *WRAPPERS)
"""Endings of files that are read; the kind of a file is found by its content."""
GZIP: Final = b"\x1f\x8b"
UNPACK: Final = "unpack it, and put the table in it beside the others"


class UnwrapError(BoundsError):
    """A wrapper that is not read. `remedy` is None where the file is damaged: then it depends on where it came from."""


def unwrap(name: str, body: bytes) -> tuple[str, bytes]:
    """(name of the table, its text) of a file called `name`; a text is returned as it is.

    Raises UnwrapError and BoundsError.
    """
    if (sheet := sheet_text(body)) is not None:
        return name, sheet
    if body.startswith(ZIP) or name.lower().endswith(".zip"):
        name, body = _unzip(body)
    elif body.startswith(GZIP) or name.lower().endswith(".gz"):
        name, body = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE), _gunzip(body)
    sheet = sheet_text(body)
    return name, body if sheet is None else sheet


def _gunzip(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    most = min(MAX_BYTES, MAX_RATIO * max(len(body), 1024))
    try:
        text = unpacker.decompress(body, most)
    except zlib.error as error:
        raise UnwrapError(f"not a sound gzip ({error})") from error
    if not unpacker.eof:
        beyond = len(text) == most
        raise UnwrapError(f"beyond {most:,} bytes when unpacked" if beyond else "a gzip that is cut")
    if unpacker.unused_data.strip(b"\0"):
        raise UnwrapError("a gzip of several parts", UNPACK)
    return text


def _unzip(body: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _the_one_table(archive)
    except UnwrapError:
        raise
    except DAMAGED as error:
        found = "an HTML page" if body.lstrip()[:1] == b"<" else f"{body[:8]!r}"
        raise UnwrapError(f"not a sound zip ({error}); begins with {found}") from error


def _the_one_table(archive: zipfile.ZipFile) -> tuple[str, bytes]:
    members = archive.infolist()
    if len(members) != 1:
        raise UnwrapError(f"one text member expected, found {[m.filename for m in members[:3]]}", UNPACK)
    (member,) = members
    if not re.fullmatch(rf"[^/\\]+({'|'.join(map(re.escape, TABLES))})", member.filename, re.IGNORECASE):
        raise UnwrapError(f"unexpected member {member.filename!r}", UNPACK)
    if member.flag_bits & 1:
        raise UnwrapError("the member is encrypted", UNPACK)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnwrapError(f"compression method {member.compress_type} is not read", UNPACK)
    if member.file_size > min(MAX_BYTES, MAX_RATIO * max(member.compress_size, 1024)):
        raise UnwrapError(f"member of {member.file_size:,} bytes is beyond the caps")
    return member.filename, archive.read(member)
