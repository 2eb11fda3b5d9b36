"""A checked note as a page of its own: each statement with its verdict in one line, its chart and its readings.

Belongs here: HTML. Not here: verdicts (claims/), their wording (check_note.py), what is drawn (report/charts/).
"""

from typing import Final

from r2k_pipeline.claims.verdict import last_story, main_reading
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.report.charts.figure import data_url
from r2k_pipeline.report.charts.theme import LIGHT
from r2k_pipeline.report.check_note import CheckedNote
from r2k_pipeline.report.site.pages import environment
from r2k_pipeline.report.site.pictures import SCALE, Picture
from r2k_pipeline.snapshot import Snapshot

TEMPLATE: Final = "check_note.html.jinja"


def write_check(snapshot: Snapshot, checked: CheckedNote) -> str:
    """The page; whatever text holds is escaped. The charts come from the snapshot that the note was judged on."""
    from r2k_pipeline.report.charts.claim import build_claim  # noqa: PLC0415  (altair is a second's import)

    tables = KnownTables(lambda: snapshot.connection)
    judged = [(claim, verdicts, main_reading(verdicts)) for claim, verdicts in checked.by_claim()]
    drawn = ((claim, build_claim(verdict, tables, checked.is_sample)) for claim, _, verdict in judged)
    pictures = {claim.id: Picture(figure, figure.png(LIGHT, SCALE)) for claim, figure in drawn if figure}
    given = {"checked": checked, "judged": judged, "pictures": pictures, "last_story": last_story, "data_url": data_url}
    return environment().get_template(TEMPLATE).render(given)
