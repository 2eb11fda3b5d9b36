"""What the browser tests run against: `r2k ui` as a user starts it, and Debian's Chromium.

Belongs here: starting and stopping both, on loopback, in a lake of their own. Not here: what is clicked.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.lakes import Published

PROJECT = Path(__file__).resolve().parents[2]
ARTIFACTS = PROJECT / "tests" / "artifacts"
START_SECONDS = 120
"""Dagster imports itself in three processes before it answers: about 8 s on two idle cores."""
STOP_SECONDS = 15
DRAWN_MS = 60_000
"""Until the figures of a page are drawn, on a busy machine."""
SWITCHES = [
    f"--{switch}"
    for switch in (
        *("no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
    )
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; without one the tests skip, in CI they fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("the browser tests need Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def site(reported: Published) -> Path:
    """The folder of the sample's site, as the command line writes it."""
    assert reported.result.exit_code == 0, reported.result.output
    return reported.lake.report()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all pages."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield started
        started.close()


@pytest.fixture(scope="module")
def dagster_ui(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `r2k ui` on an empty sample lake; afterwards none of its processes may be left."""
    folder = tmp_path_factory.mktemp("ui")
    lake = folder / "lake"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    # A shell's background job has SIGINT ignored, and so has what it starts: `r2k ui &` must stop all the same.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", str(Path(sys.executable).with_name("r2k")), "ui"]
    environment = os.environ | {"R2K_LAKE": str(lake), "R2K_SOURCE": "sample"}
    environment.pop("DAGSTER_HOME", None)
    with (folder / "ui.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            await_answer(address, server, log.name)
            yield address
        finally:
            left = _stop(server, lake)
    assert not left, f"r2k ui was told to stop and left processes {left} behind"


def await_answer(address: str, server: "subprocess.Popen[bytes]", log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(f"{address}/server_info", timeout=5) as answer:
                assert b"dagster_version" in answer.read()
            return
        except (URLError, TimeoutError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"r2k ui did not answer (exit code {server.poll()}):\n{Path(log).read_text()[-4000:]}")
            time.sleep(0.25)


def _stop(server: "subprocess.Popen[bytes]", lake: Path) -> list[int]:
    """Ends the server as a terminal would; what outlives that is killed by id and returned."""
    server.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while (server.poll() is None or started_with(lake)) and time.monotonic() < deadline:
        time.sleep(0.25)
    left = started_with(lake)
    for process in left:
        os.kill(process, signal.SIGKILL)
    server.wait(5)
    return left


def started_with(lake: Path) -> list[int]:
    """Every process whose environment names this lake (Linux's /proc; elsewhere there is nothing to see)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"R2K_LAKE=" + bytes(lake) in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found


@pytest.fixture
def page(chromium: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """One page of a fresh browser; how it looked at the end is kept in tests/artifacts/, whatever the outcome."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        try:
            tab = browser.new_page(viewport={"width": 1600, "height": 1000})
            yield tab
            ARTIFACTS.mkdir(exist_ok=True)
            tab.screenshot(path=ARTIFACTS / f"{request.node.name}.png")
        finally:
            browser.close()
