"""The kinds of COT report. Belongs here: their names, which settings, contracts and sources share."""

from typing import Final

REPORT_TYPES: Final = ("tff_futures", "tff_combined", "legacy_futures", "legacy_combined")
"""Traders in Financial Futures and the legacy report, each of futures alone and of futures and options combined."""
