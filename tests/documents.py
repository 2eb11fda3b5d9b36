"""Code in the documents: every block and every query of README, CHANGELOG and docs/, and in which language it is.

Belongs here: finding it. Not here: what is done with it (test_docs.py, test_documented_commands.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
CONTRIBUTING: Final = PROJECT / "CONTRIBUTING.md"
"""Its blocks change the program: test_contributing.py applies them."""
PAGES: Final = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]

LANGUAGES: Final = {
    "picture": re.compile(r"[│─▶▼└├]"),
    "toml": re.compile(r"\A(\[|\w+ = )"),
    "sql": re.compile(r"\A(select|from|with|attach|install|load|values|describe|summarize|--)\b", re.IGNORECASE),
    "python": re.compile(r"\A(import |from \w[\w.]* import )"),
    "cron": re.compile(r"\A[\d*]+ [\d*]+ [\d*]+ [\d*]+ [\d*-]+ "),
}
"""How a block without a fence begins in languages that are no shell; a picture has its signs anywhere."""


@dataclass(frozen=True)
class Block:
    """A block of code: the page, the line of its first line, its language and text without indentation."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def read_blocks() -> list[Block]:
    """Every block of code of every page, in order."""
    return [block for page in PAGES for block in _blocks(page)]


def read_queries() -> list[Block]:
    """Every SQL block, and every `select ...` within a sentence."""
    found = [block for block in read_blocks() if block.language == "sql"]
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(r"`(select\s[^`]+)`", text):
            found.append(Block(page, _line(text, match.start()), "sql", match[1]))
    return found


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    fenced = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for match in fenced.finditer(text):
        yield Block(page, _line(text, match.start(2)), match[1] or _language(match[2]), match[2])
    bare = fenced.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in re.finditer(r"(?:\A|(?<=\n\n))(?:    .*\n(?:\n(?=    ))?)+", bare):
        code = re.sub("^    ", "", match[0], flags=re.MULTILINE)
        yield Block(page, _line(bare, match.start()), _language(code), code)


def _language(code: str) -> str:
    if LANGUAGES["picture"].search(code):
        return "picture"
    return next((name for name, begins in LANGUAGES.items() if name != "picture" and begins.search(code)), "shell")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
