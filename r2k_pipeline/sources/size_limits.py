"""How large a file may be, and the reason for each bound: a larger one is refused before it costs time or memory.

Belongs here: bounds of bytes, rows, lines, columns and cells that the price and the report reader share, and the walk
over raw bytes that holds them. Not here: what a layout must hold (prices.py, cot.py), bounds of a download (http.py).
"""

import csv
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from r2k_pipeline.files import refuse_special

MAX_BYTES: Final = 256 * 2**20
"""Of a file, or of a zip's member. The largest official one (legacy 1986-2016) is under 200 MiB; reading a text takes
about four times its size in memory."""
MAX_RATIO: Final = 100
"""Of unpacked to packed bytes. Official zips compress about 5:1; a bomb is beyond 1,000:1."""
MAX_ROWS: Final = 1_000_000
"""The largest official file has about 330,000; a century of sessions is 25,000."""
MAX_LINE_BYTES: Final = 64 * 2**10
"""The longest official line is the header of the disaggregated report, 6,000."""
MAX_COLUMNS: Final = 1_000
"""The widest official layout has 191."""
MAX_CELL_BYTES: Final = 1_000
"""The longest official cell is a header of 63, the longest name of a market about as long."""


_QUOTE: Final = ord('"')
_COMMA: Final = ord(",")
_BLANK: Final = ord(" ")
_TAB: Final = ord("\t")
_LF: Final = ord("\n")
_CR: Final = ord("\r")
_IS_BLANK, _OPENS, _CLOSES = (np.isin(np.arange(256), list(some)) for some in (b" \t", b", \t;\r\n\x1a", b", \t\x1a"))
"""By byte: whether it is a blank; whether a line that begins, or ends, with it may be empty or lose a blank."""
_BLOCK_BYTES: Final = 2**19
"""A part of a text that fits into a processor's cache."""


class BoundsError(ValueError):
    """A file beyond a bound, or with bytes that no text of rows has; the message names bound, place and size.

    `remedy` is what to do; None where that depends on where the file came from.
    """

    def __init__(self, rule: str, remedy: str | None = None) -> None:
        super().__init__(rule)
        self.remedy = remedy


def read_bounded(file: Path) -> bytes:
    """The bytes of a file. Raises BoundsError beyond MAX_BYTES, before more than that is read, and OSError."""
    refuse_special(file)
    with file.open("rb") as opened:
        body = opened.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise BoundsError(f"larger than {MAX_BYTES:,} bytes")
    return body


def plain_text(body: bytes) -> bytes:
    r"""The lines that hold anything of a CSV in UTF-8, ended by LF or CR LF; those of `body` may end with CR as well.

    A mark for the end of file is no line; a blank beside a quoted cell (`"A" ,1`) is not part of it. Raises
    BoundsError: a NUL, a quote that is not closed in its line, too many lines, a line that is too long.
    """
    if len(body) > MAX_BYTES:
        raise BoundsError(f"larger than {MAX_BYTES:,} bytes")
    return body if _is_plain(body) else b"\n".join(_lines_of(body))


def _lines_of(body: bytes) -> list[bytes]:
    if (at := body.find(b"\0")) >= 0:
        raise BoundsError(f"a NUL byte in line {len(body[: at + 1].splitlines())}")
    if (rows := body.count(b"\n") + body.count(b"\r")) > 2 * MAX_ROWS:
        raise BoundsError(f"about {rows:,} lines, more than {MAX_ROWS:,}")
    lines = body.rstrip(b"\x1a \t\r\n").splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_BYTES:
            raise BoundsError(f"line {number} has {len(line):,} bytes, more than {MAX_LINE_BYTES:,}")
        if line.count(b'"') % 2:
            raise BoundsError(f"a quote in line {number} is not closed")
    filled = [line for line in lines if line.strip(b", \t;")]
    return [_without_blanks(line) for line in filled] if _has_spaced_quotes(body) else filled


def refuse_open_end(body: bytes) -> None:
    """Raise BoundsError where the last line has no end: a file that broke off there reads well, with a number cut."""
    if body and body[-1:] not in b"\r\n\x1a":
        raise BoundsError("the last line has no end, so its last number may lack digits; where it is whole, end it")


def say_ragged(text: bytes, separator: str = ",", *, may_be_short: bool = False) -> str:
    """The next line that has more cells than the first one, or fewer, in words; empty if there is none."""
    rows = csv.reader(text.decode("utf-8", "replace").splitlines(), delimiter=separator)
    width = len(next(rows))
    least = 0 if may_be_short else width
    ragged = ((number, row) for number, row in enumerate(rows, 2) if not least <= len(row) <= width)
    return next((f"line {n} ({row[0][:40]}) has {len(row):,} cells, the first line {width:,}" for n, row in ragged), "")


def refuse_wide(names: list[str]) -> list[str]:
    """The names of a header. Raises BoundsError beyond MAX_COLUMNS."""
    if len(names) > MAX_COLUMNS:
        raise BoundsError(f"{len(names):,} columns, more than {MAX_COLUMNS:,}")
    return names


def refuse_beyond(text: pl.DataFrame) -> pl.DataFrame:
    """A frame of text. Raises BoundsError for too many rows or columns, or a cell longer than MAX_CELL_BYTES."""
    refuse_wide(text.columns)
    if text.height > MAX_ROWS:
        raise BoundsError(f"{text.height:,} rows, more than {MAX_ROWS:,}")
    lengths = (length for row in text.select(pl.all().str.len_bytes().max()).rows() for length in row)
    if (longest := max(filter(None, lengths), default=0)) > MAX_CELL_BYTES:
        raise BoundsError(f"a cell of {longest:,} bytes, more than {MAX_CELL_BYTES:,}")
    return text


def _has_spaced_quotes(body: bytes) -> bool:
    """Whether a blank follows a quote, or a comma and a blank precede one: examining every cell would be slow.

    By NumPy, which takes a tenth of the time of searching the bytes for each pair.
    """
    text = np.frombuffer(b",," + body + b",", np.uint8)  # so that each quote has neighbours
    quotes = np.flatnonzero(text == _QUOTE)
    after, before = text[quotes + 1], text[quotes - 1]
    follows, precedes = (after == _BLANK) | (after == _TAB), (before == _BLANK) & (text[quotes - 2] == _COMMA)
    return bool(follows.any() or precedes.any())


def _is_plain(body: bytes) -> bool:
    """Whether `_lines_of` would give the lines as they are: then the text is read without a copy of it.

    By NumPy over blocks of whole lines: a fifth of the CPU time of a loop over the lines, and no more memory. False
    does not mean that anything is wrong, only that each line has to be looked at.
    """
    last = body[-3:].rstrip(b"\r\n")
    if not last or _CLOSES[last[-1]] or b"\0" in body:
        return False
    start = rows = 0
    while start < len(body):
        is_last = len(body) - start <= _BLOCK_BYTES
        end = len(body) if is_last else body.rfind(b"\n", start, start + _BLOCK_BYTES) + 1
        is_one_long_line = end == 0
        count = 0 if is_one_long_line else _plain_rows(np.frombuffer(body, np.uint8, end - start, start))
        start, rows = end, rows + count
        if not count or rows > MAX_ROWS:
            return False
    return True


def _plain_rows(block: npt.NDArray[np.uint8]) -> int:
    """The number of lines in a block that begins with a line; 0 where `_lines_of` might refuse or change one."""
    feeds, quotes = np.flatnonzero(block == _LF), np.flatnonzero(block == _QUOTE)
    returns = np.count_nonzero(block == _CR)
    if returns and not returns == len(feeds) == np.count_nonzero(block[feeds - 1] == _CR):
        return 0  # some lines end with CR LF, others with LF or CR
    ends = feeds if block[-1] == _LF else np.append(feeds, len(block))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() > MAX_LINE_BYTES:
        return 0
    quotes_before_end = np.searchsorted(quotes, ends)
    if (quotes_before_end % 2).any():
        return 0  # a quote is not closed in its line
    opening, closing = quotes[::2], quotes[1::2]
    line_end = 1 + bool(returns)
    may_change = (
        _OPENS[block[starts]],
        _CLOSES[block[feeds - line_end]],
        _IS_BLANK[block[opening[opening > 0] - 1]],
        _IS_BLANK[block[closing[closing < len(block) - 1] + 1]],
    )
    return 0 if any(map(np.any, may_change)) else len(ends)


def _without_blanks(line: bytes) -> bytes:
    """Without blanks between a quote and a comma: split at quotes, every second piece is outside of them."""
    parts = line.split(b'"')
    parts[::2] = [part.strip(b" \t") for part in parts[::2]]
    return b'"'.join(parts)
