"""Lakes that tests share, and what `r2k` said when it built them.

Belongs here: a lake is built once, by whichever of the processes that share the tests asks first. Not here: what is
expected of it. Whoever changes a lake does so in a copy.
"""

import fcntl
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
from click.testing import Result

from r2k_pipeline.lake import Lake
from tests.pipeline.command_line import r2k


@dataclass(frozen=True)
class Said:
    """How a command ended, what it printed on standard output, and there and on standard error."""

    exit_code: int
    stdout: str
    output: str

    @classmethod
    def of(cls, result: Result) -> "Said":
        """The same of a command that ran in this process."""
        return cls(result.exit_code, result.stdout, result.output)


@dataclass(frozen=True)
class Published:
    """A folder of lakes, the source whose lake was built in it, how that went, and Dagster's home of that run."""

    folder: Path
    source: str
    result: Said
    home: Path

    @property
    def lake(self) -> Lake:
        """The built lake."""
        return Lake.of(self.folder, self.source)

    @property
    def summary(self) -> dict[str, Any]:
        """What `r2k run --json` said."""
        summary: dict[str, Any] = json.loads(self.result.stdout)
        return summary

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Rows from the warehouse; instants in UTC."""
        with duckdb.connect(self.lake.warehouse, read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.sql(query).fetchall()


def publish_once(folder: Path, home: Path, source: str, *arguments: object) -> Published:
    """The lake of `source` in `folder` after one `r2k run`: run here, unless another process did or is about to."""
    said = _once(home, lambda: r2k(home, "run", "--json", "--lake", folder, *arguments))
    return Published(folder, source, said, home)


def report_once(folder: Path, home: Path, lake: Published) -> Published:
    """A copy of `lake` in `folder` after one `r2k report`, made as by publish_once."""

    def report() -> Result:
        shutil.copytree(lake.folder, folder, symlinks=True)
        return r2k(home, "report", "--lake", folder, "--source", lake.source)

    return Published(folder, lake.source, _once(home, report), home)


def _once(home: Path, command: Callable[[], Result]) -> Said:
    """What a command said that the first process to ask for it runs; the others wait."""
    home.mkdir(exist_ok=True)
    said = home / "said.json"
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(json.dumps(asdict(Said.of(command()))))
    return Said(**json.loads(said.read_text()))
