"""Text for terminals and spreadsheets: no escape codes, no formulas.

Belongs here: what text is refused, how a formula and a message that quotes such text are made harmless. Not here: whose
text it is (note.py, verdicts.py, cli.py), layout (report/).
"""

from typing import Final

FORMULA: Final = ("=", "+", "-", "@")
"""First characters of a text that a spreadsheet computes."""


def why_not_shown(text: str, *, lines: bool = False, formulas: bool = False) -> str | None:
    """Why a text must not be shown unchanged; None if it may. `lines`: line breaks are allowed; `formulas`: these too,
    because `no_formula` makes them harmless where they are shown."""
    if not all(letter.isprintable() or (lines and letter == "\n") for letter in text):
        return "contains a control character"
    if text.startswith(FORMULA) and not formulas:
        return f"begins with {text[0]!r}: a spreadsheet would compute it"
    return None


def no_formula(text: str) -> str:
    """A text that a spreadsheet shows and does not compute: an apostrophe stands before what would be a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def printable(text: str) -> str:
    """A message in one line, with characters that are not printable escaped as Python does."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
