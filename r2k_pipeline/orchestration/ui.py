"""The Dagster UI with its daemon, on loopback, for its own pages only.

Belongs here: what `r2k ui` serves, and to whom. Not here: what is in the UI, which is Dagster's.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Final

import dagster as dg
import uvicorn
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.controller import DagsterDaemonController, create_daemons_from_instance
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from r2k_pipeline.errors import R2kError
from r2k_pipeline.orchestration.instance import open_instance
from r2k_pipeline.orchestration.launcher import end_dead_runs
from r2k_pipeline.runs import Run

ADDRESS: Final = "127.0.0.1"
STOP_SECONDS: Final = 2
"""How long an open page may keep the server from ending."""
LOOK_SECONDS: Final = 30
"""How often the server looks whether the process for the steps answers."""
LOCATION: Final = "r2k"


class OwnPagesOnly:
    """Middleware that lets through requests of the UI's own pages and of programs on this machine.

    Dagster executes requests of any page, whatever `Host` and `Origin` are. It also changes state by GET, with which a
    browser sends no Origin.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refused(scope) if scope["type"] in {"http", "websocket"} else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send)

    def _refused(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return "not this server's name; next: open it as the address that `r2k ui` printed"
        if headers.get("origin", next(iter(self._origins))) not in self._origins:
            return "another origin: only this server's own pages may ask"
        if scope["type"] == "http" and scope["path"].rstrip("/") == "/graphql" and scope["method"] != "POST":
            return "a query comes by POST"
        return None


def serve_ui(run: Run, port: int) -> None:
    """Serve until interrupted. Raises R2kError if Dagster's records cannot be kept.

    The settings of `run` must be in the environment, where the process that runs the steps reads them.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _port(port) as listening, open_instance(run.settings, writes_one_run=False) as instance:
        end_dead_runs(instance, run.lake.root, timedelta())
        with _workspace(instance) as workspace:
            app = create_app_from_workspace_process_context(workspace)
            print(f"r2k: the UI of {run.lake.root} is on http://{ADDRESS}:{port}", flush=True)
            guarded = OwnPagesOnly(app, port)
            config = uvicorn.Config(guarded, log_level="warning", timeout_graceful_shutdown=STOP_SECONDS)
            with suppress(KeyboardInterrupt):  # interrupted
                uvicorn.Server(config).run([listening])


def _port(port: int) -> socket.socket:
    """Bind the port before anything is started; raises R2kError."""
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        raise R2kError(
            f"port {port} on {ADDRESS}", os.strerror(error.errno or 0), f"r2k ui --port {port + 1}"
        ) from error


@contextmanager
def _workspace(instance: dg.DagsterInstance) -> Iterator[WorkspaceProcessContext]:
    """A process for the steps, and Dagster's daemons (queue, schedules, monitoring) in threads of this one."""
    target = ModuleTarget("r2k_pipeline.definitions", None, None, LOCATION)
    with ExitStack() as stack:
        workspace = stack.enter_context(WorkspaceProcessContext(instance, target, version=webserver_version))
        daemons = [stack.enter_context(daemon) for daemon in create_daemons_from_instance(instance)]
        stack.enter_context(DagsterDaemonController(workspace, daemons))
        stack.enter_context(_watched(workspace))
        yield workspace


@contextmanager
def _watched(workspace: WorkspaceProcessContext) -> Iterator[None]:
    """Look after the process for the steps in a thread."""
    ended = Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            if start_again(workspace):
                print("r2k: the process for the steps did not answer: it was started again", flush=True)

    watch = Thread(target=look, name="watch of the process for the steps", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join(STOP_SECONDS)


def start_again(workspace: WorkspaceProcessContext) -> bool:
    """Start the process for the steps again if it does not answer, and return whether that was needed.

    Where it was killed (a machine short of memory) or did not start, Dagster only waits, and every tick fails.
    """
    location = workspace.create_request_context().get_code_location_entries()[LOCATION].code_location
    with suppress(DagsterUserCodeUnreachableError):
        if isinstance(location, GrpcServerCodeLocation):
            location.client.ping("")
            return False
    workspace.reload_code_location(LOCATION)
    return True
