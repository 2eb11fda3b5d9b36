"""The vendors of the data and their terms, in one place for pages, comments and docs.

Belongs here: names, terms, and that nothing shown is advice. Not here: how their data is fetched (sources/).
"""

from dataclasses import dataclass
from typing import Final

NO_ADVICE: Final = "No advice."
SYNTHETIC: Final = "The data is synthetic, in the layout of the CFTC's and Yahoo's."


@dataclass(frozen=True)
class Vendor:
    """One vendor: its part of the data, full name, terms and the address of the terms."""

    name: str
    gives: str
    full_name: str
    terms: str
    url: str

    def __str__(self) -> str:
        return f"{self.gives.capitalize()}: {self.full_name}. {self.terms} ({self.url})."


VENDORS: Final = (
    Vendor(
        "CFTC",
        "positions",
        "US Commodity Futures Trading Commission, Commitments of Traders",
        "A work of the US government, in the public domain in the US (17 U.S.C. 105); the CFTC's web policy applies",
        "https://www.cftc.gov/WebPolicy/index.htm",
    ),
    Vendor(
        "Yahoo",
        "prices",
        "Yahoo Finance, through yfinance, or the vendor of a user's own files",
        "Yahoo's terms of service apply, its API is for personal use; other files are under their vendor's terms",
        "https://legal.yahoo.com/us/en/yahoo/terms/otos/index.html",
    ),
)


def in_short(*, is_sample: bool) -> str:
    """One line: no advice, and the vendors."""
    listed = ", ".join(f"{vendor.name} ({vendor.gives})" for vendor in VENDORS)
    return f"{NO_ADVICE} {SYNTHETIC if is_sample else f'Data: {listed}.'}"


def in_full(*, is_sample: bool) -> tuple[str, ...]:
    """The same with each vendor's terms, a paragraph each."""
    return (NO_ADVICE, *((SYNTHETIC,) if is_sample else map(str, VENDORS)))
