"""What yfinance 1.7 does that our code relies on or works around; a failure here says that the reason has changed."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yfinance as yf
from yfinance.config import ConfigMgr
from yfinance.data import YfData

from tests.vendor_stub import Bar, Fault, StubSession, VendorStub, chart, opening_stamp

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
BARS: list[Bar] = [
    ("2025-03-12", 2037.6, 2050.21, 2000.39, 2024.18, 2024.18, 5_100_000),
    ("2025-03-14", 2005.0, 2045.1, 2004.8, 2044.1, 2044.1, 5_200_000),
    ("2025-03-17", 2043.0, 2070.9, 2040.6, 2068.33, 2068.33, 4_900_000),
]
CHART = "/v8/finance/chart/IWM"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[VendorStub]:
    hidden = yf.config.debug.hide_exceptions
    yf.set_tz_cache_location(str(tmp_path))
    YfData.cache_get.cache_clear()
    with VendorStub() as server:
        server.serve_chart("IWM", chart("IWM", BARS))
        yield server
    yf.config.debug.hide_exceptions = hidden
    YfData.cache_get.cache_clear()


def history(stub: VendorStub, **options: Any) -> Any:
    """yfinance's daily frame of IWM, unadjusted."""
    return yf.Ticker("IWM", session=StubSession(stub)).history(
        **{"start": "2025-03-01", "interval": "1d", "auto_adjust": False, **options}
    )


def test_defaults_that_we_override() -> None:
    fresh = ConfigMgr()
    assert (fresh.debug.hide_exceptions, fresh.network.retries) == (True, 0)
    defaults = inspect.signature(yf.scrapers.history.PriceHistory.history).parameters  # type: ignore[attr-defined]
    said = {name: defaults[name].default for name in ("auto_adjust", "keepna", "repair", "actions")}
    assert said == {"auto_adjust": True, "keepna": False, "repair": False, "actions": True}


def test_a_failed_look_up_is_an_empty_frame_by_default(stub: VendorStub) -> None:
    history(stub)
    stub.always[CHART] = Fault(body=b"<html>")
    yf.config.debug.hide_exceptions = True
    assert history(stub).empty
    yf.config.debug.hide_exceptions = False
    with pytest.raises(ValueError, match="Expecting value"):
        history(stub)


def test_max_is_a_window_that_slides(stub: VendorStub) -> None:
    """36,135 days: ^GSPC's bars of December 1927 fall out of it from December 2026 on."""
    history(stub, start=None, period="max")
    asked = dict(pair.split("=") for pair in stub.requests(CHART)[-1].query.split("&"))
    assert (int(asked["period2"]) - int(asked["period1"])) // 86_400 == 36_134


def test_an_unset_keepna_drops_null_days_in_silence(stub: VendorStub) -> None:
    stub.serve_chart("IWM", chart("IWM", [*BARS, ("2025-03-18", None, None, None, None, None, None)]))
    assert [len(history(stub, keepna=keepna)) for keepna in (False, True)] == [3, 4]


def test_a_null_volume_becomes_zero(stub: VendorStub) -> None:
    stub.serve_chart("IWM", chart("IWM", [*BARS, ("2025-03-18", 1.0, 1.0, 1.0, 1.0, 1.0, None)]))
    assert history(stub)["Volume"].iloc[-1] == 0


def test_a_dividend_of_a_day_without_a_bar_moves_to_the_bar_before(stub: VendorStub) -> None:
    stamp = opening_stamp("2025-03-13")
    stub.serve_chart("IWM", chart("IWM", BARS, events={"dividends": {str(stamp): {"amount": 0.5, "date": stamp}}}))
    paid = history(stub)["Dividends"]
    assert {day.date().isoformat(): amount for day, amount in paid[paid > 0].items()} == {"2025-03-12": 0.5}


def test_a_dividend_after_the_last_bar_invents_a_row_without_prices(stub: VendorStub) -> None:
    stamp = opening_stamp("2025-03-20")
    stub.serve_chart("IWM", chart("IWM", BARS, events={"dividends": {str(stamp): {"amount": 0.5, "date": stamp}}}))
    last = history(stub).iloc[-1]
    assert (last.name.date().isoformat(), last["Dividends"], last["Close"] != last["Close"]) == (
        "2025-03-20",
        0.5,
        True,
    )


def test_look_ups_of_a_process_are_remembered_until_cleared(stub: VendorStub) -> None:
    history(stub)  # the time zone is on disk from here on
    stub.asked.clear()
    for _ in range(2):
        history(stub, end="2025-03-18")
    assert len(stub.requests(CHART)) == 1
    YfData.cache_get.cache_clear()
    history(stub, end="2025-03-18")
    assert len(stub.requests(CHART)) == 2
