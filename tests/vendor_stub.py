"""A loopback server that speaks both vendors' formats, with scripted faults; real clients are tested against it.

Belongs here: serving bytes, ETags, the faults of a bad day, the chart JSON of a price CSV. Not here: assertions.
"""

import csv
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from r2k_pipeline.sources.yahoo import YahooSession

NEW_YORK = ZoneInfo("America/New_York")
Bar = tuple[str, float | None, float | None, float | None, float | None, float | None, int | None]
"""Date, open, high, low, close, adjusted close, volume."""


@dataclass(frozen=True)
class Resource:
    """What a path answers on a good day."""

    body: bytes
    etag: str | None = None
    last_modified: str | None = None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Fault:
    """How one answer goes wrong; what is not given stays as on a good day."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    sent: int | None = None
    """Bytes sent of those promised; then the connection closes."""
    promise_length: bool = True
    drip_s: float | None = None
    """One byte of the body every so often."""
    drip_head: bool = False
    """Drip the headers instead."""
    reset: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it arrived, and when (monotonic, seconds)."""

    path: str
    query: str
    headers: Mapping[str, str]
    at: float


class VendorStub:
    """Context manager: `url` on 127.0.0.1, `resources` and `faults` by path, `asked` as the log of requests.

    `answerers[path]` makes the resource from the query. `faults[path]` is used up one answer at a time, then the
    resource is served again; `always[path]` stays.
    """

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {
            "/": Resource(b"", content_type="text/html"),
            "/v1/test/getcrumb": Resource(b"crumb", content_type="text/plain"),
        }
        self.answerers: dict[str, Callable[[dict[str, str]], Resource]] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def requests(self, path: str) -> list[Asked]:
        """What was asked of one path."""
        return [asked for asked in self.asked if asked.path == path]

    def refuse(self, *paths: str) -> None:
        """Answer these paths as a server does that refuses container hosts: HTTP 403."""
        self.always |= dict.fromkeys(paths, Fault(403, body=b"<html>Access Denied</html>"))

    def serve_chart(self, symbol: str, answer: Mapping[str, Any]) -> str:
        """Serve `answer` as Yahoo's chart of `symbol`; returns its path."""
        path = f"/v8/finance/chart/{symbol}"
        self.resources[path] = Resource(json.dumps(answer).encode(), content_type="application/json")
        return path


class StubSession(YahooSession):
    """The session of production with one change: *.yahoo.com is the stub."""

    def __init__(self, stub: VendorStub, **limits: int) -> None:
        super().__init__(**limits)
        self._stub = stub

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        """As production's, elsewhere."""
        assert (urlsplit(url).hostname or "").endswith("yahoo.com"), url
        path = "/" + url.split("/", 3)[3] if url.count("/") > 2 else "/"
        return super().request(method, self._stub.url + path, *args, **kwargs)


def read_bars(path: Path) -> list[Bar]:
    """The bars of a CSV in Yahoo's layout."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(row[0], *(float(text) for text in row[1:6]), int(row[6])) for row in rows]  # type: ignore[misc]


def chart(
    symbol: str, bars: Iterable[Bar], *, events: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Yahoo's chart answer for daily bars, stamped at the opening bell in New York, meta as captured from Yahoo."""
    days, *columns = zip(*bars, strict=True)
    names = ("open", "high", "low", "close", "adjclose", "volume")
    quote = dict(zip(names, (list(column) for column in columns), strict=True))
    adjusted = quote.pop("adjclose")
    known: dict[str, Any] = {
        "currency": "USD",
        "symbol": symbol,
        "instrumentType": "INDEX",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EST",
        "gmtoffset": -18000,
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    result: dict[str, Any] = {
        "meta": known | dict(meta or {}),
        "timestamp": [opening_stamp(day) for day in days],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
        **({"events": events} if events else {}),
    }
    return {"chart": {"result": [result], "error": None}}


def opening_stamp(day: str) -> int:
    """Unix seconds of 09:30 in New York."""
    return int(datetime.fromisoformat(f"{day}T09:30").replace(tzinfo=NEW_YORK).timestamp())


class _Handler(BaseHTTPRequestHandler):
    stub: VendorStub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """One answer: a fault if one is due, 304, 404, or the resource."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.stub.asked.append(Asked(path, url.query, headers, time.monotonic()))
        answerer = self.stub.answerers.get(path)
        resource = answerer(dict(parse_qsl(url.query))) if answerer else self.stub.resources.get(path)
        due = self.stub.faults.get(path)
        fault = due.pop(0) if due else self.stub.always.get(path)
        self.close_connection = True
        if fault is not None:
            self._fail(fault, resource or Resource(b""))
        elif resource is None:
            self._send(404, b"no such file", {})
        elif _is_unchanged(resource, headers):
            self._send(304, b"", _validators(resource))
        else:
            self._send(200, resource.body, {"Content-Type": resource.content_type, **_validators(resource)})

    def _fail(self, fault: Fault, resource: Resource) -> None:
        body = resource.body if fault.body is None else fault.body
        if fault.reset:
            # Linger 0: close() sends RST instead of FIN, once the reader's hold on the socket is gone too.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.rfile.close()
        elif fault.drip_head:
            self._drip(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 1000, fault.drip_s or 0.02)
        elif fault.drip_s is not None:
            self._send(fault.status, body, fault.headers, sent=0)
            self._drip(body, fault.drip_s)
        else:
            self._send(fault.status, body, fault.headers, fault.sent, promise_length=fault.promise_length)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str],
        sent: int | None = None,
        *,
        promise_length: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        if promise_length and status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def _drip(self, data: bytes, every_s: float) -> None:
        for byte in data:
            if self.stub.closing.wait(every_s):
                return
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return  # the client cut the connection: what the tests want

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: `asked` is the log."""


def _is_unchanged(resource: Resource, headers: Mapping[str, str]) -> bool:
    """By the ETag; by the date only of a resource without one, as RFC 9110 has it."""
    if resource.etag is not None:
        return headers.get("if-none-match") == resource.etag
    return resource.last_modified is not None and headers.get("if-modified-since") == resource.last_modified


def _validators(resource: Resource) -> dict[str, str]:
    named = {"ETag": resource.etag, "Last-Modified": resource.last_modified}
    return {name: value for name, value in named.items() if value is not None}
