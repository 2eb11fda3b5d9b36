"""How the markets of a model are shared out among its tasks."""

import pytest

from r2k_pipeline.inputs import batches
from r2k_pipeline.markets import CotContract, Market

AT_ONCE = 6


def priced(number: int) -> Market:
    return Market(market=f"P{number:03}", name="an index", index=f"^P{number:03}", multiplier=50)


def unpriced(number: int) -> Market:
    contract = CotContract(code=f"{number:06}", exchange="CME")
    return Market(market=f"U{number:03}", name="a future", cot=(contract,))


@pytest.mark.parametrize("count", [1, 6, 7, 69, 350])
def test_no_task_has_more_priced_markets_than_allowed(count: int) -> None:
    """Where they come one after another among hundreds that have none."""
    markets = [*map(unpriced, range(100)), *map(priced, range(count)), *map(unpriced, range(100, 200))]
    parts = batches(markets, AT_ONCE)
    assert [market for part in parts for market in part] == [market.market for market in markets]
    assert max(sum(market.startswith("P") for market in part) for part in parts) <= AT_ONCE


def test_markets_without_prices_share_fewer_tasks() -> None:
    """Planning a query costs as much for markets of few rows as for a century of sessions."""
    of_sessions = batches(list(map(priced, range(348))), AT_ONCE)
    assert len(batches(list(map(unpriced, range(348))), AT_ONCE)) * 2 < len(of_sessions)
