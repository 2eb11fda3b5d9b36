"""The program `r2k` as a process: how it ends."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys, threading
from r2k_pipeline import __main__

class Freed:
    def __del__(self, write=os.write):
        write(1, b"freed")

def work():
    threading.main_thread().join()
    print("worked")
    atexit.register(print, "handled")

sys.kept = Freed()
threading.Thread(target=work).start()
sys.argv = ["r2k", *sys.argv[1:]]
"""
FAILING = "import r2k_pipeline.cli as c; c.main = lambda: 1 // 0\n"


def end_of(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{PROGRAM}{program}__main__.main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["sql", "--lake", "/nowhere", "from x"], 1), (["no"], 2)]
)
def test_a_command_ends_with_its_code_when_threads_and_handlers_are_done_and_frees_nothing(
    arguments: list[str], code: int
) -> None:
    ended = end_of("", *arguments)

    assert ended.returncode == code
    assert ended.stdout.splitlines()[-2:] == ["worked", "handled"]


def test_an_unforeseen_error_ends_as_python_ends_it() -> None:
    ended = end_of(FAILING)

    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    assert ended.stdout.splitlines() == ["worked", "handled", "freed"]
