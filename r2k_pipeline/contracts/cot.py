"""Contracts of the positioning side: raw COT reports, the release ledger, positions by trader group.

Belongs here: what a report row holds and when it counts as known. Not here: vendor headers
(sources/cot_layouts.py), market identity (markets.py), what is computed from positions (marts.py).
"""

from itertools import product
from typing import Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import (
    additive,
    choice,
    contracts,
    count,
    day,
    equivalents,
    flag,
    instant,
    number,
    semi_additive,
    text,
    usd,
)
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.report_types import REPORT_TYPES

RELEASE_BASES: Final = ("actual", "scheduled", "estimated")
FETCHED_ITEM: Final = pl.col("source").str.split("/").list.last()
"""The item of raw.fetch_log that brought a row of raw.cot_reports: the last part of its source."""
CONTRACT_CODE: Final = r"^[0-9A-Z]{6}$|^[0-9]{5}\+$"
"""Six characters, or five digits and a `+` (consolidated): a code that lost its leading zero does not pass."""

SIDES: Final[dict[str, tuple[str, ...]]] = {
    "dealer": ("long", "short", "spreading"),
    "asset_manager": ("long", "short", "spreading"),
    "leveraged_funds": ("long", "short", "spreading"),
    "other_reportables": ("long", "short", "spreading"),
    "noncommercial": ("long", "short", "spreading"),
    "commercial": ("long", "short"),
    "producer_merchant": ("long", "short"),
    "swap_dealer": ("long", "short", "spreading"),
    "managed_money": ("long", "short", "spreading"),
    "total_reportable": ("long", "short"),
    "nonreportable": ("long", "short"),
}
"""The positions each trader group reports; groups of hedgers and the residual have no spreading."""

TRADER_GROUPS: Final = tuple(group for group in SIDES if group != "total_reportable")
LARGEST_TRADERS: Final = tuple(product(("gross", "net"), (4, 8), ("long", "short")))
"""Whose share of open interest is printed: by gross or net positions, of so many largest traders, on one side."""
CONCENTRATIONS: Final = tuple(
    f"concentration_{kind}_{traders}_{side}_percent" for kind, traders, side in LARGEST_TRADERS
)
ROUNDED_SLACK_CONTRACTS: Final = 5
"""Consolidated (code with +) and combined rows are rounded leg by leg: nine legs and the sum, half a contract each."""


def _reported_columns() -> dict[str, dy.Column]:
    """Positions, weekly changes, trader counts and concentrations of every group, null where a layout lacks them."""
    columns: dict[str, dy.Column] = {}
    for group, sides in SIDES.items():
        for side in sides:
            what = f"{side} positions of {group.replace('_', ' ')}"
            columns[f"{group}_{side}_contracts"] = contracts(what, nullable=True)
            columns[f"{group}_{side}_contracts_change_1w"] = contracts(
                f"the CFTC's own weekly change of {what}", nullable=True, signed=True
            )
            columns[f"{group}_traders_{side}"] = count(
                Unit.TRADERS, f"traders with {what}; null where suppressed", nullable=True
            )
    for name in CONCENTRATIONS:
        columns[name] = number(Unit.PERCENT_OI, name.replace("_", " "), nullable=True, low=0)
    return columns


def _sums_to_open_interest(side: str) -> pl.Expr:
    """Whether longs (shorts) and spreads of all groups make the open interest, by the layout's own groups."""
    legs = [
        pl.col(f"{group}_{leg}_contracts").fill_null(0)
        for group in TRADER_GROUPS
        for leg in (side, "spreading")
        if leg in SIDES[group]
    ]
    gap = pl.sum_horizontal(legs) - pl.col("open_interest_contracts")
    rounded = pl.col("contract_code").str.ends_with("+") | pl.col("report_type").str.ends_with("combined")
    return gap.abs() <= pl.when(rounded).then(ROUNDED_SLACK_CONTRACTS).otherwise(0)


class CotReports(Table, layer="raw"):
    """One market's row of one COT report as the CFTC said it at one moment; a changed value is a new row."""

    report_type = choice(REPORT_TYPES, "which report, and whether options are in it", key=True)
    contract_code = text("CFTC contract market code, as text", key=True, regex=CONTRACT_CODE)
    report_date = day("as-of day of the positions, mostly a Tuesday", key=True)
    recorded_at = instant("when we learned this value", key=True)
    market_name = text("the CFTC's name of the market; it changes, never a key")
    contract_units = text("what one contract is, e.g. ($50 X INDEX)", nullable=True)
    open_interest_contracts = contracts("open interest")
    open_interest_contracts_change_1w = contracts(
        "the CFTC's own weekly change of open interest", nullable=True, signed=True
    )
    traders_total = count(Unit.TRADERS, "reportable traders in the market", nullable=True)
    source = text("where the row came from")
    is_withdrawn = flag("the CFTC no longer lists this row: a tombstone that repeats the last values")
    locals().update(_reported_columns())

    @dy.rule()
    def longs_make_open_interest(cls) -> pl.Expr:  # noqa: N805
        return _sums_to_open_interest("long")

    @dy.rule()
    def shorts_make_open_interest(cls) -> pl.Expr:  # noqa: N805
        return _sums_to_open_interest("short")


class _GroupPositions(dy.Schema):
    report_type = choice(REPORT_TYPES, "which report", key=True)
    contract_code = text("CFTC contract market code", key=True, regex=CONTRACT_CODE)
    report_date = day("as-of day of the positions", key=True)
    trader_group = choice(TRADER_GROUPS, "trader group of the report", key=True)
    long_contracts = semi_additive(contracts("long positions, spreads not included"))
    short_contracts = semi_additive(contracts("short positions, spreads not included"))
    spreading_contracts = semi_additive(
        contracts("positions both long and short; null for groups that report none", nullable=True)
    )
    open_interest_contracts = contracts("open interest of the contract")
    long_contracts_change_1w = additive(contracts("the CFTC's own weekly change", nullable=True, signed=True))
    short_contracts_change_1w = additive(contracts("the CFTC's own weekly change", nullable=True, signed=True))
    traders_long = count(Unit.TRADERS, "traders with long positions; null where suppressed", nullable=True)
    traders_short = count(Unit.TRADERS, "traders with short positions; null where suppressed", nullable=True)
    concentration_net_4_long_percent = number(Unit.PERCENT_OI, "net longs of the 4 largest", nullable=True)
    concentration_net_4_short_percent = number(Unit.PERCENT_OI, "net shorts of the 4 largest", nullable=True)
    concentration_net_8_long_percent = number(Unit.PERCENT_OI, "net longs of the 8 largest", nullable=True)
    concentration_net_8_short_percent = number(Unit.PERCENT_OI, "net shorts of the 8 largest", nullable=True)
    contract_units = text("what one contract is, as printed", nullable=True)
    contract_multiplier_usd = usd("USD per index point, read from contract_units; null where it has none")
    released_at = instant("when the report became public, by the release ledger")
    release_basis = choice(RELEASE_BASES, "seen to come out then; announced, or by the rule; or estimated")


class CotPositionVintages(_GroupPositions, Table, layer="staging"):
    """One vintage of one trader group's positions in one contract and report, in contracts as reported."""

    revision = count(Unit.REVISIONS, "0 = as first recorded", key=True)
    known_at = instant("released_at for first values, the moment of recording for corrections, late and held rows")
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
    is_withdrawn = flag("from then on the CFTC listed no such row")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class CotPositions(_GroupPositions, Table, layer="staging", stands_of="staging.cot_position_vintages"):
    """One trader group's positions in one contract and report, as known at `as_of`, in contracts as reported."""

    known_at = instant("released_at for first values, the moment of recording for corrections, late and held rows")
    revision = count(Unit.REVISIONS, "how often the row had changed by then; 0 = as first recorded")
    recorded_at = instant("recorded_at of the raw row this is")
    source = text("source of the raw row this is")


class MarketPositions(Table, layer="staging"):
    """One vintage of one trader group's positions in one market and report, in today's contract equivalents."""

    market = text("market id", key=True)
    report_type = choice(REPORT_TYPES, "which report", key=True)
    report_date = day("as-of day of the positions", key=True)
    trader_group = choice(TRADER_GROUPS, "trader group of the report", key=True)
    known_at = instant("when these values were known", key=True)
    contract_codes = text("the contracts summed, comma-separated")
    long_contracts = semi_additive(equivalents("long positions; null where a contract unit is not convertible"))
    short_contracts = semi_additive(equivalents("short positions"))
    spreading_contracts = semi_additive(equivalents("positions both long and short"))
    open_interest_contracts = equivalents("open interest of the market")
    released_at = instant("when the report became public")
    release_basis = choice(RELEASE_BASES, "seen to come out then; announced, or by the rule; or estimated")
    superseded_at = instant("when the next vintage was known; null = it stands", nullable=True)
