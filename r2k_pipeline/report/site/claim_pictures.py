"""The charts of the site's claims: of each statement the reading that stands for it, judged again from the snapshot.

Belongs here: which charts there are. Not here: what they show (report/charts/claim.py), the tables (claim_tables.py).
"""

from collections.abc import Iterator

from r2k_pipeline.claims.lines import judge_statement
from r2k_pipeline.claims.note import read_shipped_notes
from r2k_pipeline.claims.verdict import Verdict, main_reading
from r2k_pipeline.claims.vocabulary.known_tables import KnownTables
from r2k_pipeline.claims.vocabulary.statements import Statement
from r2k_pipeline.report.charts.claim import build_claim
from r2k_pipeline.report.site.drawn import Drawn
from r2k_pipeline.report.site.pictures import Picture, picture_of
from r2k_pipeline.snapshot import Snapshot

Judged = tuple[str, str, str, str]
"""Note, claim, reading and verdict."""


def claim_pictures(snapshot: Snapshot, drawn: Drawn) -> dict[Judged, Picture]:
    """The chart of each statement of the shipped notes that the snapshot's moment can judge."""
    tables, is_sample = KnownTables(lambda: snapshot.connection), snapshot.generation["is_sample"]
    found: dict[Judged, Picture] = {}
    for verdict in _telling(snapshot, tables):
        if figure := build_claim(verdict, tables, is_sample):
            alternative = verdict.definition.alternative
            key = verdict.note_id, verdict.claim.id, alternative, verdict.finding.verdict
            found[key] = picture_of(figure, drawn, is_logged=False)
    return found


def _telling(snapshot: Snapshot, tables: KnownTables) -> Iterator[Verdict]:
    for note in read_shipped_notes():
        for claim in note.claims:
            if isinstance(claim, Statement):
                verdicts = [*judge_statement(note, claim, tables, snapshot.moment)]
                known = [verdict for verdict in verdicts if verdict.known_at <= snapshot.moment]
                yield from [main_reading(known)] if known else []
