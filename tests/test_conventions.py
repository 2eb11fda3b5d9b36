"""The conventions that hold the project together, as tests: layering, names, units, SQL against contracts, locks.

Belongs here: rules over source text and contracts, which no single module can check. Not here: behaviour.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest
import sqlglot
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlglot import TokenType, exp

from r2k_pipeline.contracts.table import LAYERS, Table
from r2k_pipeline.sql_models import SqlModel
from r2k_pipeline.tables import TABLES

PROJECT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = PROJECT / "r2k_pipeline"
MODULES: Final = sorted(PACKAGE.rglob("*.py"))
SOURCES: Final = sorted([*MODULES, *PROJECT.glob("tests/**/*.py"), *PROJECT.glob("benchmarks/**/*.py")])
SQL: Final = sorted(PROJECT.glob("sql/**/*.sql"))
MODELS: Final = [file for file in SQL if file.parent.name in LAYERS]
LOCKS: Final = (PROJECT / "requirements.lock", PROJECT / "requirements-dev.lock")

RANKS: Final = {
    **dict.fromkeys(
        (
            "errors",
            "files",
            "folders",
            "report_types",
            "market_classes",
            "vendors",
            "contracts",
            "quoting",
            "sql_syntax",
            "account",
        ),
        0,
    ),
    "locked": 1,
    "mistakes": 0,
    "moments": 0,
    "shipped": 0,
    "settings": 1,
    "markets": 1,
    **dict.fromkeys(("sources", "transforms", "lake", "records", "sql_models", "warehouse", "postgresql", "claims"), 2),
    **dict.fromkeys(("generations", "restatement", "last_run", "raw_check", "snapshot", "sums", "table_files"), 2),
    **dict.fromkeys(("raw_folder", "run_lock"), 2),
    **dict.fromkeys(("origins", "continued", "runs", "log", "tables", "inputs", "keys", "build"), 2),
    **dict.fromkeys(("causes", "gate", "holes", "publication", "published_notes"), 2),
    **dict.fromkeys(("orchestration", "report"), 3),
    **dict.fromkeys(("definitions", "cli", "api"), 4),
    "__main__": 5,
}
"""Which part may import which: one of its own rank or lower, and never in a circle. A new part gets its rank here."""
OWNERS: Final = {
    "dagster": ("orchestration", "definitions"),
    **dict.fromkeys(("yfinance", "curl_cffi", "httpx2", "requests", "urllib.request", "http.client"), ("sources",)),
    "numba": ("transforms",),
    **dict.fromkeys(("adbc_driver_manager", "adbc_driver_postgresql"), ("postgresql",)),
}
"""Which parts alone may import a library."""
EQUIVALENTS: Final = "today's contract equivalents"
CONTRACTS: Final = r"_contracts(_change_1w)?$"
UNITS: Final = {
    CONTRACTS: {"contracts", EQUIVALENTS},
    r"_usd$": {"USD"},
    r"_ratio$": {"ratio, 1 = 100 %"},
    r"_share_oi$": {"share of open interest, -1..1"},
    r"_percentile(_\d+w)?$|^cot_index_\d+w$": {"0..100"},
    r"_points$": {"index points"},
    r"_(sessions|days|weeks)$": {"sessions", "days", "weeks"},
    r"_at$|^as_of$": {"UTC instant"},
    r"_date$|_from$|_until$": {"day"},
    r"^is_": {"flag"},
}
"""The unit that a name promises; instants, days, flags, USD and shares of open interest must also be named so."""
NAMED: Final = {"UTC instant", "day", "flag", "USD", "share of open interest, -1..1"}


def _id(value: object) -> str:
    return str(value.relative_to(PROJECT)) if isinstance(value, Path) else str(value)


def _part(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _imports(file: Path) -> set[str]:
    """Dotted names that a file imports anywhere in it, `from a import b` as `a.b`."""
    names = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{_id(file)}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _own_parts(file: Path) -> set[str]:
    """The parts of r2k that a file imports."""
    return {name.split(".")[1] for name in _imports(file) if name.startswith("r2k_pipeline.")}


@pytest.mark.parametrize("module", [m for m in MODULES if m.parent != PACKAGE or m.stem != "__init__"], ids=_id)
def test_imports_point_one_way(module: Path) -> None:
    part = _part(module)
    assert part in RANKS, f"{part} is new: give it a rank in RANKS, as design says"
    too_high = {other for other in _own_parts(module) if RANKS.get(other, 0) > RANKS[part]}
    assert not too_high, f"{part} must not import {too_high}"


def test_no_two_parts_import_each_other() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        graph[_part(module)] |= _own_parts(module) - {_part(module)}
    while leaves := {part for part in graph if not graph[part] & graph.keys()}:
        for leaf in leaves:
            del graph[leaf]
    assert not graph, f"these parts import each other in a circle: {dict(graph)}"


@pytest.mark.parametrize("module", MODULES, ids=_id)
def test_who_asks_for_any_table_has_all_of_them(module: Path) -> None:
    """TABLES of contracts/ lacks those that are made in Python until tables/ is imported: it does for raw logs."""
    if _part(module) not in {"contracts", "tables", "lake", "log", "raw_check"}:
        assert "r2k_pipeline.contracts.table.TABLES" not in _imports(module), "import TABLES from r2k_pipeline.tables"


def test_a_look_at_the_registry_loads_no_kernel() -> None:
    """Nor a calendar: builders import what computes when they are called."""
    look = "import sys; from r2k_pipeline.tables.registry import derived_tables as t; t(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numba", "pandas", "exchange_calendars", "dagster"}.intersection(loaded)


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("cli", "duckdb polars pydantic logging"),
        ("settings", "duckdb polars pandas asyncio tomllib"),
        ("report.query", "duckdb polars pyarrow pydantic"),
        ("report.query_worker", "polars numpy pydantic"),
    ],
)
def test_who_waits_for_a_first_row_waits_for_no_library_that_it_does_not_need(module: str, unneeded: str) -> None:
    look = f"import sys; sys.modules['numpy'] = None; import r2k_pipeline.{module}; del sys.modules['numpy']"
    loaded = subprocess.run(
        [sys.executable, "-c", f"{look}; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(unneeded.split()).intersection(loaded)


@pytest.mark.parametrize("module", MODULES, ids=_id)
def test_libraries_stay_with_their_owners(module: Path) -> None:
    for name in _imports(module):
        for library, owners in OWNERS.items():
            if re.match(rf"{re.escape(library)}(_\w+)?(\.|$)", name):
                assert _part(module) in owners, f"only {owners} may import {library}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.parent.name == "transforms"], ids=_id)
def test_kernels_keep_the_arrays_whose_records_they_take(module: Path) -> None:
    """In compiled code a record of an array that nobody holds is a view of memory that is free already."""
    for node in ast.walk(_tree(module)):
        fresh = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call)
        assert not (fresh and re.match(r"np\.(empty|zeros|ones|full)\b", ast.unparse(node.value.func))), (
            f"line {node.lineno}: name the array"
        )


def test_what_is_imported_is_declared() -> None:
    """No module leans on a package that is there only because another one needs it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {canonicalize_name(Requirement(wanted).name) for wanted in project["dependencies"]}
    distributions = packages_distributions()
    imported = {name.split(".")[0] for module in MODULES for name in _imports(module)} - sys.stdlib_module_names
    missing = {
        name for name in imported - {PACKAGE.name} if declared.isdisjoint(map(canonicalize_name, distributions[name]))
    }
    assert not missing, f"imported and not in pyproject's dependencies: {missing}"


@pytest.mark.parametrize("source", SOURCES, ids=_id)
def test_modules_say_what_belongs_in_them(source: Path) -> None:
    assert source.stem not in {"utils", "util", "helpers", "common", "misc"}
    said = ast.get_docstring(_tree(source))
    assert said, "no module docstring"
    assert len(said.splitlines()) <= 6, "a module's docstring has six lines or fewer"


@pytest.mark.parametrize("source", [s for s in SOURCES if s.stem == "__init__"], ids=_id)
def test_packages_only_reexport(source: Path) -> None:
    """Also by the names that PEP 562 gives to what is imported when it is first used."""
    body = _tree(source).body[1:]
    body += [inner for node in body if ast.unparse(node).startswith("if TYPE_CHECKING:") for inner in node.body]
    named = re.compile(
        r"(__all__|__version__|_EXPORTS(: Final)?) = |def __(getattr|dir)__\(|if TYPE_CHECKING:|from |import "
    )
    assert not [f"line {node.lineno}: {text}" for node in body if not named.match(text := ast.unparse(node))]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_contracts_are_described(table: type[Table]) -> None:
    assert table.description(), "say what one row is, in the docstring"
    assert table.primary_key(), "a table has a key"
    for name, column in table.columns().items():
        assert column.description, f"{name}: no description"
        assert table.units()[name], f"{name}: no unit"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_names_promise_their_units(table: type[Table]) -> None:
    for name, unit in table.units().items():
        promised = [units for pattern, units in UNITS.items() if re.search(pattern, name)]
        assert all(unit in units for units in promised), f"{name} is in {unit!r}, its name says {promised}"
        assert promised or unit not in NAMED, f"{name} is in {unit!r} and its name does not say so"


def test_same_name_same_unit_same_type() -> None:
    """But `*_contracts`, which are as reported or in today's equivalents: a table is all the one or all the other."""
    meanings: dict[tuple[str, bool], dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for dotted, table in TABLES.items():
        rescaled = EQUIVALENTS in table.units().values()
        for name, column in table.columns().items():
            unit = re.sub("^one of .*", "text", table.units()[name])
            in_contracts = re.search(CONTRACTS, name) is not None
            meanings[name, rescaled and in_contracts][unit, str(column.dtype)].append(dotted)
            assert not (rescaled and in_contracts) or unit == EQUIVALENTS, (
                f"{dotted}.{name}: {unit} among {EQUIVALENTS}"
            )
    torn = {name: dict(found) for (name, _), found in meanings.items() if len(found) > 1}
    assert not torn, f"one name, several units or types: {torn}"


@pytest.mark.parametrize("file", SQL, ids=_id)
def test_sql_reads_alike(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text.startswith("-- "), "begin with a comment that says why"
    assert not re.search(r"{[{%]", text), "no Jinja: parameters come by getvariable"
    tokens = (t for t in sqlglot.tokenize(text, dialect="duckdb") if t.token_type != TokenType.STRING)
    loud = {word for token in tokens if (word := text[token.start : token.end + 1]) != word.lower()}
    assert not loud, f"lower case, please: {loud}"


@pytest.mark.parametrize("file", MODELS, ids=_id)
def test_sql_selects_the_columns_of_its_contract(file: Path) -> None:
    dotted = f"{file.parent.name}.{file.stem}"
    assert dotted in TABLES, f"no contract {dotted}: new table = one contract, one file, one test"
    query = sqlglot.parse_one(file.read_text("utf-8"), dialect="duckdb")
    assert isinstance(query, exp.Query), "a model is one SELECT"
    # Of a star the contract takes its columns; what it lacks fails every test that builds the table.
    assert query.is_star or query.named_selects == TABLES[dotted].column_names()


@pytest.mark.parametrize("file", MODELS, ids=_id)
def test_sql_reads_only_tables_that_have_a_contract(file: Path) -> None:
    query = sqlglot.parse_one(file.read_text("utf-8"), dialect="duckdb")
    read = {f"{table.db}.{table.name}" for table in query.find_all(exp.Table) if table.db}
    assert read <= TABLES.keys(), f"no contract: {read - TABLES.keys()}"
    assert read == set(SqlModel(file.stem, file.read_text("utf-8")).upstreams), "two parsers find the same tables"


@pytest.mark.parametrize("source", [s for s in SOURCES if s.is_relative_to(PROJECT / "tests")], ids=_id)
def test_real_data_comes_from_the_fixture(source: Path) -> None:
    """So that every test that needs it skips, and says so, where it is absent."""
    if source in {PROJECT / "tests" / "conftest.py", Path(__file__)}:
        return
    texts = [n.value for n in ast.walk(_tree(source)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    paths = [text for text in texts if re.fullmatch(r"shared|[\w./-]*shared/\S*", text)]
    assert not paths, f"take the fixture `real` instead of {paths}"


@cache
def _pins(lock: Path) -> dict[str, tuple[Requirement, ...]]:
    """Requirements of a lock by name, hashes left out (one name has several where a marker divides them)."""
    found: dict[str, list[Requirement]] = defaultdict(list)
    for line in lock.read_text("utf-8").replace("\\\n", " ").splitlines():
        if not line.startswith("#"):
            assert "--hash=sha256:" in line, f"{lock.name}: no hash: {line}"
            requirement = Requirement(line.split(" --hash")[0])
            found[canonicalize_name(requirement.name)].append(requirement)
    return {name: tuple(requirements) for name, requirements in found.items()}


def _pinned_within(lock: Path, wanted: list[str]) -> None:
    for requirement in map(Requirement, wanted):
        pins = _pins(lock).get(canonicalize_name(requirement.name), ())
        assert pins, f"{lock.name} lacks {requirement}: make lock"
        for pin in pins:
            (version,) = (specifier.version for specifier in pin.specifier)
            assert version in requirement.specifier, f"{lock.name} has {pin}, wanted {requirement}: make lock"


def test_locks_hold_what_pyproject_asks_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    _pinned_within(LOCKS[0], wanted)
    _pinned_within(LOCKS[1], [*wanted, *project["project"]["optional-dependencies"]["dev"]])
    # Versions only: what the tests add may want a package on more platforms.
    runtime, dev = ({name: {str(p.specifier) for p in pins} for name, pins in _pins(lock).items()} for lock in LOCKS)
    apart = {name for name in runtime if runtime[name] != dev.get(name)}
    assert not apart, f"the locks differ on {apart}: make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=_id)
def test_locks_name_no_host(lock: Path) -> None:
    assert not re.findall(r"\S*://\S*|--(?:index|extra-index|find-links|trusted)\S*| @ \S+", lock.read_text("utf-8"))


def test_nothing_names_the_machine_it_was_made_on() -> None:
    texts = [*SOURCES, *SQL, *LOCKS, *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("*.md"), *PROJECT.glob("*.y*ml")]
    texts += [*PACKAGE.rglob("*.toml"), *PROJECT.glob(".ci/*"), PROJECT / "Makefile", PROJECT / "pyproject.toml"]
    machine = re.compile(r"(?:^|[\s\"'(=:])/(?:work|root|home)/\w+")
    named = {_id(file): found for file in texts if (found := machine.findall(file.read_text("utf-8")))}
    assert not named
