"""The notebook `notebooks/explore.py` on the sample's lake: it runs as a script, and shows what the lake says."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.documents import PROJECT
from tests.lakes import Published
from tests.unit.published import SAMPLE

NOTEBOOK: Final = PROJECT / "notebooks" / "explore.py"


@dataclass(frozen=True)
class Typed:
    """The SQL cell's editor after a query was sent."""

    value: str


def run_notebook(sample: Published, folder: Path, defs: Mapping[str, Any]) -> tuple[list[str], Mapping[str, Any]]:
    """What the cells show, as HTML, and what they define; `defs` stand in for the definitions of cells."""
    assert sample.result.exit_code == 0, sample.result.output
    spec = importlib.util.spec_from_file_location("explore", NOTEBOOK)
    assert spec is not None
    assert spec.loader is not None
    notebook = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("R2K_")]:
            patched.delenv(name)
        patched.setenv("R2K_LAKE", str(sample.folder))
        patched.chdir(folder)
        spec.loader.exec_module(notebook)
        outputs, defined = notebook.app.run(defs=dict(defs))
    return [getattr(output, "text", str(output)) for output in outputs], defined


def test_the_notebook_shows_the_newest_session_of_the_first_market(sample: Published, tmp_path: Path) -> None:
    outputs, defined = run_notebook(sample, tmp_path, {})
    ((market, known_at, close),) = sample.query("select market, known_at, close from latest() where market = 'RUT'")
    assert defined["label"] == SAMPLE
    assert any(SAMPLE in output for output in outputs)
    assert (defined["market"].value, defined["session"].value) == (market, known_at)
    assert defined["mart_row"].select("known_at", "close").row(0) == (known_at, close)
    assert f"{close:,.2f}" in defined["brief"]
    assert defined["brief"].startswith(f"> {SAMPLE}")
    assert defined["figure"].market == "RUT"
    assert any("application/vnd.vegalite.v6+json" in output and "RUT weekly review" in output for output in outputs)
    assert defined["found"].data.height == 20


def test_the_notebook_is_read_only_and_says_so(sample: Published, tmp_path: Path) -> None:
    wal = sample.lake.warehouse.with_name("warehouse.duckdb.wal")
    typed = Typed(f"copy (select 1) to '{wal}'")
    _, defined = run_notebook(sample, tmp_path, {"editor": typed, "start": "select 1"})
    assert "COPY is disabled here, the warehouse is read-only" in defined["found"].text
    assert not wal.exists()


def test_the_notebook_runs_as_a_script_and_marimo_finds_nothing_wrong(sample: Published, tmp_path: Path) -> None:
    """In processes of their own: marimo's command line changes how all of click prints errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("R2K_")}
    environment = {**clean, "R2K_LAKE": str(sample.folder), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, NOTEBOOK]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    checked = subprocess.run(
        [sys.executable, "-m", "marimo", "check", "--strict", NOTEBOOK], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
