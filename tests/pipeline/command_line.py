"""Runs `r2k` for tests: in this process, or as a process of its own that can be killed.

Belongs here: an environment without the user's settings. Not here: what is asked or expected.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from r2k_pipeline.cli import main

R2K: Final = Path(sys.executable).with_name("r2k")


def r2k(home: Path, *arguments: object, **environment: str) -> Result:
    """`r2k ARGUMENTS` in this process; `home` is Dagster's, and the folder it is called from."""
    clean = {name: None for name in os.environ if name.startswith("R2K_")}
    with contextlib.chdir(home):
        runner = CliRunner(env={**clean, "DAGSTER_HOME": str(home), **environment})
        return runner.invoke(main, [str(argument) for argument in arguments])


def start_r2k(home: Path, *arguments: object) -> "subprocess.Popen[str]":
    """`r2k ARGUMENTS` as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    return subprocess.Popen(
        [R2K, *map(str, arguments)],
        cwd=home,
        env={**clean, "DAGSTER_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def summary_of(result: Result) -> dict[str, Any]:
    """The summary that `r2k run --json` printed."""
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary
