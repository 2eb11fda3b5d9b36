"""staging.market_bars: the index's prices with its proxy's volume."""

from r2k_pipeline.contracts.prices import MarketBars, PriceBars
from r2k_pipeline.contracts.reference import MarketSymbols, Sessions
from tests.sql.rows import RUSSELL, bar, derive, session, symbol


def test_the_proxys_volume_stands_for_the_indexs_own() -> None:
    given = {
        **RUSSELL,
        MarketSymbols: [*RUSSELL[MarketSymbols], symbol("RTY=F", "future"), symbol("^VIX", "context")],
        Sessions: [session("2025-03-13")],
        PriceBars: [
            bar("^RUT", "2025-03-13", 1993.69, volume=4_800_000_000.0),
            bar("IWM", "2025-03-13", 197.87, volume=38_000_000.0),
            bar("RTY=F", "2025-03-13", 1995.5, volume=250_000.0),
            bar("^VIX", "2025-03-13", 24.66),
        ],
    }
    found = derive(MarketBars, given).select("market", "close", "volume", "volume_symbol").rows()
    assert found == [("RUT", 1993.69, 38_000_000.0, "IWM")]


def test_without_a_proxys_bar_there_is_no_volume() -> None:
    given = {
        **RUSSELL,
        Sessions: [session("1987-09-10")],
        PriceBars: [bar("^RUT", "1987-09-10", 168.97, volume=179_800_000.0)],
    }
    assert derive(MarketBars, given).select("close", "volume", "volume_symbol").rows() == [(168.97, None, None)]


def test_a_proxys_bar_alone_is_no_bar_of_the_market() -> None:
    given = {**RUSSELL, Sessions: [session("2025-03-13")], PriceBars: [bar("IWM", "2025-03-13", 197.87)]}
    assert derive(MarketBars, given).is_empty()
