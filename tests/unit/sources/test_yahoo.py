"""Yahoo's prices through the real yfinance and curl_cffi against a loopback server; only the session is replaced."""

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from r2k_pipeline.sources.http import Limits
from r2k_pipeline.sources.protocol import NotThereError, SourceError
from r2k_pipeline.sources.yahoo import YahooPrices
from tests.vendor_stub import Bar, Fault, StubSession, VendorStub, chart, opening_stamp, read_bars

FAST = Limits(deadline_s=4.0, attempts=3, wait_initial_s=0.01, wait_max_s=0.02)
BARS: list[Bar] = [
    ("2025-03-12", 2037.6, 2050.21, 2000.39, 2024.18, 2024.18, 5_100_000),
    ("2025-03-13", 2020.5, 2022.3, 1984.92, 1993.69, 1993.69, 5_300_000),
    ("2025-03-14", 2005.0, 2045.1, 2004.8, 2044.1, 2044.1, 5_200_000),
]


@pytest.fixture
def stub() -> Iterator[VendorStub]:
    with VendorStub() as server:
        server.serve_chart("^RUT", chart("^RUT", BARS))
        yield server


CHART = "/v8/finance/chart/^RUT"


def prices(stub: VendorStub, cache: Path, limits: Limits = FAST) -> YahooPrices:
    return YahooPrices(cache, limits, StubSession(stub, max_bytes=limits.max_bytes))


def captured(real: Path, name: str) -> dict[str, Any]:
    """A chart answer as Yahoo gave it."""
    (path,) = (real / "yahoo_chart").glob(name)
    answer: dict[str, Any] = json.loads(path.read_bytes())["response"]["bodyJson"]
    return answer


@pytest.mark.parametrize("symbol", ["^RUT", "RTY=F"])
def test_the_whole_history_comes_back_as_the_text_of_yahoos_own_csv(
    stub: VendorStub, tmp_path: Path, real: Path, symbol: str
) -> None:
    path = real / "prices" / f"{symbol}.csv"
    stub.serve_chart(symbol, chart(symbol, read_bars(path)))
    answer = prices(stub, tmp_path).fetch_prices(symbol)
    assert answer.bars.equals(pl.read_csv(path, infer_schema=False))
    assert answer.actions.is_empty()
    assert answer.origin.startswith("https://query2.finance.yahoo.com/v8/finance/chart/")


def test_a_real_split_is_an_action(stub: VendorStub, tmp_path: Path, real: Path) -> None:
    stub.serve_chart("NVDA", captured(real, "historical-via-chart-NVDA-split*"))
    answer = prices(stub, tmp_path).fetch_prices("NVDA")
    assert answer.actions.rows() == [("2021-07-20", "0.0", "4.0")]
    assert answer.actions.columns == ["Date", "Dividends", "Stock Splits"]
    assert answer.bars["Date", "Close", "Volume"].row(0) == ("2021-02-01", "13.237000465393066", "217204000")


def test_real_dividends_are_actions(stub: VendorStub, tmp_path: Path, real: Path) -> None:
    stub.serve_chart("MSFT", captured(real, "historical-via-chart-MSFT-dividends*"))
    assert prices(stub, tmp_path).fetch_prices("MSFT").actions.rows() == [
        ("2021-02-17", "0.56", "0.0"),
        ("2021-05-19", "0.56", "0.0"),
        ("2021-08-18", "0.56", "0.0"),
        ("2021-11-17", "0.62", "0.0"),
    ]


def test_no_value_is_empty_text_and_its_row_stays(stub: VendorStub, tmp_path: Path) -> None:
    holed: list[Bar] = [*BARS[:2], ("2025-03-14", None, None, None, None, None, None)]
    stub.serve_chart("^RUT", chart("^RUT", holed))
    bars = prices(stub, tmp_path).fetch_prices("^RUT").bars
    assert bars.row(2) == ("2025-03-14", "", "", "", "", "", "0")


def test_the_live_bar_is_handed_over_once_with_its_newest_values(stub: VendorStub, tmp_path: Path) -> None:
    live: Bar = ("2025-03-14", 2005.0, 2046.0, 2004.8, 2034.51, 2034.51, 2_900_000)
    answer = chart("^RUT", [*BARS, live])
    answer["chart"]["result"][0]["timestamp"][-1] = opening_stamp("2025-03-14") + 3 * 3600
    stub.serve_chart("^RUT", answer)
    bars = prices(stub, tmp_path).fetch_prices("^RUT").bars
    assert bars["Date"].to_list() == ["2025-03-12", "2025-03-13", "2025-03-14"]
    assert bars.row(2) == ("2025-03-14", "2005.0", "2046.0", "2004.8", "2034.51", "2034.51", "2900000")


def test_a_revised_bar_is_seen_by_the_same_process(stub: VendorStub, tmp_path: Path) -> None:
    source = prices(stub, tmp_path)
    assert source.fetch_prices("^RUT").bars["Close"][-1] == "2044.1"
    stub.serve_chart("^RUT", chart("^RUT", [*BARS[:2], ("2025-03-14", 2005.0, 2045.1, 2004.8, 2044.5, 2044.5, 1)]))
    assert source.fetch_prices("^RUT").bars["Close"][-1] == "2044.5"


def test_asks_for_every_day_that_yahoo_grants(stub: VendorStub, tmp_path: Path) -> None:
    source = YahooPrices(tmp_path, FAST, StubSession(stub), now=lambda: datetime(2027, 6, 30, tzinfo=UTC))
    source.fetch_prices("^RUT")
    asked = dict(pair.split("=") for pair in stub.requests(CHART)[-1].query.split("&"))
    assert datetime.fromtimestamp(int(asked["period1"]), UTC).date().isoformat() <= "1927-12-30", "^GSPC's first bar"
    assert (asked["interval"], asked["includePrePost"]) == ("1d", "false")


# Failures


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(429), Fault(reset=True), Fault(sent=50)])
def test_a_passing_failure_is_tried_again(stub: VendorStub, tmp_path: Path, fault: Fault) -> None:
    stub.faults[CHART] = [fault, fault]
    assert prices(stub, tmp_path).fetch_prices("^RUT").bars.height == 3


def test_a_stale_crumb_is_renewed(stub: VendorStub, tmp_path: Path) -> None:
    stub.faults[CHART] = [Fault(401, body=b'{"finance": {"error": {"code": "Unauthorized"}}}')]
    assert prices(stub, tmp_path).fetch_prices("^RUT").bars.height == 3


def test_retry_after_is_obeyed_and_yahoo_is_not_asked_meanwhile(stub: VendorStub, tmp_path: Path) -> None:
    prices(stub, tmp_path).fetch_prices("^RUT")  # the time zone is known from here on: one request per look-up
    stub.asked.clear()
    stub.faults[CHART] = [Fault(429, {"Retry-After": "1"})]
    assert prices(stub, tmp_path).fetch_prices("^RUT").bars.height == 3
    first, second = (asked.at for asked in stub.requests(CHART))
    assert 0.95 <= second - first < 2.0


def test_a_rate_limit_that_stays_ends_in_an_error(stub: VendorStub, tmp_path: Path) -> None:
    stub.always[CHART] = Fault(429)
    with pytest.raises(SourceError, match=r"yahoo: \^RUT: HTTP 429; next: "):
        prices(stub, tmp_path).fetch_prices("^RUT")
    assert len(stub.requests(CHART)) == FAST.attempts


def test_a_rate_limited_crumb_is_done_without(stub: VendorStub, tmp_path: Path) -> None:
    stub.always["/v1/test/getcrumb"] = Fault(429, {"Retry-After": "3600"}, body=b"Too Many Requests")
    assert prices(stub, tmp_path).fetch_prices("^RUT").bars.height == 3


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (Fault(body=b"<html>Will be right back"), "YAHOO! FINANCE IS CURRENTLY DOWN"),
        (Fault(body=b"<html>consent"), r"an answer that yfinance cannot read \(JSONDecodeError"),
        (Fault(body=b'{"chart": {"result": [{"meta'), r"an answer that yfinance cannot read \(JSONDecodeError"),
        (Fault(body=b'{"chart": {"result": [], "error": null}}'), "no price data found"),
        (Fault(body=b'{"chart": {"result": null, "error": {"description": "Too old"}}}'), "Too old"),
        (Fault(401), "HTTP 401"),
        (Fault(500), "HTTP 500"),
        (Fault(sent=50), "IncompleteRead"),
        (Fault(reset=True), "ConnectionError"),
    ],
    ids=["down page", "html", "partial json", "no result", "error at 200", "401", "500", "short", "reset"],
)
def test_a_lasting_failure_is_told(stub: VendorStub, tmp_path: Path, fault: Fault, rule: str) -> None:
    prices(stub, tmp_path).fetch_prices("^RUT")
    stub.always[CHART] = fault
    with pytest.raises(SourceError, match=rf"yahoo: \^RUT: .*{rule}.*; next: "):
        prices(stub, tmp_path).fetch_prices("^RUT")


def test_real_empty_answers_are_errors(stub: VendorStub, tmp_path: Path, real: Path) -> None:
    said = {
        "chart-notimestamp-quotes-length*": "KeyError: 'timestamp'",
        "chart-AAPL-2025-02-01*": "no price data found",
    }
    for name, rule in said.items():
        stub.serve_chart("AAPL", captured(real, name))
        with pytest.raises(SourceError, match=f"yahoo: AAPL: .*{rule}"):
            prices(stub, tmp_path).fetch_prices("AAPL")


def test_no_bars_at_all_is_an_error(stub: VendorStub, tmp_path: Path) -> None:
    empty = chart("^RUT", BARS)
    result = empty["chart"]["result"][0]
    result["timestamp"] = []
    result["indicators"] = {
        "quote": [{name: [] for name in ("open", "high", "low", "close", "volume")}],
        "adjclose": [{"adjclose": []}],
    }
    stub.serve_chart("^RUT", empty)
    with pytest.raises(SourceError, match=r"yahoo: \^RUT: an empty answer"):
        prices(stub, tmp_path).fetch_prices("^RUT")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("timestamp", 1), None),
        (("timestamp", 1), -(10**12)),
        (("indicators", "quote", 0, "volume", 1), 10**20),
        (("events", "dividends", "1735828200", "amount"), []),
        (("events", "splits", "1735828200", "numerator"), 10**20),
    ],
    ids=["no instant", "before all years", "volume", "list", "split"],
)
def test_values_that_no_frame_can_hold_fail_that_symbol(
    stub: VendorStub, tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    at = opening_stamp(BARS[0][0])
    events = {
        "dividends": {"1735828200": {"date": at, "amount": 0.5}},
        "splits": {"1735828200": {"date": at, "numerator": 3, "denominator": 2, "splitRatio": "3:2"}},
    }
    answer = chart("^RUT", BARS, events=events)
    within = answer["chart"]["result"][0]
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = value
    stub.serve_chart("^RUT", answer)
    with pytest.raises(SourceError, match=r"yahoo: \^RUT: an answer that yfinance cannot read \(") as caught:
        prices(stub, tmp_path).fetch_prices("^RUT")
    assert "\n" not in str(caught.value)


def test_one_symbol_that_fails_leaves_the_others(stub: VendorStub, tmp_path: Path) -> None:
    source = prices(stub, tmp_path)
    gone = {
        "chart": {
            "result": None,
            "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
        }
    }
    stub.always["/v8/finance/chart/^OLD"] = Fault(404, body=json.dumps(gone).encode())
    with pytest.raises(NotThereError, match=r"yahoo: \^OLD: HTTP 404: .*symbol may be delisted"):
        source.fetch_prices("^OLD")
    assert source.fetch_prices("^RUT").bars.height == 3
    assert len(stub.requests("/v8/finance/chart/^OLD")) == 1


def test_an_error_at_200_for_a_symbol_never_seen_is_told_and_not_remembered(stub: VendorStub, tmp_path: Path) -> None:
    stub.serve_chart("^NEW", {"chart": {"result": None, "error": {"code": "x", "description": "No such thing"}}})
    with pytest.raises(SourceError, match=r"yahoo: \^NEW: .*; next: "):
        prices(stub, tmp_path).fetch_prices("^NEW")
    stub.serve_chart("^NEW", chart("^NEW", BARS))
    assert prices(stub, tmp_path).fetch_prices("^NEW").bars.height == 3


@pytest.mark.parametrize("meta", [{"symbol": "^GSPC"}, {"dataGranularity": "1mo"}])
def test_an_answer_about_something_else_is_refused(stub: VendorStub, tmp_path: Path, meta: dict[str, str]) -> None:
    stub.serve_chart("^RUT", chart("^RUT", BARS, meta=meta))
    with pytest.raises(SourceError, match="the answer is about"):
        prices(stub, tmp_path).fetch_prices("^RUT")


@pytest.mark.parametrize("fault", [Fault(drip_s=0.05), Fault(drip_head=True, drip_s=0.05)])
def test_a_server_that_drips_is_cut_at_the_deadline(stub: VendorStub, tmp_path: Path, fault: Fault) -> None:
    stub.always[CHART] = fault
    begun = time.monotonic()
    with pytest.raises(SourceError, match=r"yahoo: \^RUT: (Timeout|no complete answer)"):
        prices(stub, tmp_path, Limits(deadline_s=0.6)).fetch_prices("^RUT")
    assert time.monotonic() - begun < 2.0


def test_a_body_over_the_cap_is_refused_even_when_it_arrives_compressed(stub: VendorStub, tmp_path: Path) -> None:
    stub.always[CHART] = Fault(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(2**20)))
    with pytest.raises(SourceError, match="larger than the cap of 100000 bytes"):
        prices(stub, tmp_path, Limits(deadline_s=4.0, max_bytes=100_000)).fetch_prices("^RUT")
    assert len(stub.requests(CHART)) == 1


@pytest.mark.parametrize("symbol", ["", "../etc", "^RUT?x=1", "rut", "A B", "=HYPERLINK(1)", "X" * 17])
def test_a_hostile_symbol_is_never_asked(stub: VendorStub, tmp_path: Path, symbol: str) -> None:
    with pytest.raises(SourceError, match="not a symbol"):
        prices(stub, tmp_path).fetch_prices(symbol)
    assert stub.asked == []
