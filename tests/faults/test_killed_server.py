"""The machine stops while `r2k ui` is amid a run: after a restart that run has failed and the next one runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget

from r2k_pipeline.orchestration.instance import open_instance
from r2k_pipeline.orchestration.ui import LOCATION, start_again
from r2k_pipeline.settings import Settings
from tests.browser.conftest import await_answer, started_with

LAUNCH: Final = """mutation { launchRun(executionParams: {runConfigData: "{}", selector: {repositoryLocationName: "r2k",
    repositoryName: "__repository__", jobName: "refresh"}}) { ... on LaunchRunSuccess { run { runId } } } }"""
WAIT_SECONDS: Final = 120


def ask(address: str, query: str) -> Any:
    """What a program of this machine is answered."""
    body = json.dumps({"query": query}).encode()
    with urlopen(Request(f"{address}/graphql", body, {"content-type": "application/json"}), timeout=60) as answer:
        return json.load(answer)["data"]


def await_status(lake: Path, run_id: str, *wanted: str) -> None:
    """Wait until the records of that lake's runs say so: to ask the server for it would take seconds at its start."""
    deadline = time.monotonic() + WAIT_SECONDS
    with open_instance(Settings(lake=lake), writes_one_run=False) as records:
        while (run := records.get_run_by_id(run_id)) is None or run.status.value not in wanted:
            assert time.monotonic() < deadline, run
            time.sleep(0.1)


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


def test_after_kill_9_of_the_server_the_queue_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    lake = tmp_path / "lake"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(lake, port) as address:
        first, second = (ask(address, LAUNCH)["launchRun"]["run"]["runId"] for _ in range(2))
        await_status(lake, first, "STARTED")
    with serving(lake, port):
        await_status(lake, first, "FAILURE")
        await_status(lake, second, "STARTING", "STARTED", "SUCCESS")


def test_the_process_for_the_steps_is_started_again(tmp_path: Path) -> None:
    """In a process of its own: a thread of Dagster's goes on asking the killed process until its own process ends."""
    (tmp_path / "steps.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    server = get_context("spawn").Process(target=_killed_and_started_again, args=(tmp_path,))
    server.start()
    server.join(WAIT_SECONDS)
    assert server.exitcode == 0


def _killed_and_started_again(folder: Path) -> None:
    lake = folder / "lake"
    os.environ["R2K_LAKE"] = str(lake)
    target = PythonFileTarget(str(folder / "steps.py"), None, None, LOCATION)
    with (
        open_instance(Settings(lake=lake), writes_one_run=False) as instance,
        WorkspaceProcessContext(instance, target) as workspace,
    ):
        assert not start_again(workspace)
        for process in started_with(lake):
            os.kill(process, signal.SIGKILL)
        assert start_again(workspace)
        assert not start_again(workspace)
