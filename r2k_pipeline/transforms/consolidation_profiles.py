"""Volume profiles since the start of each consolidation range that is open.

Belongs here: the anchors. Not here: which ranges are open (open_ranges.py), the profile itself (volume_profiles.py).
"""

from datetime import date

import polars as pl

from r2k_pipeline.transforms.open_ranges import RANGE
from r2k_pipeline.transforms.volume_profiles import BIN_RATIO, build_anchored_profiles


def build_consolidation_profiles(
    bars: pl.DataFrame, open_ranges: pl.DataFrame, *, bin_ratio: float = BIN_RATIO, since: date | None = None
) -> pl.DataFrame:
    """Rows of features.volume_profiles with window `consolidation_START`, one for each row of `open_ranges`: since
    that range began, at each session at which it was known and open. Other arguments as of `build_volume_profiles`.
    """
    name = "consolidation_" + pl.col("start_date").dt.to_string("iso")
    anchors = open_ranges.group_by(RANGE, maintain_order=True).agg(
        known_date=pl.col("session_date").min(), until=pl.col("session_date").max()
    )
    named = anchors.select("market", "known_date", "until", anchor_date="start_date", name=name)
    return build_anchored_profiles(bars, named, bin_ratio=bin_ratio, since=since)
