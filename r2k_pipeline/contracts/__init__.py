"""Contracts: one class per table, declared once; importing this package registers them all in TABLES."""

from r2k_pipeline.contracts import (
    claims,
    cot,
    findings,
    indicators,
    levels,
    marts,
    meta,
    outcomes,
    prices,
    profiles,
    reference,
    restatements,
)

__all__ = [
    "claims",
    "cot",
    "findings",
    "indicators",
    "levels",
    "marts",
    "meta",
    "outcomes",
    "prices",
    "profiles",
    "reference",
    "restatements",
]
