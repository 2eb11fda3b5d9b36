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
    spans = consolidations.sort("market", "start_date", "first_confirmed_date", "confirmed_date").with_columns(
        until_date=pl.col("confirmed_date").shift(-1).over("market", "start_date", "first_confirmed_date")
    )
    sessions = bars.select("market", "session_date")
    innermost = (
        sessions.join_where(
            spans.filter(pl.col("end_date").is_null()).select(
                "start_date", "confirmed_date", "until_date", range_market="market"
            ),
            pl.col("market") == pl.col("range_market"),
            pl.col("session_date") >= pl.col("confirmed_date"),
        )
        .filter((pl.col("session_date") < pl.col("until_date")).fill_null(True))
        .group_by("market", "session_date")
        .agg(pl.col("start_date").max())
    )
    marked = sessions.join(innermost, on=["market", "session_date"], how="left", maintain_order="left")
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
