"""A process that runs a user's SQL, from its parent's side: started, sent requests, killed if it does not stop.

Belongs here: its life and the waiting. Not here: its own side (serving.py), the requests (sandbox.py, query.py).
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from typing import Any, Final, Protocol

from r2k_pipeline.errors import QueryError, ShortError
from r2k_pipeline.shipped import PACKAGE

ROWS: Final = b"+"
REFUSED: Final = b"-"
SHORT: Final = b"!"
"""The first byte of an answer: rows, or the reason of a refusal, or an out-of-memory error."""


class Setup(Protocol):
    """Limits of a process: the time of one request, and the memory for all its data."""

    @property
    def seconds(self) -> float: ...
    @property
    def process_bytes(self) -> int: ...


GRACE_SECONDS: Final = 2.0
"""How long a query may take to notice an interrupt; a single call of a function notices it only at its end."""
START_SECONDS: Final = 60.0
"""To import libraries and to open the tables; on an idle machine some tenths of a second."""
COMMAND: Final = (
    "import gc, sys; gc.set_threshold(100_000); sys.modules['numpy'] = None; sys.path.insert(0, sys.argv[2]); "
    "import importlib; importlib.import_module(sys.argv[3]).serve()"
)
"""The process runs without numpy: pyarrow would load it, which costs 0.1 s and buffers for its threads.

It collects garbage less often, because scanning imported objects took a twentieth of its start."""


class StartError(RuntimeError):
    """A process did not start; the message gives the reason."""


class BoundedProcess:
    """A process that runs `module`.serve(). It ends with `close`, and by itself when its parent is gone.

    `streams`: numbers of open files that it inherits. It starts at once, and imports its libraries while its parent
    goes on; it opens what `setup` names before it answers.
    """

    def __init__(self, module: str, streams: Sequence[int] = ()) -> None:
        self._module, self._streams = module, streams
        self.setup: Setup | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        self._start()

    @property
    def pid(self) -> int:
        """The id of the current process."""
        return self._process.pid

    def ask(self, request: Any) -> bytes:
        """The answer to a request. Raises QueryError with the reason of a refusal, StartError.

        On out-of-memory, retry once in a fresh process if others were asked before, so that leftovers of earlier
        queries cannot change the result.
        """
        was_asked = self._was_asked
        try:
            return self._rows(request)
        except ShortError:
            if not was_asked:
                raise
        return self._rows(request)

    def close(self) -> None:
        """End it, even during a query."""
        self._end()
        self._said.close()

    def _rows(self, request: Any) -> bytes:
        """As `ask`, without a second try. A process that was stopped, ran out of memory or is gone is started anew."""
        seconds = self._await_start().seconds
        self._was_asked = True
        try:
            self._pipe.send(request)
            answer = self._answer(seconds + GRACE_SECONDS)
        except (EOFError, OSError) as error:
            raise ShortError(f"ended its process ({self._renew()}), as where memory runs out") from error
        if answer is None:
            self._renew()
            raise QueryError(f"stopped after {seconds:g} seconds")
        if answer.startswith(SHORT):
            self._renew()
            raise ShortError(answer[1:].decode())
        if answer.startswith(REFUSED):
            raise QueryError(answer[1:].decode())
        return answer[1:]

    def _renew(self) -> str:
        """End it and start another; how it ended."""
        ended = self._end()
        self._start()
        return ended

    def _start(self) -> None:
        self._is_ready = self._was_asked = False
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (this Python, our own code)
                [sys.executable, "-P", "-c", COMMAND, str(theirs.fileno()), str(PACKAGE.parent), self._module],
                pass_fds=[theirs.fileno(), *self._streams],
                env=os.environ | {"POLARS_MAX_THREADS": "1"},  # a thread's stack counts as memory
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for the parent
            )

    def _await_start(self) -> Setup:
        """Raise StartError unless it has opened what `setup` names."""
        assert self.setup is not None
        if self._is_ready:
            return self.setup
        try:
            self._pipe.send(self.setup)
            answer = self._answer(START_SECONDS)
        except (EOFError, OSError) as error:
            raise StartError(f"its process ended ({self._end()}): {self._last_words()}") from error
        if answer is None:
            raise StartError(f"its process did not start within {START_SECONDS:g} seconds")
        if answer != ROWS:
            raise StartError(answer[1:].decode())
        self._is_ready = True
        return self.setup

    def _answer(self, seconds: float) -> bytes | None:
        """The message that comes within `seconds`, if any. Raises EOFError, OSError if the process has ended."""
        return self._pipe.recv_bytes() if self._pipe.poll(seconds) else None

    def _end(self) -> str:
        """How it ended: by itself, or here."""
        self._pipe.close()
        self._process.kill()
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")
