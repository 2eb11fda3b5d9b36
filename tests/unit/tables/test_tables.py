"""Every derived table, built from stubs of what it declares, with files and network shut.

Belongs here: that a builder needs nothing but its parameters, and that what is declared is what is read. Not here: what
the tables hold (a test of its own for each, in tests/sql and beside this one).
"""

import ast
import inspect
import resource
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_type_hints

import duckdb
import numpy as np
import polars as pl
import pytest

from r2k_pipeline.build import in_order
from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.marts import CrossMarket, PositioningVsTechnicals
from r2k_pipeline.contracts.meta import FetchLog, RefusedRows
from r2k_pipeline.contracts.prices import MarketBars, PriceActions, PriceBars
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.inputs import Values, rows_and_kept, variables_of
from r2k_pipeline.lake import Lake
from r2k_pipeline.market_classes import Role
from r2k_pipeline.markets import CotContract, Market
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sql_models import SqlModel, run_model
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.builders import BUILDERS, Builder, Input
from r2k_pipeline.tables.cot_releases import CotReleases
from r2k_pipeline.tables.forms import OF_REPLAY, Calendar, Form, Over, Regrown
from r2k_pipeline.tables.reference import Sessions
from r2k_pipeline.tables.registry import DerivedTable, derived_tables
from r2k_pipeline.transforms.epochs import KnownBars, as_first_known
from r2k_pipeline.transforms.replay import regrown
from r2k_pipeline.transforms.setups import Setups, read_setups
from tests.sql.rows import bar, fetch, fitting, release, report, rows_of, session

AS_OF: Final = datetime(2024, 7, 5, 21, tzinfo=UTC)
DAYS: Final = [day for n in range(480) if (day := date(2023, 3, 13) + timedelta(n)).weekday() < 5]
TUESDAYS: Final = [day for day in DAYS if day.weekday() == 1 and day < date(2024, 7, 2)]
MARKETS: Final = tuple(
    Market(
        market=name, name=name, index=index, proxy=proxy, multiplier=50, cot=(CotContract(code=code, exchange="CME"),)
    )
    for name, index, proxy, code in (("RUT", "^RUT", "IWM", "239742"), ("SPX", "^GSPC", "SPY", "13874A"))
)
DERIVED: Final = {derived.table: derived for derived in derived_tables()}
Frames = dict[type[Table], pl.DataFrame]


def given_sessions(_: Iterable[str], until: date) -> pl.DataFrame:
    """Every weekday of the stubs is a session."""
    return rows_of(Sessions, [session(str(day)) for day in DAYS if day <= until])


def given_releases(seen: Iterable[date], until: date) -> pl.DataFrame:
    """Every report comes out on its Friday."""
    days = sorted({*seen, *(day for day in TUESDAYS if day <= until)})
    return rows_of(CotReleases, [release(str(day)) for day in days])


@dataclass(frozen=True)
class Given:
    """Stand-ins for Values: the same names, of the same types."""

    as_of: datetime = AS_OF
    today: date = date(2024, 7, 5)
    markets: tuple[Market, ...] = MARKETS
    catalogue: tuple[Market, ...] = MARKETS
    trader_roles: Mapping[Role, tuple[str, ...]] = field(default_factory=lambda: {"hedger": ("dealer",)})
    profile_since: tuple[date, ...] = (date(2024, 1, 2),)
    setups: Setups = field(default_factory=read_setups)
    calendar: Calendar = field(default_factory=lambda: Calendar(given_sessions, given_releases))
    published: tuple[type[Table], ...] = tuple(table for table in TABLES.values() if table.layer in PUBLISHED_LAYERS)


GIVEN: Final = Given()


def given_verdicts(as_of: datetime) -> list[Mapping[str, Any]]:
    """One verdict."""
    said = dict.fromkeys(("note_id", "claim_id", "alternative", "claim", "definition", "unit"), "x")
    found = {
        "verdict": "holds",
        "story": "true",
        "market": "RUT",
        "value_date": None,
        "computed_value": 1.0,
        "computed_text": None,
        "evidence": "[]",
        "reason": None,
    }
    return [{**said, **found, "as_of": as_of, "judged_until_at": None, "known_at": as_of}]


def raw() -> Frames:
    """Raw logs: indices and proxies that sway, a revision, a dividend, reports every week, a row that was refused."""
    steps = np.random.default_rng(7).normal(0, 6, len(DAYS))
    closes = 2000 + 60 * np.sin(np.arange(len(DAYS)) / 25) + steps
    bars = [
        {**bar(symbol, str(day), scale * close), "high": scale * (close + 8), "low": scale * (close - 8), "volume": 1e6}
        for symbol, scale in (("^RUT", 1.0), ("IWM", 0.1), ("^GSPC", 2.5), ("SPY", 0.25))
        for day, close in zip(DAYS, closes, strict=True)
    ]
    revised = {**bars[200], "recorded_at": "2024-06-03T12:00Z", "close": bars[200]["close"] + 1}
    dividend = {"symbol": "IWM", "action_date": "2024-03-15", "kind": "dividend", "amount": 0.5}
    reports = [
        report(market.cot[0].code, str(day), 300 + 7 * (n % 11), 500 - 5 * (n % 7))
        for market in MARKETS
        for n, day in enumerate(TUESDAYS)
    ]
    refused = {"table_name": "raw.price_bars", "row_key": "^RUT 2024-05-04", "source": "x", "rule": "no session"}
    return {
        PriceBars: rows_of(PriceBars, [*bars, revised]),
        PriceActions: rows_of(PriceActions, [dividend]),
        CotReports: rows_of(CotReports, reports),
        FetchLog: rows_of(FetchLog, [fetch("^RUT", AS_OF.isoformat(), rows_read=0)]),
        RefusedRows: rows_of(RefusedRows, [{**refused, "row_values": "{}"}]),
    }


def build(derived: DerivedTable, there: Frames, **variables: datetime) -> pl.DataFrame:
    """A table from frames of its upstreams and nothing else; a query runs without access to files or network."""
    if isinstance(model := derived.made, SqlModel):
        frames = {name: there[TABLES[name]] for name in model.upstreams}
        no_files = {name: [] for name in frames}
        return run_model(model, no_files, variables_of(model, GIVEN) | variables, memory_limit="1GB", empty=frames)
    builder = derived.made
    given = {each.name: given_as(each, there) for each in builder.given}
    given |= {name: getattr(GIVEN, name) for name in builder.values}
    return builder.rows(given, KnownBars(there[MarketBars]) if builder.replayed else None)


def given_as(wanted: Input, there: Frames) -> Any:
    """A stub in the form that a builder wants it."""
    if isinstance(wanted.form, Over):
        return given_verdicts
    if isinstance(wanted.form, Regrown):
        return regrown(wanted.form.make)
    assert wanted.table is not None
    rows = there[wanted.table]
    return as_first_known(rows) if wanted.form is Form.FIRST_KNOWN else rows.select(wanted.columns or pl.all())


_opened: list[str] | None = None
"""What was opened, or reached for, while someone watches."""
LOUD: Final = frozenset({"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.listdir"})
CODE: Final = (".py", ".pyc", ".so", ".nbi", ".nbc")
"""Modules and compiled kernels: they are loaded when they are first needed, wherever that is."""


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event in LOUD:
        _opened.append(f"{event} {arguments[0]}")


sys.addaudithook(_listen)


@contextmanager
def watched() -> Iterator[list[str]]:
    """All that Python opens or connects to, but for code."""
    global _opened  # noqa: PLW0603  (an audit hook stays for good)
    _opened = found = []
    try:
        yield found
    finally:
        _opened = None
        found[:] = [each for each in found if not each.endswith(CODE) and "__pycache__" not in each]


@contextmanager
def shut() -> Iterator[None]:
    """No file and no socket can be opened, by Python or by any library: the process may have no new descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def there() -> Frames:
    """Stubs of all tables: the raw ones by hand, each other one as it is built of its own stubs."""
    frames = raw()
    for derived in in_order():
        frames[derived.table] = fitting(derived.table, build(derived, frames))
    return frames


@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.dotted())
def test_a_table_is_made_of_what_it_declares_and_of_nothing_else(table: type[Table], there: Frames) -> None:
    upstreams = {TABLES[name] for name in DERIVED[table].upstreams}
    declared = {upstream: rows for upstream, rows in there.items() if upstream in upstreams}
    with watched() as opened:
        rows = build(DERIVED[table], declared)
    assert opened == []
    if isinstance(DERIVED[table].made, Builder):
        with shut():
            rows = build(DERIVED[table], declared)
    assert fitting(table, rows).equals(there[table])
    assert there[table].height


@pytest.mark.parametrize("table", [PositioningVsTechnicals, CrossMarket], ids=lambda table: table.dotted())
def test_a_query_that_grows_makes_the_rows_known_since_as_it_makes_them_all(table: type[Table], there: Frames) -> None:
    moments = there[table]["known_at"].unique().sort()
    for until in (moments[0], moments[len(moments) // 2], moments[-2], moments[-1]):
        rows = fitting(table, build(DERIVED[table], there, published_until=until))
        assert rows.equals(there[table].filter(pl.col("known_at") > until))


def test_nothing_can_be_opened_where_all_is_shut() -> None:
    with shut(), pytest.raises(OSError, match="Too many open files"):
        Path(__file__).read_bytes()
    with watched() as opened:
        Path(__file__).read_bytes()
        with pytest.raises(FileNotFoundError):
            Path(__file__).with_suffix(".toml").read_bytes()
    assert opened == [f"open {Path(__file__).with_suffix('.toml')}"]  # modules may be loaded at any time
    model = SqlModel("marts.any", f"select * from read_text('{__file__}')")
    with pytest.raises(duckdb.PermissionException, match=r"marts\.any.*disabled"):
        run_model(model, {}, {}, memory_limit="1GB")


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=lambda builder: builder.table.dotted())
def test_a_builder_uses_every_parameter_and_its_values_are_of_their_types(builder: Builder) -> None:
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(builder.function))).body
    assert isinstance(function, ast.FunctionDef)
    used = {node.id for line in function.body for node in ast.walk(line) if isinstance(node, ast.Name)}
    assert not [name for name in used if name.startswith(("read_", "open"))], "what it reads is a parameter"
    hints = get_type_hints(builder.function)
    assert hints.pop("return") is pl.DataFrame
    assert hints.keys() <= used
    for name in builder.values:
        assert hints[name] == get_type_hints(getattr(Values, name).fget)["return"], name
    assert {name for name in hints if name in OF_REPLAY} <= (set(OF_REPLAY) if builder.replayed else set())


@dataclass(frozen=True)
class ReadLake(Lake):
    """A lake that keeps account of which tables are read."""

    read_tables: set[str] = field(default_factory=set)

    def files(self, table: str) -> list[Path]:
        """As a lake does."""
        self.read_tables.add(table)
        return super().files(table)


@pytest.fixture(scope="module")
def folder(there: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that has all stubs."""
    folder = tmp_path_factory.mktemp("lake")
    lake = Lake.of(folder, "files")
    for table, rows in there.items():
        if table.layer == "raw":
            lake.append(table, rows, AS_OF)
        else:
            lake.write(table, rows)
    return folder


@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.dotted())
def test_what_is_read_of_the_lake_is_what_is_declared(table: type[Table], there: Frames, folder: Path) -> None:
    lake = Lake.of(folder, "files")
    read = ReadLake(*(getattr(lake, name) for name in ("root", "derived")))
    settings = Settings(source="files", lake=folder, profile_since=GIVEN.profile_since)
    run = Run(settings, read, GIVEN.markets, lambda: AS_OF).fixed()
    read.read_tables.clear()
    ((rows, kept),) = rows_and_kept(run, DERIVED[table])
    moment = {FetchLog.dotted()} if "as_of" in DERIVED[table].values else set()
    assert read.read_tables | moment == {*DERIVED[table].upstreams} | moment
    assert kept == []
    assert table.fit(rows) is not None
