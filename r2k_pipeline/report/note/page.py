"""The note as a page of its own, with the market's chart in it: one file that needs no other.

Belongs here: HTML. Not here: what is said (compose.py), what is drawn (report/charts/).
"""

from collections.abc import Sequence

from r2k_pipeline.report.charts.figure import data_url
from r2k_pipeline.report.note.compose import Note
from r2k_pipeline.report.site.pages import environment
from r2k_pipeline.snapshot import Snapshot

TEMPLATE = "note.html.jinja"


def write_page(snapshot: Snapshot, notes: Sequence[Note]) -> str:
    """The notes and the figure of each market as HTML; whatever text holds is escaped."""
    pictures = _pictures(snapshot, [note.market for note in notes])
    return environment().get_template(TEMPLATE).render(notes=notes, pictures=pictures)


def _pictures(snapshot: Snapshot, markets: list[str]) -> dict[str | None, tuple[str, str]]:
    """The PNG of each market's figure as a data URL, and what it shows in words."""
    from r2k_pipeline.report.charts.figures import read_figures  # noqa: PLC0415  (altair is a second's import)

    found = read_figures(snapshot, markets).reviews
    return {figure.market: (data_url(figure.png()), figure.description) for figure in found}
