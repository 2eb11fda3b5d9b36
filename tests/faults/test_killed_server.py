"""The machine stops while `r2k ui` is amid a run: after a restart that run has failed and the next one runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.browser.conftest import await_answer, started_with

LAUNCH: Final = """mutation { launchRun(executionParams: {runConfigData: "{}", selector: {repositoryLocationName: "r2k",
    repositoryName: "__repository__", jobName: "refresh"}}) { ... on LaunchRunSuccess { run { runId } } } }"""
RUNS: Final = "{ runsOrError { ... on Runs { results { runId status } } } }"
WAIT_SECONDS: Final = 120


def ask(address: str, query: str) -> Any:
    """What a program of this machine is answered."""
    body = json.dumps({"query": query}).encode()
    with urlopen(Request(f"{address}/graphql", body, {"content-type": "application/json"}), timeout=60) as answer:
        return json.load(answer)["data"]


def statuses(address: str) -> dict[str, str]:
    """The status of each run by its id."""
    return {run["runId"]: run["status"] for run in ask(address, RUNS)["runsOrError"]["results"]}


def await_status(address: str, wanted: Callable[[dict[str, str]], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not wanted(found := statuses(address)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@contextmanager
def serving(lake: Path, port: int) -> Iterator[str]:
    """The address of a `r2k ui` on that lake; in the end every process of it is killed at once, as by a power cut."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("R2K_", "DAGSTER_"))}
    command = [sys.executable, "-c", "from r2k_pipeline.cli import main; main()", "ui", "--port", str(port)]
    log = lake.parent / "ui.log"
    with log.open("a") as stream:
        server = subprocess.Popen(
            command, env=environment | {"R2K_LAKE": str(lake)}, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await_answer(address, server, str(log))
        yield address
    finally:
        while left := started_with(lake):
            for process in left:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.1)
        server.wait(10)


def test_after_kill_9_of_the_server_the_queue_goes_on(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(lake, port) as address:
        first, second = (ask(address, LAUNCH)["launchRun"]["run"]["runId"] for _ in range(2))
        await_status(address, lambda found: found[first] == "STARTED")
    with serving(lake, port) as address:
        assert statuses(address)[first] == "FAILURE"
        await_status(address, lambda found: found[second] in {"STARTED", "SUCCESS"})
