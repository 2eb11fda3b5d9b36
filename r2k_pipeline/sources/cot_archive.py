"""COT files as text in UTF-8, out of whatever they are wrapped in; and how a file is refused.

Belongs here: encodings, what to do about a file that is not usable. Not here: wrappers themselves (containers.py),
layouts (cot_layouts.py), rows (cot.py), how a file was fetched (files.py, cftc.py, sample.py).
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

from r2k_pipeline.sources.containers import UnwrapError, unwrap
from r2k_pipeline.sources.protocol import CotDocument, SourceError
from r2k_pipeline.sources.size_limits import BoundsError

AGAIN: Final = "delete the file and download it again from the CFTC"
"""Only for bad downloads: a sound file of another kind would be the same after another download."""
UNKNOWN: Final = "where it is the CFTC's, download it again; where it is not, take it out of cot/"
LATER: Final = "run again later; where it stays so, the CFTC changed its files, and this needs a newer r2k"
SAVE: Final = "save it as CSV, or take the CFTC's text: fut_fin_txt_YYYY.zip where this is fut_fin_xls_YYYY.zip"


def refuse(document: CotDocument, rule: str, remedy: str = AGAIN) -> SourceError:
    """The error for a file that breaks `rule`; its remedy differs for a download, as there is no local file to fix."""
    return SourceError(document.origin, document.name, rule, LATER if document.is_live else remedy)


def unpack(document: CotDocument) -> tuple[str, bytes]:
    """(member name, text bytes) of a zip, gzip or sheet of one report, or of a text file. Raises SourceError."""
    try:
        return unwrap(document.name, document.content)
    except UnwrapError as error:
        raise refuse(document, str(error), error.remedy or AGAIN) from error
    except BoundsError as error:
        raise refuse(document, str(error), SAVE) from error


def decode(document: CotDocument, body: bytes) -> bytes:
    """The text of a report in UTF-8 without a mark, from that, UTF-16 with a mark, or cp1252. Raises SourceError."""
    utf16 = body.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("ascii",) if body.isascii() else ("utf-8", "cp1252"):
        try:
            utf8 = body if encoding == "ascii" else body.decode(encoding).encode().removeprefix(BOM_UTF8)
        except UnicodeDecodeError as error:
            problem = error
        else:
            if utf8.lstrip()[:1] == b"<":
                raise refuse(document, "an HTML page, not a report")
            return utf8
    raise refuse(document, f"not a text: {problem}")
