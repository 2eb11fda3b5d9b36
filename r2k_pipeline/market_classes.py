"""Kinds of market, of its prices, of trader. Belongs here: names that contracts, markets and tables share."""

from typing import Final, Literal, get_args

MarketClass = Literal[
    "equity", "volatility", "rates", "currency", "crypto", "metal", "energy", "grain", "soft", "livestock", "other"
]
CLASSES: Final[tuple[str, ...]] = get_args(MarketClass)
PriceSeries = Literal["index", "spot", "fund", "yield", "future"]
SERIES: Final[tuple[str, ...]] = get_args(PriceSeries)
"""The kind of a market's prices."""
Family = Literal["tff", "disaggregated", "legacy"]
PRIMARY_REPORTS: Final = tuple(f"{family}_futures" for family in get_args(Family))
"""The report types whose groups can have a market's roles: futures alone, of each family."""
Role = Literal["hedger", "institution", "speculator"]
ROLES: Final[tuple[str, ...]] = get_args(Role)
"""Who a trader group is in its report: each report family has one group of each, or none."""
