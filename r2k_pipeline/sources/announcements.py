"""The CFTC's page of special announcements (shutdowns, corrections, late reports), kept as text.

Belongs here: the request, the page's text, what is new on it. Not here: what an announcement means for a release: a
person reads it and corrects the ledger (cot_releases.toml).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Final

from r2k_pipeline.sources.http import REMEDY, FetchError, Limits, fetch, redact
from r2k_pipeline.sources.kept_bodies import KeptBodies
from r2k_pipeline.sources.protocol import ANNOUNCEMENTS, Announcements, SourceError

_PATH: Final = "MarketReports/CommitmentsofTraders/HistoricalSpecialAnnouncements/index.htm"
_SECONDS: Final = 15.0
"""How long the page may take: a run does not need it."""
_TRUST: Final = timedelta(days=90)
_BLOCKS: Final = frozenset({"p", "li", "div", "br", "tr", "td", "h1", "h2", "h3", "h4", "section", "article"})
_NO_TEXT: Final = frozenset({"script", "style", "nav", "header", "footer", "noscript", "title"})
_FIRST_LINE: Final = "special announcements"


def fetch_announcements(kept: KeptBodies, base_url: str, now: Callable[[], datetime], limits: Limits) -> Announcements:
    """The page as it stands, which is kept. Raises SourceError where it cannot be had."""
    url = f"{base_url}/{_PATH}"
    before = kept.read(ANNOUNCEMENTS, url, now(), _TRUST)
    try:
        conditions = before[1].conditions() if before else {}
        answer = fetch(url, conditions, replace(limits, deadline_s=min(_SECONDS, limits.deadline_s)))
        if answer.status == 304 and before:
            return Announcements(redact(url), before[0].decode(), ())
        if answer.status != 200:
            raise FetchError(f"HTTP {answer.status}")
    except FetchError as error:
        raise SourceError("cftc", ANNOUNCEMENTS, f"{redact(url)}: {error}", REMEDY) from error
    text = text_of(answer.body.decode(errors="replace"))
    kept.write(ANNOUNCEMENTS, url, replace(answer, body=text.encode()), now())
    had = set(before[0].decode().splitlines()) if before else set()
    new = tuple(line for line in text.splitlines() if line not in had) if before else ()
    return Announcements(redact(url), text, new)


def read_announcements(kept: KeptBodies, base_url: str, now: datetime) -> tuple[str, datetime] | None:
    """The text that the last live run kept, and when that was; None where none was reached in 90 days."""
    found = kept.read(ANNOUNCEMENTS, f"{base_url}/{_PATH}", now, _TRUST)
    return found and (found[0].decode(), datetime.fromisoformat(found[1].fetched_at))


def text_of(page: str) -> str:
    """The announcements of a page: a line a block of text, from the heading on; the whole text where it has none."""
    reader = _Blocks()
    reader.feed(page)
    reader.close()
    lines = [line for line in reader.lines() if line]
    start = next((n for n, line in enumerate(lines) if line.lower().endswith(_FIRST_LINE)), -1)
    return "\n".join(lines[start + 1 :])


class _Blocks(HTMLParser):
    """The text of a page, block by block."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._silent += tag in _NO_TEXT
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _NO_TEXT and self._silent > 0
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(data.replace("\n", " "))

    def lines(self) -> Iterator[str]:
        """Each block on one line, single blanks between its words."""
        return (re.sub(r"\s+", " ", line).strip() for line in "".join(self._parts).split("\n"))

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._parts.append("\n")
