"""Contracts of reference data: markets, their symbols and contracts, sessions.

Belongs here: tables that come from configuration and calendars, upstream of everything. Not here: facts
that a vendor sent (prices.py, cot.py).
"""

from typing import Final

from r2k_pipeline.contracts.columns import choice, count, day, flag, instant, number, text, usd
from r2k_pipeline.contracts.cot import CONTRACT_CODE
from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.contracts.table import Table

SYMBOL_ROLES: Final = ("index", "proxy", "future", "context")


class Markets(Table, layer="reference"):
    """One market: an equity index and what its positions are converted into."""

    market = text("market id, e.g. RUT", key=True)
    name = text("name of the index")
    calendar = text("exchange calendar of its sessions, e.g. XNYS")
    contract_multiplier_usd = usd("USD per index point of today's contract")


class MarketSymbols(Table, layer="reference"):
    """One vendor symbol of one market and what it stands for."""

    market = text("market id", key=True)
    symbol = text("vendor symbol", key=True, regex=SYMBOL)
    role = choice(SYMBOL_ROLES, "index: levels and indicators; proxy: volume; future; context")
    calendar = text("exchange calendar of its sessions")


class MarketContracts(Table, layer="reference"):
    """One COT contract and the reports in which it belongs to its market."""

    market = text("market id", key=True)
    contract_code = text("CFTC contract market code", key=True, regex=CONTRACT_CODE)
    first_report_date = day("first report that counts", key=True)
    last_report_date = day("last report that counts")
    scale = number("index points per point of the contract's own index", "1 unless quoted smaller", low=0)


class Sessions(Table, layer="reference"):
    """One trading session of one exchange, with its real open and close (half-days too)."""

    calendar = text("exchange calendar, e.g. XNYS", key=True)
    session_date = day("exchange-local trading day", key=True)
    open_at = instant("opening bell")
    close_at = instant("closing bell; early on half-days")
    session_number = count("sessions", "place in the calendar, from 0: the next session has the next number")
    settles_at = instant("when the session's volume counts as settled: 12 hours after the close")
    is_half_day = flag("closes early")
