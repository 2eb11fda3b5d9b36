"""Text for terminals and spreadsheets: no escape codes, no formulas.

Belongs here: what text is refused, and how a message that quotes such text is made harmless. Not here: whose text it
is (note.py, verdicts.py), layout (report/).
"""


def why_not_shown(text: str, *, lines: bool = False) -> str | None:
    """Why a text must not be shown unchanged; None if it may. `lines`: line breaks are allowed."""
    if not all(letter.isprintable() or (lines and letter == "\n") for letter in text):
        return "contains a control character"
    if text.startswith(("=", "+", "-", "@")):
        return f"begins with {text[0]!r}: a spreadsheet would compute it"
    return None


def printable(text: str) -> str:
    """A message in one line, with characters that are not printable escaped as Python does."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
