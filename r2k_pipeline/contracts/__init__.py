"""Contracts of the raw logs and of the SQL tables: a class each; importing this package registers them in TABLES."""

from r2k_pipeline.contracts import cot, findings, marts, meta, notes, prices, restatements

__all__ = ["cot", "findings", "marts", "meta", "notes", "prices", "restatements"]
