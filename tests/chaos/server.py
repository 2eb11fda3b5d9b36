"""Runs as processes of their own, at the price of a fork: a server that has imported r2k once and forks for each.

Belongs here: the server, the child's exit, killing at a moment. Not here: which run and which fault.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from r2k_pipeline.errors import R2kError
from tests.chaos.days import lake_of, run_day, settings_of
from tests.chaos.disk import Kind, Mode, Strike, arm, compile_disk, counted
from tests.lived.life import new_york

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Order:
    """One run: the day, its files, the lakes' folder, the fault; `builds`: whether more is done than to fetch."""

    day: str
    files: str
    lakes: str
    strike: Strike = Strike()  # noqa: RUF009  (it is frozen)
    builds: bool = True


@dataclass(frozen=True)
class End:
    """How a run ended: `code` is negative where a signal killed it, 1 with lines that say why, 3 for a traceback."""

    code: int
    lines: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def was_killed(self) -> bool:
        """Whether it died by SIGKILL."""
        return self.code == -signal.SIGKILL


class Server:
    """The server, from outside; it has not used Polars' threads, which do not survive a fork."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process, self.said = process, said

    def run(self, order: Order, kill_after: float | None = None) -> End:
        """Run `order` to its end; `kill_after` seconds its process group is killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.said.unlink(missing_ok=True)
        print(json.dumps([str(self.said), asdict(order)]), file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        timer = threading.Timer(kill_after or 0, _kill, [child])
        if kill_after is not None:
            timer.start()
        code = int(self.process.stdout.readline())
        timer.cancel()
        said = json.loads(self.said.read_text()) if self.said.exists() and code >= 0 else {}
        return End(code, tuple(said.get("lines", ())), said.get("counts", {}))


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server whose children's disk can be struck."""
    threads = {"POLARS_MAX_THREADS": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment = os.environ | threads | {"LD_PRELOAD": str(compile_disk(folder)), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=environment,
    ) as process:
        yield Server(process, folder / "said.json")
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Fork for each line of standard input; its process number, then its exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            said, order = json.loads(line)
            os._exit(_child(Path(said), Order(**order | {"strike": _strike(**order["strike"])})))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _strike(kind: int, mode: int, at: int, number: int) -> Strike:
    return Strike(Kind(kind), Mode(mode), at, number)


def _child(said: Path, order: Order) -> int:
    lakes = Path(order.lakes)
    arm(lake_of(lakes).root, order.strike)
    try:
        lines = run_day(settings_of(Path(order.files), lakes), new_york(order.day), builds=order.builds)
        code = 1 if lines else 0
    except (R2kError, OSError) as error:  # a line and exit 1, on the command line too
        code, lines = 1, [f"{type(error).__name__}: {error}"]
    except BaseException:  # noqa: BLE001  (whatever it is, the campaign tells it)
        code, lines = 3, traceback.format_exc().splitlines()
    counts = counted()
    arm(Path("/nowhere"), Strike())
    said.write_text(json.dumps({"lines": lines, "counts": counts}))
    return code


if __name__ == "__main__":
    serve()
