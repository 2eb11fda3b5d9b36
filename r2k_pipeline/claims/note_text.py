"""The text of a note: TOML with numbers as they are printed, and the line on which each claim and word stands.

Belongs here: reading the file, numbers too long to read, lines. Not here: what the keys mean (note.py, statements.py).
"""

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from r2k_pipeline.errors import MistakesError

LARGEST_BYTES: Final = 1_000_000
NEXT: Final = "next: columns are in docs/tables.md, keys and words in docs/claims.md"
_LONG_NUMBER: Final = re.compile(r"(?<=[=\[,])(\s*[+-]?)(\d[\d_]{400,})(?![\w.])")
"""An integer that Python refuses to read because of its length: the rest of the note must be read all the same."""

_NO_SECONDS: Final = re.compile(r"[=\[,]\s*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(?![:\d])")


@dataclass(frozen=True)
class NoteText:
    """The lines of a file, and its content as TOML has it; numbers with a point are Decimals."""

    file: Path
    lines: tuple[str, ...]
    content: Mapping[str, Any]

    def where(self, claim: str, place: int = 0, word: str = "") -> str:
        """`file:line` of a word in the claim with this id, or in the claim at this place among [[claims]]."""
        start = self.line_of(claim, place)
        found = (n for n in range(start, len(self.lines) + 1) if _is_in(word, self.lines[n - 1]))
        return f"{self.file}:{next(found, start) if word else start}"

    def line_of(self, claim: str, place: int = 0) -> int:
        """The line on which a claim begins, from 1: that at its place among [[claims]], or with its id."""
        starts = [number for number, line in enumerate(self.lines, 1) if line.strip().startswith("[[claims]]")]
        if 0 < place <= len(starts):
            return starts[place - 1]
        name = re.escape(claim)
        begins = re.compile(
            rf"""^\s*"?{name}"?\s*[=.]|^\s*\[+\s*claims\s*\.\s*"?{name}"?\s*[\].]|\bid\s*=\s*["']{name}["']"""
        )
        return next((number for number, line in enumerate(self.lines, 1) if begins.search(line)), 1)


def read_text(file: Path) -> NoteText:
    """The text of a note. Raises MistakesError if it is not TOML."""
    try:
        with file.open("rb") as stream:
            body = stream.read(LARGEST_BYTES + 1)
        if len(body) > LARGEST_BYTES:
            raise MistakesError(f"{file}: larger than {LARGEST_BYTES:,} bytes: not a note")
        text = body.decode("utf-8")
        content = tomllib.loads(_LONG_NUMBER.sub(_too_long, text), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MistakesError(_without_seconds(file, body) or f"{file}: not TOML: {error}; {NEXT}") from error
    except OSError as error:
        new = f"next: give an existing file, or write one with r2k check-note --new {shlex.quote(str(file))}"
        raise MistakesError(f"{file}: cannot be read: {error.strerror}; {new}") from error
    return NoteText(file, tuple(text.splitlines()), content)


def _without_seconds(file: Path, body: bytes) -> str | None:
    """The mistake of an instant without seconds, which the command line takes and TOML does not, if there is one."""
    for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), 1):
        if found := _NO_SECONDS.search(line):
            return f"{file}:{number}: {found[1]} has no seconds; next: give {found[1]}:00"
    return None


def with_floats(value: Any) -> Any:
    """The same content with floats instead of Decimals, for keys without a printed precision."""
    match value:
        case dict():
            return {name: with_floats(inner) for name, inner in value.items()}
        case list():
            return [with_floats(inner) for inner in value]
        case Decimal():
            return float(value)
    return value


def _too_long(found: "re.Match[str]") -> str:
    """A text instead of a number that is too long; reading the claim then refuses its type."""
    digits = len(found[2].replace("_", ""))
    return f'{found[1].rstrip("+-")}"a number of {digits:,} digits"'


def _is_in(word: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line) is not None
