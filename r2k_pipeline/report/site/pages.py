"""The pages of the site: which there are, and each as HTML.

Belongs here: files and templates brought together. Not here: rows (market_tables.py, quality_tables.py), writing to
disk (publish.py), pictures (pictures.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import jinja2

from r2k_pipeline.report.note.compose import Note
from r2k_pipeline.report.site.narrative import BriefSection
from r2k_pipeline.report.site.pictures import Picture
from r2k_pipeline.report.site.provenance import Edition
from r2k_pipeline.report.site.tables import DataTable
from r2k_pipeline.shipped import shipped

TEMPLATES: Final = shipped("report/site/templates")
INDEX: Final = "index.html"


@dataclass(frozen=True)
class MarketPage:
    """One market: its note, its figure, if there is one, its brief and its tables."""

    market: str
    name: str
    session: str
    picture: Picture | None
    note: Note
    brief: tuple[BriefSection, ...]
    levels: DataTable
    positions: DataTable
    claims: DataTable

    @property
    def file(self) -> str:
        """Name of its page; a market id is letters, digits and underscores."""
        return f"{self.market}.html"


@dataclass(frozen=True)
class Content:
    """All that the pages show; `notes` say what is missing and why."""

    edition: Edition
    movers: DataTable
    overview: DataTable
    markets: tuple[MarketPage, ...]
    cross_market: Picture | None
    outcomes: DataTable
    outcomes_picture: Picture | None
    statements: DataTable
    claims: DataTable
    quality: tuple[DataTable, ...]
    dictionary: tuple[DataTable, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every figure of the site."""
        found = (self.cross_market, *(page.picture for page in self.markets), self.outcomes_picture)
        return tuple(picture for picture in found if picture is not None)


@dataclass(frozen=True)
class Link:
    """An entry of the navigation."""

    file: str
    text: str


@cache
def environment() -> jinja2.Environment:
    """The templates of pages: all text is escaped, and a missing value is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(content: Content) -> dict[str, bytes]:
    """Every page by its file name, UTF-8."""
    navigation = _navigation(content.markets)
    return {
        file: environment()
        .get_template(template)
        .render(content=content, edition=content.edition, navigation=navigation, file=file, **given)
        .encode()
        for file, template, given in _sheets(content)
    }


def _navigation(markets: Sequence[MarketPage]) -> tuple[Link, ...]:
    return (
        Link(INDEX, "Overview"),
        *(Link(page.file, page.market) for page in markets),
        Link("claims.html", "Claims"),
        Link("outcomes.html", "Outcomes"),
        Link("quality.html", "Data quality"),
        Link("dictionary.html", "Dictionary"),
    )


def _sheets(content: Content) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """File, template and the template's own variables."""
    yield INDEX, "index.html.jinja", {"title": "Overview", "pictures": _of(content.cross_market)}
    for page in content.markets:
        title = f"{page.market}, {page.name}"
        yield page.file, "market.html.jinja", {"title": title, "page": page, "pictures": _of(page.picture)}
    yield "claims.html", "claims.html.jinja", {"title": "Claims", "pictures": ()}
    yield "outcomes.html", "outcomes.html.jinja", {"title": "Outcomes", "pictures": _of(content.outcomes_picture)}
    yield "quality.html", "quality.html.jinja", {"title": "Data quality", "pictures": ()}
    yield "dictionary.html", "dictionary.html.jinja", {"title": "Dictionary", "pictures": ()}


def _of(picture: Picture | None) -> tuple[Picture, ...]:
    return () if picture is None else (picture,)
