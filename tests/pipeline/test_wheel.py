"""The wheel: what `make release` builds is the whole program, wherever it is installed.

Belongs here: building, an environment that has it and no checkout, the commands of a first answer from another folder.
Not here: what the commands answer beyond that they do (test_cli.py).
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

from r2k_pipeline.origins import code_digest
from tests.documents import PROJECT

BUILT_FROM: Final = ("Makefile", "pyproject.toml", "setup.py", "README.md", "LICENSE", "r2k_pipeline", "sql")
LOCATED: Final = """
import json, platformdirs, r2k_pipeline
from r2k_pipeline.origins import code_digest
print(json.dumps([r2k_pipeline.__file__, str(platformdirs.user_data_path("r2k", appauthor=False)), code_digest()]))
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make release` makes, of a copy of the checkout: a build leaves folders where it is made."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in BUILT_FROM:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(PROJECT / name, copy)
    _run(["make", "-o", ".venv/.runtime", "release", f"BIN={Path(sys.executable).parent}"], cwd=copy)
    return copy / "dist"


@pytest.fixture(scope="module")
def installed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a program of an environment that has the wheel, from a folder that has nothing to do with it.

    What r2k needs is read where it is installed already, so that no index is asked.
    """
    environment, home = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("home")
    (wheel,) = release.glob("*.whl")
    _run([sys.executable, "-m", "venv", "--without-pip", environment])
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", python]
    _run([*pip, "install", "--no-deps", "--no-index", wheel])
    (packages,) = environment.glob("lib/python*/site-packages")
    _take_compiled(PROJECT / "r2k_pipeline" / "transforms", packages / "r2k_pipeline" / "transforms")
    (packages / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")

    def run(program: str, *arguments: str) -> str:
        return _run([environment / "bin" / program, *arguments], cwd=home, HOME=str(home))

    return run


def _take_compiled(source: Path, installed: Path) -> None:
    """Kernels that were compiled for the checkout, which takes half a minute; numba goes by their sources' times."""
    if (source / "__pycache__").is_dir():
        for file in source.glob("*.py"):
            shutil.copystat(file, installed / file.name)
        uncompiled = shutil.ignore_patterns("*.pyc")
        shutil.copytree(source / "__pycache__", installed / "__pycache__", ignore=uncompiled, dirs_exist_ok=True)


def _run(command: list[object], cwd: Path | None = None, **variables: str) -> str:
    """What it prints; nothing of this process's environment says where r2k or its data is."""
    told = ("R2K_", "DAGSTER_HOME", "PYTHONPATH", "XDG_", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_sdist_and_wheel_have_every_file_of_the_program(release: Path) -> None:
    (sdist,), (wheel,) = release.glob("*.tar.gz"), release.glob("*.whl")
    with tarfile.open(sdist) as archive, ZipFile(wheel) as built:
        source = {name.partition("/")[2] for name in archive.getnames()}
        within = {name for name in built.namelist() if ".dist-info/" not in name}
    files = {
        str(file.relative_to(PROJECT))
        for folder in ("r2k_pipeline", "sql")
        for file in (PROJECT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert files <= source
    assert within == {name if name.startswith("r2k_pipeline/") else f"r2k_pipeline/{name}" for name in files}


def test_wheel_answers_from_any_folder_and_keeps_its_data_with_the_user(installed: Callable[..., str]) -> None:
    file, data, digest = json.loads(installed("python", "-c", LOCATED))
    packages = Path(file).parents[1]
    assert packages.name == "site-packages"
    assert not packages.is_relative_to(PROJECT)
    assert digest == code_digest(), "installed, it is the same program: no table is built anew for it"
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert installed("r2k", "--version").endswith(f" {version}\n")
    before = {*packages.iterdir()}

    assert json.loads(installed("r2k", "run", "--json"))["ok"]
    assert installed("r2k", "status").startswith("SAMPLE")
    assert "RUT" in installed("r2k", "sql", "select market, close from latest()")
    assert "RUT" in installed("r2k", "brief", "--market", "RUT")
    findings = json.loads(installed("r2k", "doctor", "--json"))
    assert findings[0]["detail"] == f"{data}, in the user's data folder, as r2k is installed and nothing else was said"
    assert (Path(data) / "sample" / "warehouse.duckdb").exists()
    assert {*packages.iterdir()} == before, "no lake beside site-packages"
    assert not {*packages.parent.glob("data_lake")}
