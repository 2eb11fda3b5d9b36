"""How long a user waits for the first page of `r2k ui`, against `dagster dev` on an empty project.

Belongs here: whole processes from their start to the first answer, in turn. Not here: runs (run.py), other commands
(start.py). `python benchmarks/ui.py [PAIRS]`, by default 5; one warm-up pair is not counted.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from run import R2K

PATIENCE_SECONDS: Final = 300
ANSWER: Final = "server_info"


def seconds_to_first_answer(command: list[str], home: Path) -> float:
    """Start a server on a free port, wait for its answer, end all that it started."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with (home / "output").open("w") as output:
        began = time.monotonic()
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=output,
            stderr=output,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        try:
            while not answers(port):
                if server.poll() is not None or time.monotonic() - began > PATIENCE_SECONDS:
                    sys.exit(f"{' '.join(command)} serves nothing:\n{(home / 'output').read_text()}")
                time.sleep(0.02)
            return time.monotonic() - began
        finally:
            os.killpg(server.pid, signal.SIGINT)
            server.wait()


def answers(port: int) -> bool:
    """Whether a page is served."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{ANSWER}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main(pairs: str = "5") -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
        dagster = str(Path(sys.executable).with_name("dagster"))
        commands = {
            "ours": [R2K, "ui", "--lake", str(folder / "lake")],
            "empty": [dagster, "dev", "-f", str(folder / "empty.py"), "--host", "127.0.0.1"],
        }
        waits = [
            {name: seconds_to_first_answer(command, folder / name) for name, command in commands.items()}
            for _ in range(int(pairs) + 1)
        ][1:]
    ours, empty = (statistics.median(wait[name] for wait in waits) for name in commands)
    ratio = statistics.median(wait["ours"] / wait["empty"] for wait in waits)
    print(f"r2k ui / dagster dev of an empty project: {ours:.1f} s / {empty:.1f} s = {ratio:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
