"""Reads the pages of a written site, as tests look at them.

Belongs here: ids, links, headers, headings and text of a page. Not here: what is expected of them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote

RESOURCES: Final = {"script": "src", "img": "src", "link": "href", "a": "href"}


class _Reader(HTMLParser):
    def __init__(self, page: "SitePage") -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.in_header = self.in_data = False
        self.skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        page = self.page
        page.tags.append((tag, given))
        if "id" in given:
            page.ids.append(given["id"])
        if tag in RESOURCES and RESOURCES[tag] in given:
            page.links.append(given[RESOURCES[tag]])
        if tag in {"h1", "h2", "h3", "h4"}:
            page.headings.append(int(tag[1]))
        if tag == "table":
            self.in_data = given.get("class") == "data"
        if tag == "th" and given.get("scope") == "col" and self.in_data:
            self.in_header = True
            page.headers.append("")
        if tag == "a" and self.in_header:
            page.headers[-1] = given["href"]
        self.skipped = tag if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self.in_header = self.in_header and tag != "th"

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.page.texts.append(data)


@dataclass
class SitePage:
    """One page: `headers` are the dictionary links of headers of data tables, "" for a header that has none."""

    file: Path
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @cached_property
    def text(self) -> str:
        """All that it says, blanks collapsed."""
        return " ".join(" ".join(self.texts).split())


@dataclass(frozen=True)
class Site:
    """A folder of pages."""

    folder: Path

    @cached_property
    def pages(self) -> dict[str, SitePage]:
        """Every page by file name."""
        found = {}
        for file in sorted(self.folder.glob("*.html")):
            found[file.name] = SitePage(file)
            _Reader(found[file.name]).feed(file.read_text("utf-8"))
        return found

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def broken_links(self) -> list[str]:
        """Links and resources that lead nowhere, or off the site."""
        return [
            f"{name}: {link}" for name, page in self.pages.items() for link in page.links if not self._leads(name, link)
        ]

    def _leads(self, name: str, link: str) -> bool:
        path, _, anchor = link.partition("#")
        target = unquote(path) or name
        if ":" in path or path.startswith("/") or not (self.folder / target).is_file():
            return False
        return not anchor or unquote(anchor) in self.pages[target].ids
