"""Where the files of a lake are: a folder a source, and in it the published generations.

Belongs here: paths. It imports nothing, so that a program which only reads what was published starts at once. Not here:
the tables below them (lake.py).
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self


def run_of(source: str) -> str:
    """The command that fetches from a source and publishes; `source`: also the name of its lake's folder."""
    return {"files": "r2k run --files DIR", "live": "r2k run --source live"}.get(source, "r2k run")


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

    @property
    def run(self) -> str:
        """The command that fetches into this lake and publishes."""
        return run_of(self.root.name)

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
