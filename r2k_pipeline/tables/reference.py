"""Reference data: markets, their symbols and contracts, sessions.

Belongs here: tables that come from configuration and calendars, upstream of everything. Not here: facts that a vendor
sent (contracts/), what a market is made of (markets.py), the calendars (sources/sessions.py).
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, flag, instant, number, text, usd
from r2k_pipeline.contracts.cot import CONTRACT_CODE
from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.market_classes import CLASSES, PRIMARY_REPORTS, ROLES, SERIES, Role
from r2k_pipeline.markets import Market
from r2k_pipeline.sources.settlement import settlement_of
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import Calendar

DAYS_AHEAD: Final = timedelta(days=400)
"""How far sessions look ahead."""
SYMBOL_ROLES: Final = ("index", "proxy", "future", "context")


class Markets(Table, layer="reference"):
    """One market and what its positions are converted into."""

    market = text("market id, e.g. RUT", key=True)
    name = text("name of the market")
    calendar = text("exchange calendar of its sessions, e.g. XNYS")
    contract_multiplier_usd = usd("USD per index point of today's contract, or its contract_units")
    contract_unit = text("what contract_multiplier_usd counts, e.g. index point, troy ounces")
    price_series = choice(SERIES, "what its prices are; null: positions without technicals", nullable=True)
    is_inverse = flag("its prices fall where the contract rises, as a yield does")
    is_notional_known = flag("whether a close (1 / close if is_inverse) is USD for one contract_unit")
    market_class = choice(CLASSES, "kind of what is traded")
    primary_report_type = choice(PRIMARY_REPORTS, "the report whose groups have the market's roles")
    sort_order = count(Unit.POSITION, "order to show it in, as configured")


@builds(Markets)
def build_markets(markets: tuple[Market, ...]) -> pl.DataFrame:
    """One row for each configured market."""
    rows = [
        (
            *(m.market, m.name, m.calendar, m.multiplier, m.unit),
            *(m.series if m.index else None, m.inverse, m.is_notional_known),
            *(m.class_, m.primary_report, place),
        )
        for place, m in enumerate(markets, 1)
    ]
    return pl.DataFrame(rows, schema=Markets.create_empty().schema, orient="row")


class TraderRoles(Table, layer="reference"):
    """One trader group that has a role in its report family: the hedger, the institution or the speculator there."""

    trader_group = text("trader group of a report", key=True)
    role = choice(ROLES, "its role")


@builds(TraderRoles)
def build_trader_roles(trader_roles: Mapping[Role, tuple[str, ...]]) -> pl.DataFrame:
    """One row for each group of the catalogue's roles."""
    rows = [(group, role) for role, groups in trader_roles.items() for group in groups]
    return pl.DataFrame(rows, schema=TraderRoles.create_empty().schema, orient="row")


class MarketSymbols(Table, layer="reference"):
    """One vendor symbol of one market and what it stands for."""

    market = text("market id", key=True)
    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    role = choice(SYMBOL_ROLES, "index: levels and indicators; proxy: volume; future; context")
    calendar = text("exchange calendar of its sessions")
    final_minutes = count(Unit.MINUTES, "after the close of a session its price is final")
    half_day_final_minutes = count(Unit.MINUTES, "after the close of a half-day its price is final")


@builds(MarketSymbols)
def build_market_symbols(markets: tuple[Market, ...]) -> pl.DataFrame:
    """One row for each symbol of a configured market."""
    kinds: dict[str, set[str]] = {}
    for m in markets:
        for symbol in m.symbols():
            kinds.setdefault(symbol, set()).add(m.kind_of(symbol))
    settled = {symbol: settlement_of(of_it) for symbol, of_it in kinds.items()}
    spans = {symbol: (each.final, each.final_on_half_day) for symbol, each in settled.items()}
    rows = [
        (m.market, symbol, role, m.calendar, *(span // timedelta(minutes=1) for span in spans[symbol]))
        for m in markets
        for symbol, role in m.symbols().items()
    ]
    return pl.DataFrame(rows, schema=MarketSymbols.create_empty().schema, orient="row")


class _Contract(dy.Schema):
    market = text("market id", key=True)
    contract_code = text("CFTC contract market code", key=True, regex=CONTRACT_CODE)
    first_report_date = day("first report that counts", key=True)
    last_report_date = day("last report that counts")


class MarketContracts(_Contract, Table, layer="reference"):
    """One COT contract and the reports in which it belongs to its market."""

    scale = number(Unit.POINTS_PER_POINT, "1 unless quoted smaller", low=0)


@builds(MarketContracts)
def build_market_contracts(markets: tuple[Market, ...]) -> pl.DataFrame:
    """One row for each contract of a configured market."""
    rows = [(m.market, cot.code, cot.first, cot.last, cot.scale) for m in markets for cot in m.cot]
    return pl.DataFrame(rows, schema=MarketContracts.create_empty().schema, orient="row")


class CatalogueContracts(_Contract, Table, layer="reference"):
    """One COT contract of one market of the catalogue, configured or not."""

    listed_name = text("the CFTC's name of it in the newest report that was seen", nullable=True)


@builds(CatalogueContracts)
def build_catalogue_contracts(catalogue: tuple[Market, ...]) -> pl.DataFrame:
    """One row for each contract of a market of the catalogue."""
    rows = [(m.market, cot.code, cot.first, cot.last, cot.listed) for m in catalogue for cot in m.cot]
    return pl.DataFrame(rows, schema=CatalogueContracts.create_empty().schema, orient="row")


class Sessions(Table, layer="reference"):
    """One trading session of one exchange, with its real open and close (half-days too)."""

    calendar = text("exchange calendar, e.g. XNYS", key=True)
    session_date = day("exchange-local trading day", key=True)
    open_at = instant("opening bell")
    close_at = instant("closing bell; early on half-days")
    session_number = count(Unit.SESSIONS, "place in the calendar, from 0: the next session has the next number")
    settles_at = instant("when the session's volume counts as settled: 12 hours after the close")
    is_half_day = flag("closes early")


@builds(Sessions)
def build_sessions(markets: tuple[Market, ...], today: date, calendar: Calendar) -> pl.DataFrame:
    """The sessions of the markets' calendars, DAYS_AHEAD days beyond today."""
    return calendar.sessions([market.calendar for market in markets], today + DAYS_AHEAD)
