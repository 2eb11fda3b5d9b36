"""Publishes the site: everything is read from one generation, drawn, rendered, and then swapped in.

Belongs here: the order of the work and its summary. Not here: what pages show (pages.py), putting the
folder in place (replace_folder.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r2k_pipeline.lake import Lake
from r2k_pipeline.report.brief import Page, read_brief
from r2k_pipeline.report.charts.figures import read_figures
from r2k_pipeline.report.note.compose import Note, read_notes
from r2k_pipeline.report.site.claim_pictures import claim_pictures
from r2k_pipeline.report.site.claim_tables import claims, statements
from r2k_pipeline.report.site.dictionary_tables import dictionary
from r2k_pipeline.report.site.drawn import Drawn
from r2k_pipeline.report.site.market_tables import levels, movers, outcomes, overview, positions
from r2k_pipeline.report.site.narrative import tell
from r2k_pipeline.report.site.pages import INDEX, Content, MarketPage, render
from r2k_pipeline.report.site.pictures import Picture, picture_of, shared_files
from r2k_pipeline.report.site.provenance import Edition, edition_of
from r2k_pipeline.report.site.quality_tables import quality
from r2k_pipeline.report.site.replace_folder import swap_in
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import Snapshot, reading_of


@dataclass(frozen=True)
class Site:
    """A site as it was written; `folder` is where it is opened from, `market_notes` the note on each market."""

    folder: Path
    edition: Edition
    pages: tuple[str, ...]
    pictures: tuple[Picture, ...]
    market_notes: tuple[Note, ...]
    size_bytes: int
    notes: tuple[str, ...]

    @property
    def index(self) -> Path:
        """The page to open first."""
        return self.folder / INDEX

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "index": str(self.index),
            "url": self.index.as_uri(),
            "label": self.edition.label,
            "is_sample": self.edition.is_sample,
            "generation_id": self.edition.generation_id,
            "known_at": self.edition.moment.isoformat(),
            "size_bytes": self.size_bytes,
            "pages": list(self.pages),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """A few lines for a terminal."""
        edition = self.edition
        known = f"as known at {edition.moment:%Y-%m-%d %H:%M:%S} UTC"
        lines = [
            f"{edition.label}: {len(self.pages)} pages, {self.size_bytes / 1e6:.2f} MB, {known}",
            f"  generation  {edition.generation_id}",
            f"  open        {self.index.as_uri()}",
        ]
        return "\n".join([*lines, *(f"  note        {note}" for note in self.notes)])


def publish_site(settings: Settings, market: str | None = None) -> Site:
    """Write the site of the settings' lake at their moment, of one market or all.

    Raises R2kError if there is nothing to show or writing fails; then the old site stays.
    """
    folder = Lake.of(settings.lake, settings.source, settings.as_of).report(market)
    drawn = Drawn(folder)
    with reading_of(settings) as snapshot:
        content = read_content(snapshot, market, drawn)
    pages = render(content)
    files = pages | shared_files(drawn)
    for picture in content.pictures:
        files |= picture.files()
    files |= {one.picture.still: one.picture.png for one in content.claims.folded if one.picture}
    files |= drawn.record()
    swap_in(folder, files)
    size = sum(map(len, files.values()))
    market_notes = tuple(page.note for page in content.markets)
    return Site(folder, content.edition, tuple(pages), content.pictures, market_notes, size, content.notes)


def read_content(snapshot: Snapshot, market: str | None, drawn: Drawn) -> Content:
    """Everything the pages show. Raises R2kError."""
    edition = edition_of(snapshot)
    brief = read_brief(snapshot, market)
    figures = read_figures(snapshot, None if market is None else [market])
    pictures = {figure.market: picture_of(figure, drawn) for figure in figures.reviews}
    notes = read_notes(snapshot, [page.market["market"] for page in brief.pages])
    return Content(
        edition=edition,
        movers=movers(snapshot, notes.keys(), market),
        overview=overview(snapshot, brief.pages),
        markets=tuple(
            _market_page(snapshot, page, notes[market], pictures.get(market))
            for market, page in zip(notes, brief.pages, strict=True)
        ),
        cross_market=picture_of(figures.cross_market, drawn) if figures.cross_market else None,
        outcomes=outcomes(snapshot, market),
        outcomes_picture=picture_of(figures.outcomes, drawn) if figures.outcomes else None,
        statements=statements(snapshot),
        claims=claims(snapshot, pictures=claim_pictures(snapshot, drawn)),
        quality=quality(snapshot, notes.keys()),
        dictionary=dictionary(),
        notes=figures.notes,
    )


def _market_page(snapshot: Snapshot, page: Page, note: Note, picture: Picture | None) -> MarketPage:
    market = page.market["market"]
    return MarketPage(
        market,
        page.market["name"],
        str(page.session["session_date"]),
        picture,
        note,
        tell(page),
        levels(snapshot, page),
        positions(snapshot, market),
        claims(snapshot, market),
    )
