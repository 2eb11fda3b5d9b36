"""A note for tests of what keeps notes: one sentence, quickly made, that says when it was told.

Belongs here: the fake. Not here: what a real note says (report/note/).
"""

import polars as pl

from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.snapshot import Snapshot


def tell(snapshot: Snapshot, told: pl.DataFrame) -> pl.DataFrame:
    """A note of one sentence on the newest session of each market, if none was told on it before."""
    newest = snapshot.ask("""
        select market, max(session_date) as session_date, 1 as place, 'report' as section, 'close' as rule,
            '[]' as figures, max(report_date) as report_date
        from marts.positioning_vs_technicals group by market
    """).pl()
    sentence = f"Told at {snapshot.moment:%F %T}."
    known = {"sentence": sentence, "generation_id": snapshot.generation["generation_id"]}
    untold = newest.join(told, on=["market", "session_date"], how="anti")
    rows = untold.with_columns(known_at=snapshot.moment, **{name: pl.lit(value) for name, value in known.items()})
    return rows.select(Notes.column_names())
