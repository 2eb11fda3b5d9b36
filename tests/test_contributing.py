"""CONTRIBUTING.md: its blocks are applied to a copy of the program, and the tests among them pass there.

Belongs here: reading and applying the blocks, in how many files a task is done. Not here: links and commands of the
page (unit/test_docs.py).
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.documents import CONTRIBUTING, PROJECT

SECTION: Final = re.compile(r"^## (.+)\n((?:(?!^## ).*\n)*)", re.MULTILINE)
BLOCK: Final = re.compile(
    r"^In `([^`]+)`(?:, (before|instead of) `([^`]+)`)?:\n\n```(?:python|sql|toml)\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COPIED: Final = ("r2k_pipeline", "sql", "tests")
MOST_FILES: Final = 3


@dataclass(frozen=True)
class Block:
    """A block of code: its file, and the line of that file before or instead of which it stands, if it names one."""

    file: str
    how: str
    line: str
    code: str

    def apply(self, folder: Path) -> None:
        """Put it into its file below `folder`."""
        file = folder / self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        there = file.read_text("utf-8") if file.exists() else ""
        file.write_text(self._within(there) if self.line else "\n\n".join(filter(None, [there, self.code])), "utf-8")

    def _within(self, there: str) -> str:
        lines = there.splitlines(keepends=True)
        (place,) = (number for number, line in enumerate(lines) if line.strip() == self.line)
        lines[place : place + (self.how == "instead of")] = [self.code]
        return "".join(lines)


SECTIONS: Final[dict[str, str]] = dict(SECTION.findall(CONTRIBUTING.read_text("utf-8")))
EXAMPLES: Final = {
    title: [Block(*found) for found in BLOCK.findall(text)] for title, text in SECTIONS.items() if BLOCK.search(text)
}
TESTS: Final = [block for blocks in EXAMPLES.values() for block in blocks if block.file.startswith("tests/")]
NAMED: Final = re.findall(r"^def (test_\w+)", "".join(block.code for block in TESTS), re.MULTILINE)
ADDED: Final = ("deep_drawdowns", "overnight_gaps", "flat_bars", "positioning_vs_technicals", "broker")
"""Names of what the examples add or change, as the tests of conventions have them in their ids."""


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tests of the blocks, and the conventions on what they add, that passed in a copy with every block applied."""
    folder = tmp_path_factory.mktemp("contributed")
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name)
    for block in (block for blocks in EXAMPLES.values() for block in blocks):
        block.apply(folder)
    return _run_tests(folder)


def _run_tests(folder: Path) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("R2K_", "PYTEST_"))}
    options = ("-v", "-c", os.devnull, "--rootdir", str(folder), "--import-mode=importlib", "--noconftest")
    files = sorted({"tests/test_conventions.py", *(block.file for block in TESTS)})
    command = [sys.executable, "-m", "pytest", *options, *files, "-k", " or ".join((*NAMED, *ADDED))]
    environment = {**clean, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"::(\S+) PASSED", done.stdout)


def test_every_example_has_a_test_and_every_test_passes(passed: list[str]) -> None:
    assert len(EXAMPLES) == 7
    assert all(set(blocks) & set(TESTS) for blocks in EXAMPLES.values())
    assert set(NAMED) <= set(passed)


@pytest.mark.parametrize("added", ADDED)
def test_what_an_example_adds_keeps_the_conventions(added: str, passed: list[str]) -> None:
    assert [name for name in passed if added in name and name not in NAMED]


@pytest.mark.parametrize("title", ["A table in SQL", "A table in Python", "A column of the mart", "A check"])
def test_a_task_of_a_stranger_takes_three_files(title: str) -> None:
    assert len({block.file for block in EXAMPLES[title]}) <= MOST_FILES


def test_each_common_task_names_three_files_at_most() -> None:
    rows = re.findall(r"^\| (?!task)\w.*", SECTIONS["Three common tasks"], re.MULTILINE)
    assert len(rows) == 3
    for row in rows:
        files = re.findall(r"\]\(([^)#]+)\)", row)
        assert len(files) <= MOST_FILES
        assert all((PROJECT / file).is_file() for file in files)
