"""staging.market_bars: the index's prices with its proxy's settled volume, one row for each change of either."""

import pytest

from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import MarketBars, PriceBars
from r2k_pipeline.tables.reference import Markets, MarketSymbols, Sessions
from tests.sql.rows import RUSSELL, RUT, Given, Row, bar, derive, fetch, session, symbol

DAY = "2025-03-13"
GIVEN: Given = {**RUSSELL, Sessions: [session(DAY, "20:00Z", session_number=31_000)]}
INDEX = bar("^RUT", DAY, 1993.69, volume=4_800_000_000.0)
PROXY = bar("IWM", DAY, 197.87, volume=38_000_000.0)
LATER = "2025-03-17T21:00Z"


def vintages(*bars: Row, as_of: str = "2100-01-01T00:00Z") -> list[tuple[object, ...]]:
    found = derive(MarketBars, {**GIVEN, PriceBars: bars}, as_of)
    days = {name: found[name].dt.strftime("%d %H:%M") for name in ("known_at", "superseded_at", "volume_known_at")}
    return found.with_columns(**days).select("close", "volume", "known_at", "superseded_at", "volume_known_at").rows()


def test_the_proxys_volume_stands_for_the_indexs_own() -> None:
    given = {
        **GIVEN,
        MarketSymbols: [*RUSSELL[MarketSymbols], symbol("RTY=F", "future"), symbol("^VIX", "context")],
        PriceBars: [INDEX, PROXY, bar("RTY=F", DAY, 1995.5, volume=250_000.0), bar("^VIX", DAY, 24.66)],
    }
    found = derive(MarketBars, given).select("market", "session_number", "close", "volume", "volume_symbol").rows()
    assert found == [("RUT", 31_000, 1993.69, 38_000_000.0, "IWM")]


def test_without_a_proxys_bar_there_is_no_volume() -> None:
    given = {
        **RUSSELL,
        Sessions: [session("1987-09-10")],
        PriceBars: [bar("^RUT", "1987-09-10", 168.97, volume=179_800_000.0)],
    }
    columns = ("close", "volume", "volume_symbol", "volume_known_at")
    assert derive(MarketBars, given).select(columns).rows() == [(168.97, None, None, None)]


def test_a_funds_volume_is_its_own() -> None:
    given = {
        **GIVEN,
        Markets: [{**RUT, "price_series": "fund"}],
        MarketSymbols: [symbol("GLD", "index")],
        PriceBars: [bar("GLD", DAY, 275.2, volume=12_000_000.0)],
    }
    columns = ("close", "volume", "volume_symbol")
    assert derive(MarketBars, given).select(columns).rows() == [(275.2, 12_000_000.0, "GLD")]


def test_a_proxys_bar_alone_is_no_bar_of_the_market() -> None:
    assert vintages(PROXY) == []


def test_a_bar_is_there_at_its_close_and_its_volume_the_morning_after() -> None:
    before = (1993.69, None, "13 20:00", None, None)
    assert vintages(INDEX, PROXY, as_of="2025-03-13T20:00Z") == [before]
    assert vintages(INDEX, PROXY, as_of="2025-03-14T07:59Z") == [before]
    assert vintages(INDEX, PROXY) == [(1993.69, 38_000_000.0, "13 20:00", None, "14 08:00")]


UNSETTLED = {**PROXY, "volume": 21_000_000.0, "is_settled": False}


@pytest.mark.parametrize(
    "bars",
    [
        pytest.param([INDEX, PROXY, {**INDEX, "volume": 1.0}], id="the index's own volume"),
        pytest.param([INDEX, PROXY, bar("IWM", DAY, 198.0, volume=38_000_000.0)], id="the proxy's prices"),
        pytest.param([INDEX, PROXY, PROXY], id="the same volume again"),
        pytest.param([INDEX, UNSETTLED, PROXY], id="the first settled volume"),
    ],
)
def test_news_of_what_no_row_holds_makes_no_second_row(bars: list[Row]) -> None:
    *before, last = bars
    found = vintages(*before, {**last, "recorded_at": LATER})
    assert found == [(1993.69, 38_000_000.0, "13 20:00", None, "14 08:00")]


def test_a_first_volume_that_comes_late_is_known_late_in_the_one_row() -> None:
    log = [fetch("IWM", "2025-03-14T21:00Z", ("2025-03-01", DAY))]
    found = derive(MarketBars, {**GIVEN, PriceBars: [INDEX, {**PROXY, "recorded_at": LATER}], FetchLog: log})
    assert found["volume_known_at"].dt.strftime("%d %H:%M").to_list() == ["17 21:00"]
    assert found["known_at"].dt.strftime("%d %H:%M").to_list() == ["13 20:00"]


def test_a_changed_volume_and_changed_prices_are_vintages() -> None:
    volume = {**PROXY, "volume": 39_000_000.0, "recorded_at": LATER}
    prices = bar("^RUT", DAY, 1994.0, recorded_at="2025-03-18T21:00Z")
    assert vintages(INDEX, PROXY, volume, prices) == [
        (1993.69, 38_000_000.0, "13 20:00", "17 21:00", "14 08:00"),
        (1993.69, 39_000_000.0, "17 21:00", "18 21:00", "17 21:00"),
        (1994.0, 39_000_000.0, "18 21:00", None, "17 21:00"),
    ]


def test_a_withdrawn_proxy_takes_its_volume_with_it_until_it_returns() -> None:
    withdrawn = {**PROXY, "is_withdrawn": True, "recorded_at": LATER}
    before = (1993.69, 38_000_000.0, "13 20:00", "17 21:00", "14 08:00")
    assert vintages(INDEX, PROXY, withdrawn) == [before, (1993.69, None, "17 21:00", None, None)]
    assert vintages(INDEX, PROXY, withdrawn, {**PROXY, "recorded_at": "2025-03-18T21:00Z"}) == [
        before,
        (1993.69, None, "17 21:00", "18 21:00", None),
        (1993.69, 38_000_000.0, "18 21:00", None, "18 21:00"),
    ]
