"""What the Superset tests run against: a lake of the sample, PostgreSQL, and a Superset that imported the dashboard.

Belongs here: building and starting them. Not here: the server itself (superset_server.py), what is expected.
"""

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from r2k_pipeline.lake import Lake
from tests.bi.superset_server import FOLDER, Superset, running_superset
from tests.pipeline.command_line import r2k
from tests.publish.server import Database, find_binaries, running_server


@dataclass(frozen=True)
class Shown:
    """A Superset that shows a warehouse, and the warehouse."""

    superset: Superset
    lake: Path
    home: Path
    database: Database | None

    @property
    def warehouse(self) -> Path:
        """The DuckDB file: what it holds is what has to be shown."""
        return Lake.of(self.lake, "sample").warehouse

    @property
    def schema(self) -> str:
        """Where the marts are."""
        return "r2k" if self.database else "marts"

    def expected(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse itself."""
        with duckdb.connect(self.warehouse, read_only=True) as connection:
            return connection.sql(query).fetchall()

    def publish(self) -> None:
        """Another generation, in PostgreSQL too where that is shown: an equal one would not be published again."""
        corrections = self.home / "corrections.toml"
        corrections.write_text(f"# none, at {datetime.now(UTC)}\n", "utf-8")
        for command in ["run"] if self.database is None else ["run", "publish"]:
            to = ("--to", self.database.url()) if self.database and command == "publish" else ()
            done = r2k(self.home, command, "--lake", self.lake, *to, R2K_CORRECTIONS=str(corrections))
            assert done.exit_code == 0, done.output


@pytest.fixture(scope="session")
def bundle() -> ModuleType:
    """bi/superset/bundle.py, which is a script and in no package."""
    specification = importlib.util.spec_from_file_location("bundle", FOLDER / "bundle.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def superset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    """A running Superset; SUPERSET_BIN says where the programs of its environment are."""
    binaries = os.environ.get("SUPERSET_BIN")
    if not binaries:
        pytest.skip("Superset has an environment of its own: make test-bi")
    with running_superset(Path(binaries).resolve(), tmp_path_factory.mktemp("superset")) as running:
        yield running


@pytest.fixture(scope="session")
def lake(superset: Superset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a lake of the sample, and Dagster's home for it."""
    folder, home = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("home")
    done = r2k(home, "run", "--lake", folder)
    assert done.exit_code == 0, done.output
    return folder, home


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    """A running PostgreSQL; without its binaries the tests skip, in CI they fail."""
    binaries = find_binaries()
    if not binaries:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("Superset's tests on PostgreSQL need it: apt-get install postgresql")
    with running_server(binaries) as server:
        yield server


@pytest.fixture(scope="session", params=["duckdb", "postgresql"])
def shown(
    request: pytest.FixtureRequest,
    superset: Superset,
    lake: tuple[Path, Path],
    bundle: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Shown:
    """The dashboard on the warehouse file, then on what `r2k publish` made of it, as a role that may only read."""
    folder, home = lake
    file = tmp_path_factory.mktemp("bundle") / "dashboard.zip"
    if request.param == "duckdb":
        found = Shown(superset, folder, home, None)
        bundle.main(["zip", str(file), "--warehouse", str(found.warehouse)])
    else:
        found = Shown(superset, folder, home, request.getfixturevalue("postgresql"))
        found.publish()
        reader = found.database.role("in role r2k_reader")
        uri = found.database.url(reader).replace("postgresql", "postgresql+psycopg2", 1)
        bundle.main(["zip", str(file), "--uri", uri])
    superset.import_bundle(file)
    return found
