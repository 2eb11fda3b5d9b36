"""Fixtures that more than one kind of test needs: real files, and lakes that all of its processes share."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.lakes import Published, publish_once, report_once
from tests.unit.published import HOMES

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
MEMORY: Final = Path("/dev/shm")
"""Runs write with fsync, and Dagster commits each event to SQLite: in memory that costs nothing, on a disk a fifth of
the tests' time and more."""
ROOM: Final = 8 << 30
"""What must be free there for the lakes too: they take up to 2 GB at once. Dagster's homes are small."""
FIRST: Final = (
    "browser/test_dagster_ui",
    "publish/test_readers",
    "publish/test_clients",
    "publish",
    "lived",
    "pipeline/test_truncation",
    "unit/transforms/test_replay",
)
"""What the processes begin with: the longest test, which compiles the kernels, and what needs none of them; then other
long files, so that none is left for one process at the end."""
IS_WORKER: Final = "PYTEST_XDIST_WORKER" in os.environ


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the others makes what they share: Dagster's homes and the folder of all lakes."""
    if IS_WORKER:
        return
    memory = MEMORY if MEMORY.is_dir() else None
    os.environ[HOMES] = tempfile.mkdtemp(dir=memory)
    if memory and shutil.disk_usage(memory).free > ROOM and not config.option.basetemp:
        config.option.basetemp = f"{os.environ[HOMES]}/tests"


def pytest_unconfigure() -> None:
    """And removes it when they have ended."""
    if not IS_WORKER:
        shutil.rmtree(os.environ.pop(HOMES))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    """End Python without its clean-up: there DuckDB's binding lists every object that still refers to it, as a leak."""

    def end() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exitstatus)

    atexit.register(end)


def pytest_collection_finish() -> None:
    """What was imported stays: let garbage collection leave it alone, as `r2k run` does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of FIRST, then as they come."""
    places = {item: [item.nodeid.startswith(f"tests/{name}") for name in FIRST] for item in items}
    items.sort(key=lambda item: places[item], reverse=True)


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real vendor files beside the checkout; tests that need it skip where it is absent."""
    if not REAL.is_dir():
        pytest.skip("../shared/real is not here: tests on real vendor data need it")
    return REAL


@pytest.fixture(scope="session")
def homes() -> Path:
    """Where Dagster's homes are, of all processes."""
    return Path(os.environ[HOMES])


@pytest.fixture(scope="session")
def home(homes: Path) -> Iterator[Path]:
    """Dagster's records of the runs of this process."""
    with tempfile.TemporaryDirectory(dir=homes) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lakes are that all processes share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if IS_WORKER else own


@pytest.fixture(scope="session")
def sample(lakes: Path, homes: Path) -> Published:
    """The sample's lake after one run."""
    return publish_once(lakes / "sample", homes / "sample", "sample")


@pytest.fixture(scope="session")
def from_real(lakes: Path, homes: Path, real: Path) -> Published:
    """A lake of the real vendor files, after one run."""
    return publish_once(lakes / "real", homes / "real", "files", "--files", real)


@pytest.fixture(scope="session", params=["sample", "from_real"])
def each_lake(request: pytest.FixtureRequest) -> Published:
    """The sample's lake, and that of the real files where they are."""
    lake: Published = request.getfixturevalue(request.param)
    return lake


@pytest.fixture(scope="session")
def reported(lakes: Path, homes: Path, sample: Published) -> Published:
    """The sample's lake with its site."""
    return report_once(lakes / "reported", homes / "reported", sample)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Copies a shared folder, so that a test may break it."""

    def copy(folder: Path, name: str) -> Path:
        return shutil.copytree(folder, tmp_path / name, symlinks=True)

    return copy


@pytest.fixture
def is_flushed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], bool]:
    """Whether a file or a folder was flushed to the disk since the test began."""
    fsync, inodes = os.fsync, set()

    def flush(descriptor: int) -> None:
        fsync(descriptor)
        inodes.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", flush)
    return lambda path: path.stat().st_ino in inodes
