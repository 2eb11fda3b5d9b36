"""Every command and every query in the documents is run: here, on the sample's lake, or by the test that is named here.

Belongs here: what stands in code blocks. Not here: whether prose is right about names and links (unit/test_docs.py).
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from r2k_pipeline.cli import main
from tests.documents import LANGUAGES, PROJECT, Block, read_blocks, read_queries
from tests.lakes import Published

FETCHES: Final = ("tests/unit/sources/test_yahoo.py", "tests/unit/sources/test_cftc.py")
SUPERSET: Final = (
    r"(\.venv-bi/bin/|python3\.11 -m venv \.venv-bi|export SUPERSET_|mkdir -p \$SUPERSET_HOME).*"
    r"|sed .* bi/superset/requirements\.lock|python bi/superset/bundle\.py zip .*|duckdb:////\S+"
)
"""Lines of the recipe for Superset; `make test-bi` sets one up in this way."""
ELSEWHERE: Final = {
    r"r2k run( --source live)?( --json)?": ("tests/pipeline/test_everything.py", *FETCHES),
    r"r2k run --files \S+": ("tests/pipeline/conftest.py",),
    r"r2k run --as-of \S+": ("tests/pipeline/test_snapshot.py",),
    r"r2k files \S+": ("tests/unit/report/test_file_list.py",),
    r"R2K_MARKETS=\S+ r2k run --source live": ("tests/pipeline/test_bad_input.py", "tests/unit/test_docs.py", *FETCHES),
    r"r2k markets (find|add) .*": ("tests/unit/report/test_market_list.py",),
    r"r2k ui( --source live)?": ("tests/browser/test_dagster_ui.py",),
    r"r2k publish .*--to .*": ("tests/publish/test_what_is_published.py",),
    r"grant r2k_reader to .*": ("tests/publish/test_what_is_published.py",),
    r"create schema \"r2k\" .*": ("tests/publish/test_refusals.py",),
    r"begin isolation level repeatable read, read only;": ("tests/publish/test_readers.py",),
    r"create_engine\(\"postgresql.*": ("tests/publish/test_clients.py",),
    r"duckdb(\.connect\(| -readonly ).*": ("tests/unit/test_warehouse.py",),
    SUPERSET: ("tests/bi/superset_server.py", "tests/bi/test_superset.py"),
    r"r2k report.*": ("tests/unit/report/test_site.py",),
    r"pipx install dist/\*\.whl": ("tests/pipeline/test_wheel.py",),
    r"dagster dev -w workspace\.yaml": ("tests/browser/test_dagster_ui.py",),
    r"python benchmarks/\w+\.py": ("benchmarks",),
    r"\. activate": ("tests/pipeline/test_documented_commands.py",),
    r"marimo edit notebooks/explore\.py": ("tests/pipeline/test_notebook.py",),
}
"""Commands that need a network, a server or long: as a whole line, and the files that run what they do."""
SHELLS: Final = ("shell", "sh", "bash", "console", "cron")
READ: Final = ("picture", "text", "toml", "ini", "json", "yaml")
"""Languages of blocks that are looked at or copied, not run."""
REFUSED: Final = {
    "r2k accept ^RUT --source live": "none of its revisions are held",
    "r2k accept restatement --source live": "restatement: none waits",
    "r2k accept raw --source live": "raw: its files are as the account says",
}
"""Commands that have nothing to do on a lake that is well, and what they say then."""


@dataclass(frozen=True)
class Command:
    """A line of a document, without what only a shell needs: the folder, the environment's path, where output goes."""

    where: str
    text: str
    piped: str | None = None

    def __str__(self) -> str:
        return f"{self.where} {self.text}"

    def elsewhere(self) -> tuple[str, ...]:
        """The files that run it, if it is not run here."""
        return next((files for line, files in ELSEWHERE.items() if re.fullmatch(line, self.text)), ())


def _commands(block: Block) -> list[Command]:
    lines = re.sub(r"\\\n\s*", " ", block.text).splitlines()
    return [_command(f"{block.page.name}:{block.line + at}", line) for at, line in enumerate(lines) if line.strip()]


def _command(where: str, line: str) -> Command:
    schedule = LANGUAGES["cron"].match(line)
    text = line[schedule.end() :] if schedule else line
    text = re.sub(r"^\s*cd \S+ && | > \S+$|(?<= )# .*$|(?:\.venv/bin/)(?=\w)", "", text).strip()
    text = re.sub(r" > \S+$", "", text).strip()
    if echoed := re.fullmatch(r"echo (\"[^\"]*\"|'[^']*') \| (.*)", text):
        return Command(where, echoed[2], echoed[1][1:-1] + "\n")
    return Command(where, text)


BLOCKS: Final = read_blocks()
COMMANDS: Final = [command for block in BLOCKS if block.language in SHELLS for command in _commands(block)]
QUERIES: Final = read_queries()
RUN_HERE: Final = {
    command.text: command for command in COMMANDS if command.text.startswith("r2k ") and not command.elsewhere()
}


@pytest.fixture(scope="module")
def shell(home: Path, sample: Published, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Command], Result]:
    """Runs `r2k ...` in a folder of its own on a copy of the sample's lake, which stands for every source."""
    assert sample.result.exit_code == 0, sample.result.output
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(sample.lake.root, folder / "lakes" / "sample")
    for source in ("files", "live"):
        (folder / "lakes" / source).symlink_to("sample")
    (folder / "r2k_pipeline").symlink_to(PROJECT / "r2k_pipeline")

    def run(command: Command) -> Result:
        clean = {name: None for name in os.environ if name.startswith("R2K_")}
        runner = CliRunner(env={**clean, "R2K_LAKE": str(folder / "lakes"), "DAGSTER_HOME": str(home)})
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(folder)
            return runner.invoke(main, shlex.split(command.text)[1:], input=command.piped)

    return run


def test_the_documents_have_commands_and_every_language_is_known() -> None:
    assert len(COMMANDS) > 15
    assert len(RUN_HERE) > 10
    assert QUERIES
    tried = {*SHELLS, *READ, "sql", "python"}
    strange = {str(block): block.language for block in BLOCKS if block.language not in tried}
    assert not strange, f"nothing runs these: {strange}"


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_is_run_here_or_in_a_test_that_is_named(command: Command) -> None:
    if command.text.startswith("make"):
        subprocess.run([*shlex.split(command.text), "-n"], cwd=PROJECT, check=True, capture_output=True)
        return
    assert command.text in RUN_HERE or command.elsewhere(), f"{command}: run it in a test, and name that in ELSEWHERE"
    for file in command.elsewhere():
        assert (PROJECT / file).exists(), f"{command}: {file} is to run it and is not there"


@pytest.mark.parametrize("command", RUN_HERE.values(), ids=str)
def test_a_command_of_the_documents_works(command: Command, shell: Callable[[Command], Result]) -> None:
    answer = shell(command)
    if refused := REFUSED.get(command.text):
        assert (answer.exit_code, refused in answer.stderr) == (1, True), answer.output
        return
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.strip() or "--output" in command.text, f"answered with nothing: {answer.output}"


def test_an_activated_shell_finds_the_program() -> None:
    """What `. .venv/bin/activate` does in the shell that types the other commands."""
    activated = f". {shlex.quote(sys.prefix)}/bin/activate && command -v r2k"
    found = subprocess.run(["sh", "-c", activated], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"{sys.prefix}/bin/r2k"


def test_python_of_the_documents_works(
    sample: Published, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, one block after the other, as in a notebook."""
    shutil.copytree(sample.folder, tmp_path / "lakes", symlinks=True)
    for name in [name for name in os.environ if name.startswith("R2K_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("R2K_LAKE", str(tmp_path / "lakes"))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in BLOCKS if block.language == "python"]
    assert len(blocks) > 1
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.text, str(block), "exec"), names)


@pytest.mark.parametrize("block", QUERIES, ids=str)
def test_a_query_of_the_documents_works(block: Block, shell: Callable[[Command], Result]) -> None:
    for query in filter(str.strip, block.text.split(";")):
        answer = shell(Command(str(block), "r2k sql -", query))
        assert answer.exit_code == 0, f"{block}: {answer.output}"


def test_the_note_of_the_documents_is_one(shell: Callable[[Command], Result], tmp_path: Path) -> None:
    blocks = [block for block in BLOCKS if block.page.name == "claims.md" and block.language == "toml"]
    note = tmp_path / "note.toml"
    note.write_text("\n".join(block.text for block in blocks), "utf-8")
    answer = shell(Command(str(blocks[0]), f"r2k check-note --json {note}"))
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert found["coverage"] == "6 statements: 5 checked, 1 not checkable, 0 without a word"
    assert [*found["stories"]] == ["T9", "T6", "P1", "F3", "P4", "S1"]
    assert found["errors"] == []
