"""Whom `r2k ui` answers: its own pages and programs of this machine, whatever another web page tries."""

import asyncio
from typing import Any, Final

import pytest

from r2k_pipeline.orchestration.ui import OwnPagesOnly

PORT: Final = 3000
OWN: Final = {"host": "127.0.0.1:3000"}


async def _answers(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the guard."""
    await send({"type": "reached"})


def asked(kind: str, path: str, method: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """What is sent back to such a request."""
    sent: list[dict[str, Any]] = []
    scope = {"type": kind, "path": path, "method": method}
    scope |= {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing of a refused request is read")

    asyncio.run(OwnPagesOnly(_answers, PORT)(scope, receive, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/", "GET", OWN),
        ("/runs/1", "GET", {"host": "localhost:3000"}),
        ("/graphql", "POST", OWN),
        ("/graphql", "POST", {**OWN, "origin": "http://127.0.0.1:3000"}),
        ("/graphql", "POST", {"host": "localhost:3000", "origin": "http://localhost:3000"}),
    ],
)
def test_its_own_pages_and_programs_are_answered(path: str, method: str, headers: dict[str, str]) -> None:
    assert asked("http", path, method, headers) == [{"type": "reached"}]
    assert asked("websocket", "/graphql", "GET", headers) == [{"type": "reached"}]


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/graphql", "POST", {**OWN, "origin": "http://evil.example"}),
        ("/graphql", "POST", {**OWN, "origin": "null"}),
        ("/graphql", "POST", {**OWN, "origin": "http://127.0.0.1:3001"}),
        ("/graphql", "POST", {**OWN, "origin": "https://127.0.0.1:3000"}),
        ("/graphql", "POST", {"host": "evil.example"}),
        ("/graphql", "POST", {"host": "evil.example:3000", "origin": "http://evil.example:3000"}),
        ("/graphql", "POST", {"host": "127.0.0.1:3000.evil.example"}),
        ("/graphql", "POST", {}),
        ("/graphql", "GET", OWN),
        ("/graphql/", "GET", OWN),
        ("/graphql", "HEAD", OWN),
        ("/report_asset_materialization/x", "POST", {**OWN, "origin": "http://evil.example"}),
    ],
)
def test_what_another_page_can_send_is_refused_before_dagster_sees_it(
    path: str, method: str, headers: dict[str, str]
) -> None:
    start, body = asked("http", path, method, headers)
    assert (start["type"], start["status"]) == ("http.response.start", 403)
    assert body["body"].endswith(b"\n")


@pytest.mark.parametrize("headers", [{**OWN, "origin": "http://evil.example"}, {"host": "evil.example"}])
def test_a_subscription_of_another_page_is_refused_too(headers: dict[str, str]) -> None:
    (sent,) = asked("websocket", "/graphql", "GET", headers)
    assert sent["type"] == "websocket.close"
