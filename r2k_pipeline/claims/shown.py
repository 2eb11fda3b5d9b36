"""Text that goes to terminals and spreadsheets: nothing in it may act there.

Belongs here: what text is refused, and how a message that quotes such text is made harmless. Not here: whose text it
is (note.py, verdicts.py), layout (report/).
"""


def why_not_shown(text: str, *, lines: bool = False) -> str | None:
    """Why a text must not be shown as it is, None where it may; `lines`: line breaks are part of it."""
    if not all(letter.isprintable() or (lines and letter == "\n") for letter in text):
        return "holds a control character"
    if text.startswith(("=", "+", "-", "@")):
        return f"begins with {text[0]!r}: a spreadsheet would compute it"
    return None


def printable(text: str) -> str:
    """A message that quotes what somebody wrote, in one line: what is not printable as Python escapes it."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
