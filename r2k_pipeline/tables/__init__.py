"""Tables made in Python, each with its contract and its builder; with those of contracts/, TABLES has them all."""

from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.tables import (
    anchored_vwaps,
    claims,
    column_dictionary,
    consolidations,
    cot_releases,
    indicators,
    level_outcomes,
    levels,
    profiles,
    reference,
    setup_outcomes,
    weekly_indicators,
)

__all__ = [
    "TABLES",
    "anchored_vwaps",
    "claims",
    "column_dictionary",
    "consolidations",
    "cot_releases",
    "indicators",
    "level_outcomes",
    "levels",
    "profiles",
    "reference",
    "setup_outcomes",
    "weekly_indicators",
]
