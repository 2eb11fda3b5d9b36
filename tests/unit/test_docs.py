"""What the documents say is so: links resolve, tables.md is what the contracts generate, commands and files exist.

Belongs here: README, CHANGELOG and docs/ against the program, code within sentences too. Not here: running the code
blocks (pipeline/test_documented_commands.py), what commands answer (test_cli.py).
"""

import re
import shlex
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
import pytest

from r2k_pipeline.cli import main
from r2k_pipeline.markets import read_markets
from r2k_pipeline.report.dictionary import build_dictionary
from r2k_pipeline.settings import Settings
from tests.documents import CONTRIBUTING, PAGES, PROJECT

README: Final = PROJECT / "README.md"
COMMAND: Final = re.compile(r"^    (?:.*&& )?(?:R2K_\w+=\S+ )?(?:\.venv/bin/)?r2k (.+)$|`r2k ([^`]+)`", re.MULTILINE)
"""A line of a code block, or code within a sentence."""


def _commands(page: Path) -> list[str]:
    """The arguments of every `r2k` command on a page, redirections left out."""
    found = (block or inline for block, inline in COMMAND.findall(page.read_text("utf-8")))
    return list(dict.fromkeys(re.sub(r" > \S+$", "", command) for command in found))


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.exists(), f"{target} is not there"
            assert not anchor or anchor in _anchors(linked), f"{target}: no such heading"


def test_tables_page_is_what_the_contracts_say() -> None:
    written = (PROJECT / "docs" / "tables.md").read_text("utf-8")
    assert written == build_dictionary(), "run: python -m r2k_pipeline.report.dictionary > docs/tables.md"


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.name)
def test_commands_parse(page: Path) -> None:
    for command in _commands(page):
        # `--help` and `--version` end the program.
        with suppress(click.exceptions.Exit), main.make_context("r2k", shlex.split(command)) as context:
            _, found, arguments = main.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            try:
                found.make_context(command, arguments, parent=context)
            except click.MissingParameter:
                assert command.split()[1:] == [], f"r2k {command}: an argument is missing"


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.name)
def test_settings_and_make_targets_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    names = {name.lower() for name in re.findall(r"\bR2K_([A-Z_]*[A-Z])\b", text)}
    assert names <= set(Settings.model_fields), "no such setting"
    targets = re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE)) <= set(targets), "no such make target"


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.name)
def test_python_files_that_are_to_be_run_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for file in re.findall(r"\bpython ([\w/]+\.py)\b|\bmarimo edit ([\w/]+\.py)", text):
        assert (PROJECT / "".join(file)).is_file(), f"{''.join(file)} is not there"
    for module in re.findall(r"\bpython -m (r2k_pipeline[\w.]*)", text):
        assert find_spec(module), f"{module} is not there"


def test_operations_lists_every_setting() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    missing = {name for name in Settings.model_fields if f"`R2K_{name.upper()}`" not in text}
    assert not missing


def test_market_of_the_readme_is_one(tmp_path: Path) -> None:
    block = re.search(r"(?:^    .*\n)*^    \[MID\]\n(?:^    .*\n)+", README.read_text("utf-8"), re.MULTILINE)
    assert block
    own = tmp_path / "my_markets.toml"
    own.write_text(re.sub("^    ", "", block.group(), flags=re.MULTILINE), "utf-8")
    (market,) = (market for market in read_markets([own]) if market.market == "MID")
    assert market.multiplier == 100


@pytest.mark.parametrize("walk", ["one price bar", "one COT row", "one line of a note"])
def test_a_walk_visits_functions_that_are_there_and_each_once(walk: str) -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8").split(f"## A walk: {walk}\n")[1].split("\n## ")[0]
    stays = re.findall(r"^\| `([\w./]+)` \| ([^|]*) \|", text, re.MULTILINE)
    visited = [(file, name) for file, names in stays for name in re.findall(r"`(\w+)`", names) or [""]]
    assert len(visited) > 20
    assert len(set(visited)) == len(visited), "each function once"
    for file, name in visited:
        source = PROJECT / file if file.startswith("sql/") else PROJECT / "r2k_pipeline" / file
        assert source.is_file(), f"{file} is not there"
        assert not name or re.search(rf"^ *def {name}\b", source.read_text("utf-8"), re.MULTILINE), f"{file}: no {name}"
