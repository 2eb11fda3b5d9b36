"""Notes of one sentence, quickly written, for tests of how notes are kept; each names the moment of its generation.

Belongs here: the fake. Not here: what a real note says (report/note/).
"""

import polars as pl

from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.snapshot import Snapshot


def write_short_notes(snapshot: Snapshot, published: pl.DataFrame) -> pl.DataFrame:
    """A note of one sentence on the newest session of each market, unless one was published before."""
    newest = snapshot.ask("""
        select market, max(session_date) as session_date, 1 as place, 'report' as section, 'close' as rule,
            '[]' as figures, max(report_date) as report_date
        from marts.positioning_vs_technicals group by market
    """).pl()
    sentence = f"Known at {snapshot.moment:%F %T}."
    known = {"sentence": sentence, "generation_id": snapshot.generation["generation_id"]}
    new = newest.join(published, on=["market", "session_date"], how="anti")
    rows = new.with_columns(known_at=snapshot.moment, **{name: pl.lit(value) for name, value in known.items()})
    return rows.select(Notes.column_names())
