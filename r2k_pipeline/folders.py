"""Where the files of a lake are: a folder a source, and in it the published generations.

Belongs here: paths, and the commands that lead to them. It imports next to nothing, so that a program which only reads
what was published starts at once. Not here: the tables below them (lake.py).
"""

import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from r2k_pipeline.shipped import CHECKOUT

RUNS: Final = {"sample": "r2k run", "files": "r2k run --files DIR", "live": "r2k run --source live"}
"""By source, which is also the name of its lake's folder: the command that fetches from it and publishes."""


def run_of(source: str) -> str:
    """The command that fetches from a source into the usual folder, and publishes."""
    return RUNS.get(source, RUNS["sample"])


def usual_folder() -> Path:
    """The folder of all lakes where nothing else is said: of the checkout, or the user's data folder if installed."""
    if CHECKOUT:
        return CHECKOUT / "data_lake"
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("r2k", appauthor=False)


@dataclass(frozen=True)
class Folders:
    """One source's lake: raw facts in `root`, derived tables in `derived` (a rebuild as of a moment has its own)."""

    root: Path
    derived: Path

    @classmethod
    def of(cls, folder: Path, source: str, as_of: datetime | None = None) -> Self:
        """The lake of one source; `as_of` puts the derived tables into a folder of that moment."""
        root = folder / source
        return cls(
            root, root if as_of is None else root / "as_of" / f"{as_of:%Y-%m-%dT%H%M%S.%fZ}".replace(".000000", "")
        )

    @classmethod
    def at(cls, root: Path) -> Self:
        """The lake whose root is this folder."""
        return cls(root, root)

    @classmethod
    def around(cls, file: Path) -> Self:
        """The lake that a file of a generation or a table is in; that of its folder if no source is in the path."""
        root = next((folder for folder in file.parents if folder.name in RUNS), file.parent)
        below = file.relative_to(root).parts
        return cls(root, root / "as_of" / below[1] if below[0] == "as_of" else root)

    @property
    def run(self) -> str:
        """The command that fetches into this lake and publishes, or rebuilds its moment."""
        if self.derived == self.root:
            return run_of(self.root.name) + self.where
        day, _, time = self.derived.name.partition("T")
        return f"{self.command('run')} --as-of {day}T{time[:2]}:{time[2:4]}:{time[4:]}"

    @property
    def where(self) -> str:
        """The option that leads to this lake, after a blank; none for the usual folder."""
        folder = self.root.parent
        return "" if folder == usual_folder() else f" --lake {shlex.quote(str(folder))}"

    def command(self, name: str) -> str:
        """The command `r2k NAME` on this lake."""
        return f"r2k {name} --source {self.root.name}{self.where}"

    def led(self, message: str) -> str:
        """A message of the raw log, which may be moved and names no folder; its `r2k accept` leads to this lake."""
        return re.sub(rf"r2k accept .+? --source {self.root.name}$", lambda command: command[0] + self.where, message)

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file: a link to that of `published`."""
        return self.derived / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The link to the folder of the published generation, one of `generations`."""
        return self.derived / "published"

    @property
    def generations(self) -> Path:
        """The folders of the generations that are kept, each with a DuckDB file and its Parquet; none ever changes."""
        return self.derived / "generations"

    def report(self, market: str | None = None) -> Path:
        """The folder of the published site; a site of one market is beside that of all."""
        return self.derived / ("report" if market is None else f"report-{market}")

    def cache(self, name: str) -> Path:
        """A folder for files that a source keeps between runs (downloaded bodies, time zones), which may be lost."""
        folder = self.root / "cache" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder
