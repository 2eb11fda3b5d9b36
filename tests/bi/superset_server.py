"""An Apache Superset of its own for the tests: on loopback, its database in a folder that goes with it.

Belongs here: starting and stopping it, and its REST API as far as the tests speak it. Not here: what is expected.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

PROJECT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = PROJECT / "bi" / "superset"
DASHBOARD: Final = "positioning-against-technicals"
USER: Final = "admin"
PASSWORD: Final = "correct horse"
START_SECONDS: Final = 180
"""Superset imports itself for 10 s on two idle cores."""
STOP_SECONDS: Final = 20


@dataclass(frozen=True)
class Superset:
    """A running Superset, with somebody logged in who may do everything."""

    address: str
    client: httpx2.Client

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """An answer of the API, whatever its status."""
        return self.client.request(method, f"/api/v1/{path}", **options)

    def get(self, path: str) -> Any:
        """The `result` of a good answer; any other fails the test with what Superset said."""
        return self.result(self.ask("GET", path))

    @staticmethod
    def result(answer: httpx2.Response) -> Any:
        """The `result` of a good answer; any other fails the test with what Superset said."""
        assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text[:2000]}"
        return answer.json()["result"]

    def import_bundle(self, bundle: Path) -> None:
        """Imports what bundle.py wrote, over what is there."""
        answer = self.ask("POST", "assets/import/", files={"bundle": (bundle.name, bundle.read_bytes())})
        assert answer.is_success, f"{answer.status_code} {answer.text[:2000]}"

    def charts(self) -> dict[str, int]:
        """The dashboard's charts and their ids."""
        return {chart["slice_name"]: chart["id"] for chart in self.get(f"dashboard/{DASHBOARD}/charts")}

    def rows(self, chart: str) -> list[dict[str, Any]]:
        """What the chart's saved question is answered with; never a part of it."""
        (answer,) = self.get(f"chart/{self.charts()[chart]}/data/")
        assert answer["rowcount"] == len(answer["data"]), f"{chart}: rows are missing"
        return list(answer["data"])

    def database_id(self) -> int:
        """Superset's id of the warehouse."""
        (found,) = [database["id"] for database in self.get("database/") if database["database_name"] == "r2k"]
        return int(found)

    def sql(self, query: str) -> httpx2.Response:
        """What SQL Lab answers."""
        question = {"database_id": self.database_id(), "sql": query, "runAsync": False}
        return self.ask("POST", "sqllab/execute/", json=question)


@contextmanager
def running_superset(binaries: Path, folder: Path) -> Iterator[Superset]:
    """A Superset with an empty database in `folder`, in a time zone that is not UTC; stopped afterwards."""
    environment = os.environ | {
        "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
        "SUPERSET_SECRET_KEY": os.urandom(32).hex(),
        "SUPERSET_HOME": str(folder),
        "TZ": "America/New_York",
    }
    # What the tests run with is not Superset's.
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    names = ("--username", USER, "--password", PASSWORD, "--firstname", "A", "--lastname", "B", "--email", "a@b.test")
    with (folder / "superset.log").open("w") as log:
        for command in (("db", "upgrade"), ("init",), ("fab", "create-admin", *names)):
            done = subprocess.run(
                [binaries / "superset", *command], cwd=folder, env=environment, stdout=log, stderr=log, check=False
            )
            assert not done.returncode, f"superset {command[0]}:\n{Path(log.name).read_text()[-4000:]}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            bind = f"127.0.0.1:{free.getsockname()[1]}"
        command = ("--bind", bind, "--worker-class", "gthread", "--threads", "4", "superset.app:create_app()")
        server = subprocess.Popen(
            [binaries / "gunicorn", *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await_answer(f"http://{bind}", server, Path(log.name))
            with httpx2.Client(base_url=f"http://{bind}", timeout=60) as client:
                _log_in(client)
                yield Superset(f"http://{bind}", client)
        finally:
            _stop(server)


def _await_answer(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx2.get(f"{address}/health", timeout=5).raise_for_status()
            return
        except httpx2.HTTPError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Superset did not answer (exit code {server.poll()}):\n{log.read_text()[-4000:]}")
            time.sleep(0.5)


def _log_in(client: httpx2.Client) -> None:
    answer = client.post("/api/v1/security/login", json={"username": USER, "password": PASSWORD, "provider": "db"})
    answer.raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    client.headers["Referer"] = str(client.base_url)
    client.headers["X-CSRFToken"] = client.get("/api/v1/security/csrf_token/").raise_for_status().json()["result"]


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """Gunicorn ends its workers; what outlives that is killed with its process group, and fails the test."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(STOP_SECONDS)
        raise
