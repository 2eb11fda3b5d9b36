"""Yahoo's daily prices through yfinance, one symbol's full history at a time.

Belongs here: calls of yfinance, their bounds and checks. Not here: what a bar must hold (prices.py, contracts).
Imports yfinance (0.5 s and more): import this module only where the live source is chosen.
"""

import re
import time
import warnings
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import polars as pl
import polars.selectors as cs
import yfinance as yf
from curl_cffi import CurlOpt
from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import RequestException
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFRateLimitError

from r2k_pipeline.contracts.prices import SYMBOL
from r2k_pipeline.sources.http import (
    REMEDY,
    FetchError,
    Limits,
    NoSuchItemError,
    TransientError,
    patiently,
    redact,
    retry_after_s,
)
from r2k_pipeline.sources.protocol import NotThereError, PriceAnswer, SourceError

_CHART_PATH = "/v8/finance/chart/"
_CHART = f"https://query2.finance.yahoo.com{_CHART_PATH}"
_BARS = ("Open", "High", "Low", "Close", "Adj Close", "Volume")
_ACTIONS = ("Dividends", "Stock Splits")
_IGNORED = frozenset({"Capital Gains"})
"""Funds only; Yahoo has already added them to the dividend of the day (yfinance, `_repair_capital_gains`)."""
_REACH = timedelta(days=36_400)
"""How far back we ask. Yahoo refuses more than 100 years of days; yfinance's period="max" is a sliding window of
36,135 days, out of which ^GSPC's first bars (December 1927) fall one a day from December 2026 on."""
_CALL_S = 30.0
_COOKIE_S = 5.0
"""Wall clock of one request, seconds; cookies and crumbs are dispensable and must not eat a symbol's deadline."""
_YFINANCE_TRIPS_ON = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    pl.exceptions.PolarsError,
)
"""What an answer raises that is not the JSON yfinance expects: a page, no timestamps, days beyond all calendars."""


class YahooSession(Session[Response]):
    """The session of all requests to Yahoo: each ends by `deadline_at` (monotonic clock) and under `max_bytes`.

    A refused chart request raises at once: yfinance would ask again without a pause and forget Retry-After.
    """

    deadline_at = float("inf")
    chart_status = 0
    """HTTP status of the newest chart answer, kept because yfinance parses the body of a 401 like any other."""

    def __init__(self, max_bytes: int = Limits.max_bytes) -> None:
        # QUICK_EXIT: otherwise closing curl waits for a DNS look-up that already timed out.
        super().__init__(impersonate="chrome", curl_options={CurlOpt.QUICK_EXIT: 1})
        self._max_bytes = max_bytes

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Response:
        """As curl_cffi's, whose `timeout` is a wall-clock limit. Raises FetchError and curl's RequestException."""
        left_s, body = self.deadline_at - time.monotonic(), bytearray()
        if left_s <= 0:
            raise FetchError("no complete answer before the deadline")

        def keep(chunk: bytes) -> int:
            body.extend(chunk)
            if len(body) > self._max_bytes:
                raise FetchError(f"body larger than the cap of {self._max_bytes} bytes")
            return len(chunk)

        is_chart = urlsplit(url).path.startswith(_CHART_PATH)
        kwargs |= {"timeout": min(left_s, _CALL_S if is_chart else _COOKIE_S), "content_callback": keep}
        response = super().request(method, url, *args, **kwargs)
        response.content = bytes(body)
        if is_chart:
            _refuse_status(response)
            self.chart_status = response.status_code
        return response


class YahooPrices:
    """PriceSource over Yahoo's chart API. One symbol at a time: yfinance keeps its state in singletons."""

    name = "yahoo"
    asks_vendor = True

    def __init__(
        self,
        cache_dir: Path,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        session: YahooSession | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`cache_dir` holds yfinance's time zones and cookies; `session` replaces the way out (tests)."""
        yf.set_tz_cache_location(str(cache_dir))
        yf.config.debug.hide_exceptions = False  # by default a failed look-up is an empty frame
        self._limits, self._now = limits, now
        self._session = session or YahooSession(limits.max_bytes)

    def list_unread(self, symbols: Collection[str]) -> list[str]:  # noqa: ARG002  (the protocol's)
        """No notes: the API serves single symbols and lists none."""
        return []

    def fetch_prices(self, symbol: str) -> PriceAnswer:
        """Every daily bar and action that Yahoo lists, the live bar of an unfinished session included.

        Prices as traded but for splits, which Yahoo applies to the past. NaN is empty text; a null volume has
        become 0 in yfinance. Raises NotThereError for an unknown symbol, SourceError: no symbol, refusal, deadline,
        an empty or foreign answer.
        """
        if re.fullmatch(SYMBOL, symbol) is None:
            raise self._error(symbol, f"not a symbol ({SYMBOL})")
        try:
            return patiently(lambda deadline_at: self._attempt(symbol, deadline_at), symbol, self._limits)
        except NoSuchItemError as error:
            raise NotThereError(self.name, symbol, redact(str(error)), REMEDY) from error
        except FetchError as error:
            raise self._error(symbol, redact(str(error))) from error

    def _attempt(self, symbol: str, deadline_at: float) -> PriceAnswer:
        self._session.deadline_at = deadline_at
        YfData.cache_get.cache_clear()  # otherwise a long-lived process never gets a revised bar
        try:
            return self._read(symbol, *self._ask(symbol))
        except YFRateLimitError as error:
            raise TransientError("HTTP 429") from error
        except RequestException as error:
            raise TransientError(f"{type(error).__name__}: {str(error).split('. See https://curl.se')[0]}") from error
        except YFException as error:
            raise FetchError(str(error)) from error
        except _YFINANCE_TRIPS_ON as error:
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise FetchError(f"an answer that yfinance cannot read ({reason})") from error

    def _read(self, symbol: str, frame: Any, about: tuple[str, str]) -> PriceAnswer:
        """The answer in yfinance's frame. Raises FetchError: refused, about something else, empty."""
        if self._session.chart_status != 200:
            raise FetchError(f"HTTP {self._session.chart_status}, with new cookies too")
        if about != (symbol, "1d"):
            raise FetchError(f"the answer is about {about}, not about {(symbol, '1d')}")
        if frame.empty:
            raise FetchError("an empty answer")
        return _answer(symbol, frame)

    def _ask(self, symbol: str) -> tuple[Any, tuple[str, str]]:
        """yfinance's pandas frame, and the symbol and bar length that the vendor says it is about."""
        ticker = yf.Ticker(symbol, session=self._session)
        with warnings.catch_warnings():
            # yfinance 1.7 calls what pandas 3.1 deprecates, and switches the display of that on for every user.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")
            frame = ticker.history(
                start=(self._now() - _REACH).date(),
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
                repair=False,
            )
            meta = ticker.history_metadata
        return frame, (meta["symbol"], meta["dataGranularity"])

    def _error(self, symbol: str, rule: str) -> SourceError:
        return SourceError(self.name, symbol, rule, REMEDY)


def _refuse_status(response: Response) -> None:
    """401 and 403 pass: yfinance answers them by renewing cookie and crumb, once."""
    status = response.status_code
    if status == 429 or status >= 500:
        headers = {name.lower(): value or "" for name, value in response.headers.items()}
        raise TransientError(f"HTTP {status}", retry_after_s(headers))
    if status not in (200, 401, 403):
        refusal = NoSuchItemError if status == 404 else FetchError
        raise refusal(f"HTTP {status}: {' '.join(response.text[:200].split())}")


def _answer(symbol: str, frame: Any) -> PriceAnswer:
    """yfinance's pandas frame, indexed by exchange-local midnight, as text in Yahoo's file layout."""
    if unknown := set(frame.columns) - {*_BARS, *_ACTIONS} - _IGNORED:
        raise FetchError(f"columns {sorted(unknown)} that no one asked for")
    numbers = pl.DataFrame(
        [
            pl.Series("Date", frame.index.strftime("%Y-%m-%d").to_list()),
            *(pl.Series(name, frame[name].to_numpy()) for name in (*_BARS, *_ACTIONS)),
        ]
    )
    happened = pl.any_horizontal(pl.col(*_ACTIONS) != 0)
    return PriceAnswer(
        symbol=symbol,
        origin=_CHART + quote(symbol),
        bars=_as_text(numbers.select("Date", *_BARS)),
        actions=_as_text(numbers.filter(happened).select("Date", *_ACTIONS)),
    )


def _as_text(numbers: pl.DataFrame) -> pl.DataFrame:
    """Shortest text that reads back as the same number; NaN is empty."""
    return numbers.with_columns(cs.float().fill_nan(None)).cast(pl.String).fill_null("")
