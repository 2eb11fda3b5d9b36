"""marts.markets: a market with its symbols and contracts beside it."""

from r2k_pipeline.contracts.marts import Markets
from r2k_pipeline.tables.reference import MarketContracts, MarketSymbols
from r2k_pipeline.tables.reference import Markets as GivenMarkets
from tests.sql.rows import RUSSELL, RUT, SPX, contract, derive, symbol


def test_one_row_a_market_with_each_contract_once() -> None:
    given = {
        GivenMarkets: [SPX, RUT],
        MarketSymbols: [*RUSSELL[MarketSymbols], symbol("^VIX", "context"), symbol("^GSPC", "index", "SPX")],
        MarketContracts: [
            contract("239742", first="2017-08-15"),
            contract("239742", first="2006-06-13", last="2008-09-30"),
            contract("23977A"),
        ],
    }
    columns = ("market", "index_symbol", "proxy_symbol", "future_symbol", "contract_codes")
    assert derive(Markets, given).select(columns).rows() == [
        ("RUT", "^RUT", "IWM", None, "239742, 23977A"),
        ("SPX", "^GSPC", None, None, None),
    ]
