"""Contracts: one class per table, declared once; importing this package registers them all in TABLES."""

from r2k_pipeline.contracts import cot, indicators, levels, marts, meta, prices, profiles, reference

__all__ = ["cot", "indicators", "levels", "marts", "meta", "prices", "profiles", "reference"]
