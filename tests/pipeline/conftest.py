"""Lakes that pipeline tests share, each built once; a test that changes one works on a copy of it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result

from r2k_pipeline.lake import Lake
from tests.pipeline.command_line import r2k, summary_of

MEMORY = Path("/dev/shm")
"""Dagster commits each event to SQLite: in memory that costs nothing, on a slow disk half of a test's time."""


@dataclass(frozen=True)
class Published:
    """A folder of lakes, the source whose lake was built in it, and how that went."""

    folder: Path
    source: str
    result: Result

    @property
    def lake(self) -> Lake:
        """The built lake."""
        return Lake.of(self.folder, self.source)

    @property
    def summary(self) -> dict[str, Any]:
        """What `r2k run --json` said."""
        return summary_of(self.result)

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Rows from the warehouse; instants in UTC."""
        with duckdb.connect(self.lake.warehouse, read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.sql(query).fetchall()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Dagster's records of all runs in these tests."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sample(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The sample's lake after one run."""
    folder = tmp_path_factory.mktemp("sample")
    return Published(folder, "sample", r2k(home, "run", "--json", "--lake", folder))


@pytest.fixture(scope="session")
def vendor_files(sample: Published) -> Path:
    """The sample's vendor files, as a folder for source `files`."""
    return sample.lake.cache("vendor_files")


@pytest.fixture(scope="session")
def from_files(home: Path, vendor_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A lake of source `files`, after one run on the sample's vendor files."""
    folder = tmp_path_factory.mktemp("files")
    return Published(folder, "files", r2k(home, "run", "--json", "--lake", folder, "--files", vendor_files))


@pytest.fixture(scope="session")
def from_real(home: Path, real: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A lake of the real vendor files, after one run."""
    folder = tmp_path_factory.mktemp("real")
    return Published(folder, "files", r2k(home, "run", "--json", "--lake", folder, "--files", real))


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Copies a shared folder, so that a test may break it."""

    def copy(folder: Path, name: str) -> Path:
        return shutil.copytree(folder, tmp_path / name)

    return copy
