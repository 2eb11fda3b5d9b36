"""Tables made in Python, each with its contract and its builder; with those of contracts/, TABLES has them all."""

from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.tables import (
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
)

__all__ = [
    "TABLES",
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
]
