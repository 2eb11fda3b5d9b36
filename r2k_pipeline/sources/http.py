"""One bounded GET, and the manners every network source shares: retries, deadlines, redaction.

Belongs here: wall-clock deadline, byte cap, Retry-After, the check that a body is what its name claims.
Not here: which addresses exist (cftc.py, yahoo.py) and what a body means (prices.py, cot.py).
"""

import io
import logging
import math
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx2
import stamina
import stamina.instrumentation

REMEDY = "r2k run --source live (later), or r2k run --source files --files DIR"
_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_GRACE_S = 1.0
"""How long after its deadline an attempt that ends by itself may take to end, seconds."""
_STALL_S = 10.0
"""Longest silence of a server before one attempt is given up, seconds; the deadline bounds all attempts."""
_SECRET_PLACES = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^/\s]*@)?([^\s?#'\"<>]*)([?#][^\s'\"<>]*)?")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_NO_BODY = frozenset({304, 404})


class FetchError(Exception):
    """A request that failed and will fail again if repeated; the message is free of secrets."""


class OutOfReachError(FetchError):
    """The server gives no file now: it refuses this host (HTTP 403), sends a page, or fails at every attempt.

    Another server may have it.
    """


class NoSuchItemError(FetchError):
    """The server answered that it has no such thing (HTTP 404)."""


class TransientError(OutOfReachError):
    """A failure that may pass (HTTP 429, 5xx, no connection, a body cut short); `retry_after_s`: as the server asks."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        asked = "" if retry_after_s is None else f" (server asks to wait {retry_after_s:.0f} s)"
        super().__init__(message + asked)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Limits:
    """How much one item (a file, a symbol) may cost; `deadline_s` covers all attempts and the waits between.

    `ends_at` (monotonic clock) is the deadline of all items of a run together: seventy items of ninety seconds each
    would take hours, during which the lake stays locked.
    """

    deadline_s: float = 90.0
    ends_at: float = math.inf
    max_bytes: int = 64 * 2**20
    attempts: int = 4
    wait_initial_s: float = 1.0
    wait_max_s: float = 20.0


PRICES_SHARE: Final = 2 / 3
"""Share of the time for all fetches. Reports are fetched after prices, also where the vendor of prices hangs."""


def limits_of_run(seconds: float) -> tuple[Limits, Limits]:
    """The limits of prices and of reports in a run whose fetches may take `seconds` together, from now on."""
    now = time.monotonic()
    return Limits(ends_at=now + PRICES_SHARE * seconds), Limits(ends_at=now + seconds)


@dataclass(frozen=True)
class Answer:
    """What came back: status 200 with its whole body, or 304 or 404 without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def redact(text: str) -> str:
    """`text` with user names, passwords, queries and fragments taken out of every URL in it."""
    return _SECRET_PLACES.sub(lambda url: url[1] + url[2] + (f"{url[3][0]}***" if url[3] else ""), text)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110 10.2.3: a number or a date), None where absent or unreadable.

    A date is read against the server's own Date, so that a wrong clock here does not matter.
    """
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def patiently(act: Callable[[float], T], what: str, limits: Limits) -> T:
    """`act(deadline_at)` until it answers, with bounded exponential back-off after each TransientError.

    `deadline_at` is on the monotonic clock. No wait goes beyond the deadline:
    a Retry-After beyond it ends the attempts at once, and after `limits.ends_at` no request is made. Raises the last
    FetchError; `what` is for the log.
    """
    asked_at = time.monotonic()
    deadline_at = min(asked_at + limits.deadline_s, limits.ends_at)
    if deadline_at <= asked_at:
        raise FetchError("not asked: the time for fetches is over (R2K_LIVE_SECONDS)")
    jitter_s = limits.wait_initial_s / 2

    def pause(error: Exception) -> bool | float:
        if not isinstance(error, TransientError):
            return False
        wait_s = error.retry_after_s
        least_s = attempt.next_wait + jitter_s if wait_s is None else wait_s
        if attempt.num == limits.attempts or least_s > deadline_at - time.monotonic():
            return False
        _LOG.warning("%s: %s; trying again in %.1f s", what, error, least_s)
        return True if wait_s is None else wait_s

    # Our own log line instead of stamina's: through structlog it would go to stdout, which belongs to --json.
    stamina.instrumentation.set_on_retry_hooks(())
    for attempt in stamina.retry_context(
        on=pause,
        attempts=limits.attempts,
        timeout=deadline_at - asked_at,
        wait_initial=limits.wait_initial_s,
        wait_max=limits.wait_max_s,
        wait_jitter=jitter_s,
    ):
        with attempt:
            return act(deadline_at)
    raise AssertionError("stamina re-raises the last error")


def fetch(url: str, headers: Mapping[str, str], limits: Limits) -> Answer:
    """GET `url`, following redirects; retries 429, 5xx, resets, stalls, DNS failures and cut bodies, nothing else.

    Raises FetchError: another status than 200, 304, 404; deadline; a body over the cap, compressed unasked, or
    not what the path's suffix claims (.zip: a whole archive; .htm: not empty; anything else: not markup either).
    """
    logging.getLogger("httpx2").addFilter(_without_secrets)
    return patiently(
        lambda end: within(end, lambda: _attempt(url, headers, end, limits.max_bytes)), redact(url), limits
    )


def within(deadline_at: float, act: Callable[[], T]) -> T:
    """The result of `act`; FetchError shortly after the deadline, whatever `act` waits for.

    A DNS look-up cannot be interrupted. So `act` runs in a thread that may be abandoned and does not keep the process
    alive.
    """
    answer: Future[T] = Future()

    def answering() -> None:
        try:
            answer.set_result(act())
        except BaseException as error:  # noqa: BLE001  (the caller raises it)
            answer.set_exception(error)

    threading.Thread(target=answering, name="fetch", daemon=True).start()
    wait([answer], max(0.0, deadline_at - time.monotonic()) + _GRACE_S)
    if not answer.done():
        raise OutOfReachError("no answer before the deadline and no connection to cut: does the name server hang?")
    return answer.result()


def _attempt(url: str, headers: Mapping[str, str], deadline_at: float, max_bytes: int) -> Answer:
    # One connection per request, because the watchdog closes the socket that it saw being opened.
    stall_s = max(0.001, min(_STALL_S, deadline_at - time.monotonic()))
    with _Watchdog(deadline_at) as watchdog, httpx2.Client(follow_redirects=True, timeout=stall_s) as client:
        try:
            asked = {"Accept-Encoding": "identity", **headers}
            with client.stream("GET", url, headers=asked, extensions={"trace": watchdog.trace}) as response:
                _refuse_status(response)
                body = b"" if response.status_code in _NO_BODY else _read(response, max_bytes)
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError) as error:
            watchdog.refuse_if_fired()
            raise TransientError(f"{type(error).__name__}: {redact(str(error))}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # `from None`: these messages repeat parts of the address, secrets included.
            raise FetchError(f"{type(error).__name__}: not an address that can be fetched") from None
        watchdog.refuse_if_fired()
    if response.status_code not in _NO_BODY:
        _refuse_impostor(urlsplit(url).path, body)
    return Answer(response.status_code, response.headers, body)


def _refuse_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise TransientError(f"HTTP {status}", retry_after_s(response.headers))
    if status == 403:
        raise OutOfReachError("HTTP 403")
    if status != 200 and status not in _NO_BODY:
        raise FetchError(f"HTTP {status}")


def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    """The body; a length short of Content-Length is httpx2's RemoteProtocolError."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"body in content-encoding {response.headers['content-encoding']!r}, asked for none")
    body = bytearray()
    size = int(response.headers.get("content-length", 0))
    chunks = response.iter_raw()
    while size <= max_bytes:
        chunk = next(chunks, b"")
        if not chunk:
            return bytes(body)
        body += chunk
        size = max(size, len(body))
    raise FetchError(f"body larger than the cap of {max_bytes} bytes")


def _refuse_impostor(path: str, body: bytes) -> None:
    if _MARKUP.match(body) and not path.endswith(".htm"):
        raise OutOfReachError(f"a web page where {path.rsplit('/', 1)[-1]} was expected")
    if not body:
        raise FetchError("an empty body")
    if path.endswith(".zip") and not body.startswith(b"PK\x03\x04"):
        raise FetchError("not a zip archive")
    if path.endswith(".zip") and not zipfile.is_zipfile(io.BytesIO(body)):
        raise TransientError("a zip archive cut short: its directory is missing")


def _without_secrets(record: logging.LogRecord) -> bool:
    """httpx2 logs every address it asks, tokens included."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(str(item)) if isinstance(item, httpx2.URL) else item for item in record.args)
    return True


class _Watchdog:
    """Shuts the socket of one exchange at the deadline, wherever that exchange stands.

    A read timeout is no deadline: a server that drips a byte at a time, in the headers or in the body, resets
    it for ever. Shutting the socket from a timer's thread wakes the blocked read.
    """

    def __init__(self, deadline_at: float) -> None:
        self._timer = threading.Timer(max(0.0, deadline_at - time.monotonic()), self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._fired = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx2's trace extension: keep the socket of the newest connection (TLS wraps it in a new one)."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
            if self._fired:
                self._cut()

    def refuse_if_fired(self) -> None:
        """Raises FetchError once the deadline has passed, as the body read by then may be incomplete."""
        if self._fired:
            raise OutOfReachError("no complete answer before the deadline")

    def _cut(self) -> None:
        self._fired = True
        with self._lock:
            if self._socket is not None:
                # OSError: the peer or the reader closed it first, which is all we want. The plain socket's
                # shutdown, because an SSLSocket's own would unwrap TLS under the reading thread.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
