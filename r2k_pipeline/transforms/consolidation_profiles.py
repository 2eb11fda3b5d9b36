"""Volume profiles since the start of the consolidation range that a session is in.

Belongs here: which range counts at which session. Not here: finding ranges (consolidations.py), the profile itself
(volume_profiles.py).
"""

import polars as pl

from r2k_pipeline.transforms.volume_profiles import build_anchored_profiles

WINDOW = "consolidation"


def build_consolidation_profiles(bars: pl.DataFrame, consolidations: pl.DataFrame) -> pl.DataFrame:
    """Rows of features.volume_profiles with window `consolidation`: at each session since the innermost open range
    began, as that range was known then; no row where none was open. `bars` as in `build_volume_profiles`.
    """
    sessions = bars.select("market", "session_date").with_row_index("row")
    innermost = _innermost(sessions, consolidations)
    marked = sessions.join(innermost, on="row", how="left", maintain_order="left")
    anchors = (
        marked.with_columns(stretch=pl.struct("market", "start_date").rle_id())
        .filter(pl.col("start_date").is_not_null())
        .group_by("stretch", maintain_order=True)
        .agg(
            pl.col("market").first(),
            anchor_date=pl.col("start_date").first(),
            known_date=pl.col("session_date").first(),
            until=pl.col("session_date").last(),
        )
        .select("market", "anchor_date", pl.lit(WINDOW).alias("name"), "known_date", "until")
    )
    return build_anchored_profiles(bars, anchors)


def _innermost(sessions: pl.DataFrame, consolidations: pl.DataFrame) -> pl.DataFrame:
    """row, start_date of the open range that started last, for the rows of `sessions` at which one was open."""
    key = ("market", "start_date", "first_confirmed_date")
    at = sessions.rename({"session_date": "confirmed_date", "row": "first"})
    until = sessions.rename({"session_date": "until_date", "row": "until"})
    ends = sessions.group_by("market").agg(end=pl.col("row").max() + 1)
    return (
        consolidations.sort(*key, "confirmed_date")
        .with_columns(until_date=pl.col("confirmed_date").shift(-1).over(key))
        .filter(pl.col("end_date").is_null())
        .join(at, on=["market", "confirmed_date"])
        .join(until, on=["market", "until_date"], how="left")
        .join(ends, on="market")
        .select("start_date", row=pl.int_ranges("first", pl.coalesce("until", "end"), dtype=pl.UInt32))
        .explode("row")
        .group_by("row")
        .agg(pl.col("start_date").max())
    )
