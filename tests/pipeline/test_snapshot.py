"""A snapshot of a past moment against a rebuild of it: every table, every row; and the Python API on top of it."""

import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import r2k_pipeline
from r2k_pipeline import build
from r2k_pipeline.contracts.clock import standing_at
from r2k_pipeline.contracts.meta import Fetches, Generation, Restatements
from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.contracts.table import DATED_LAYERS, PUBLISHED_LAYERS, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.locked import PUBLISHED
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.snapshot import NOT_KEPT, Snapshot, open_snapshot
from r2k_pipeline.tables import TABLES
from tests.lakes import Published
from tests.pipeline.command_line import r2k

MOMENTS: Final = (
    datetime(2020, 6, 12, 19, 29, tzinfo=UTC),  # before SMA 200 is known, in mid-session
    datetime(2020, 11, 27, 18, tzinfo=UTC),  # half-day close
    datetime(2021, 3, 15, 12, tzinfo=UTC),  # daylight saving began the day before
    datetime(2021, 6, 30, 20, tzinfo=UTC),  # a month's last session
    datetime(2022, 9, 21, 15, tzinfo=UTC),  # in mid-session
    datetime(2023, 5, 5, 19, 29, tzinfo=UTC),  # a minute before a release
    datetime(2023, 5, 5, 19, 30, tzinfo=UTC),  # the release
    datetime(2024, 2, 29, 21, tzinfo=UTC),  # leap day
    datetime(2025, 3, 13, 20, tzinfo=UTC),
    datetime(2025, 3, 14, 19, tzinfo=UTC),  # the note's Friday, before close and release
    datetime(2025, 3, 14, 21, 30, tzinfo=UTC),  # after both
    datetime(2025, 12, 31, 21, tzinfo=UTC),  # the last close
)
BY_R2K_RUN: Final = MOMENTS[-2]
"""The one that `r2k run --as-of` rebuilds, which compares more tables."""
THREE: Final = MOMENTS[1::4]
SHUTDOWN: Final = datetime(2013, 10, 11, 20, tzinfo=UTC)
TABLES_COMPARED: Final = [t for t in TABLES.values() if t.layer in PUBLISHED_LAYERS and t not in (Generation, Fetches)]


BUILT: Final = [t for t in TABLES_COMPARED if t not in (Restatements, Notes)]
"""But for what only publishing makes."""
POSITIONS: Final = "where market = $for_market and report_date between $first_date and $last_date"
OF_THE_MOMENT: Final = {
    "latest": "from as_of($ts)",
    "positioning": f"from weekly_positioning_as_of($ts) {POSITIONS} and report_type = 'tff_futures'",
}
"""What macros that take no moment must say of the moment of a snapshot."""
DATED: Final = [t for t in TABLES_COMPARED if t.layer in DATED_LAYERS and (t.known_by or t.stands_of)]


def _hold_to(cut: Snapshot, expected: Callable[[type[Table]], pl.DataFrame], tables: Sequence[type[Table]]) -> None:
    """Raise AssertionError unless every table of a past moment is as expected, and most have rows."""
    assert cut.is_past
    filled = 0
    for table in tables:
        then, rows, order = table.cast(cut.read(table)), table.cast(expected(table)), table.primary_key()
        assert_frame_equal(then.sort(order), rows.sort(order), check_exact=True)
        filled += bool(then.height)
    assert filled > len(tables) / 2


def _build(lake: Published, folder: Path, moment: datetime) -> Lake:
    """All tables built anew as known at `moment`, from the raw rows of `lake` alone."""
    (folder / lake.source).mkdir()
    (folder / lake.source / "raw").symlink_to(lake.lake.root / "raw")
    run = Run.of(Settings(source=lake.source, lake=folder, as_of=moment))
    assert {outcome.state for outcome in build.build_tables(run, BUILT)} == {"built"}
    return run.lake


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment != BY_R2K_RUN], ids=str)
def test_every_table_of_a_snapshot_is_that_of_a_rebuild(sample: Published, tmp_path: Path, moment: datetime) -> None:
    rebuilt = _build(sample, tmp_path, moment)
    with open_snapshot(sample.lake, moment) as cut:
        _hold_to(cut, rebuilt.read, BUILT)


def test_every_table_of_a_snapshot_of_real_data_is_that_of_a_rebuild(from_real: Published, tmp_path: Path) -> None:
    rebuilt = _build(from_real, tmp_path, SHUTDOWN)
    with open_snapshot(from_real.lake, SHUTDOWN) as cut:
        _hold_to(cut, rebuilt.read, BUILT)


def test_every_table_of_a_snapshot_is_that_of_r2k_run(sample: Published, tmp_path: Path, home: Path) -> None:
    moment, folder = BY_R2K_RUN, tmp_path / "lake"
    shutil.copytree(sample.folder, folder, symlinks=True)
    done = r2k(home, "run", "--source", sample.source, "--lake", folder, "--as-of", moment.isoformat())
    assert done.exit_code == 0, done.output
    with open_snapshot(sample.lake, moment) as cut, open_snapshot(Lake.of(folder, sample.source, moment)) as rebuilt:
        assert rebuilt.moment == cut.moment == moment
        _hold_to(cut, rebuilt.read, TABLES_COMPARED)


@pytest.mark.parametrize("moment", THREE, ids=str)
def test_every_macro_says_in_a_snapshot_what_it_says_of_its_moment_in_all_that_is_known(
    sample: Published, moment: datetime
) -> None:
    given = {
        **{"for_market": "RUT", "first_date": date(2024, 1, 1), "last_date": date(2030, 1, 1), "ts": moment},
        **{"for_window": "rolling_250", "least_open_interest": 0},
    }
    defined = (
        "select function_name, parameters from duckdb_functions() "
        "where database_name = $database and function_type = 'table_macro'"
    )
    with open_snapshot(sample.lake) as whole, open_snapshot(sample.lake, moment) as cut:
        macros = dict(whole.ask(defined, database=PUBLISHED).fetchall())
        assert {"as_of", "data_ends", "daily_prices_as_of", "latest", "levels_as_of", "positioning"} <= set(macros)
        for name, parameters in macros.items():
            query = f"from {name}({', '.join(f'${parameter}' for parameter in parameters)})"
            said, expected = _ask(cut, query, given), _ask(whole, OF_THE_MOMENT.get(name, query), given)
            assert_frame_equal(said, expected, check_exact=True)
            if name.endswith("as_of"):
                assert_frame_equal(_ask(cut, query, {"ts": datetime.max.replace(tzinfo=UTC)}), said, check_exact=True)


def _ask(snapshot: Snapshot, query: str, given: Mapping[str, object]) -> pl.DataFrame:
    named = {name: value for name, value in given.items() if f"${name}" in query}
    rows: pl.DataFrame = snapshot.ask(f"{query} order by all", **named).pl()
    return rows


def test_what_stood_is_the_same_in_frames_and_by_macro(sample: Published) -> None:
    with open_snapshot(sample.lake) as snapshot:
        for table in (table for table in DATED if not table.looks_ahead):
            vintages = TABLES[table.stands_of] if table.stands_of else table
            rows, order = snapshot.read(vintages), table.primary_key()
            for moment in THREE:
                stood = standing_at(vintages, rows, moment).select(table.column_names()).sort(order)
                asked = _ask(snapshot, f"from {table.table}_as_of($ts)", {"ts": moment}).sort(order)
                assert_frame_equal(asked, stood, check_exact=True)


@pytest.fixture(scope="module")
def before_all(sample: Published) -> Iterator[Snapshot]:
    """The sample's lake at a moment before its first row."""
    with open_snapshot(sample.lake, datetime(1990, 1, 1, tzinfo=UTC)) as snapshot:
        yield snapshot


@pytest.mark.parametrize("table", TABLES_COMPARED, ids=lambda table: table.dotted())
def test_every_published_table_says_what_it_is_at_a_past_moment(before_all: Snapshot, table: type[Table]) -> None:
    assert before_all.read(table).columns == table.column_names()


def test_what_a_generation_cannot_tell_is_empty_and_said(sample: Published, tmp_path: Path) -> None:
    said = r2k(tmp_path, "sql", "--lake", sample.folder, "--as-of", "2025-03-14", "select count(*) from meta.fetches")
    assert said.exit_code == 0
    assert NOT_KEPT[Fetches] in said.output
    assert "meta.fetches" in said.output


def test_sql_at_a_past_moment_sums_up_what_was_known(sample: Published, tmp_path: Path) -> None:
    asked = "select sum(events) + sum(pending_events) as events, max(last_event_date) as last from marts.setup_outcomes"
    said = r2k(tmp_path, "sql", "--lake", sample.folder, "--as-of", "2025-03-14", "--format", "csv", asked)
    assert said.exit_code == 0, said.output
    events, last = said.stdout.splitlines()[1].split(",")
    assert int(events) > 0
    assert last < "2025-03-14"


def test_the_api_answers_in_a_line(sample: Published) -> None:
    with r2k_pipeline.open("sample", lake=sample.folder, as_of="2025-03-14") as data:
        assert data.markets == ("RUT", "SPX", "NDX", "DJI")
        assert data.generation["is_sample"]
        bars = data.prices("RUT")
        assert bars["known_at"].max() == data.moment == datetime(2025, 3, 14, 20, tzinfo=UTC)
        assert data.positions("RUT")["known_at"].max() <= data.moment  # type: ignore[operator]
        ours = r2k_pipeline.daily_indicators(bars)
        columns = ["session_date", "rsi_14"]
        assert_frame_equal(ours[columns], data.table("features.daily_indicators", market="RUT")[columns])
        calendar = data.sql("select market, session_date from marts.markets join marts.sessions using (calendar)")
        for name, built in (
            ("weekly_indicators", r2k_pipeline.weekly_indicators(bars, calendar)),
            ("anchored_vwaps", r2k_pipeline.anchored_vwaps(bars)),
        ):
            told = data.table(f"features.{name}", market="RUT")[built.columns]
            assert_frame_equal(built, told)
        assert data.sql("select close from latest() where market = 'RUT'").item() == bars["close"][-1]
        assert data.brief("RUT").count("# RUT") == 1
        shown = data.figure("RUT")._repr_mimebundle_(include=None, exclude=None)
        assert "RUT weekly review, 2025-03-14" in shown["application/vnd.vegalite.v6+json"]["title"]["text"]  # type: ignore[index]
        assert shown["image/png"].startswith(b"\x89PNG")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("drop table marts.markets", "DROP is disabled here"),
        ("select nothing from marts.markets", "nothing"),
        ("from read_csv('/etc/passwd')", "disabled"),
    ],
)
def test_the_api_only_reads(sample: Published, query: str, message: str) -> None:
    with r2k_pipeline.open("sample", lake=sample.folder) as data, pytest.raises(R2kError, match=f"{message}.*; next:"):
        data.sql(query)


def test_what_is_not_there_is_named(sample: Published, tmp_path: Path) -> None:
    with pytest.raises(R2kError, match="no warehouse yet; next: r2k run"):
        r2k_pipeline.open("sample", lake=tmp_path)
    with r2k_pipeline.open("sample", lake=sample.folder) as data:
        for name in ("marts.nothing", "raw.price_bars"):
            with pytest.raises(R2kError, match="no such table is published; next: one of"):
                data.table(name)
        for asked in (data.prices, data.positions, data.figure, data.brief):
            with pytest.raises(R2kError, match=r"market.*; next: one of DJI, NDX, RUT, SPX"):
                asked("XXX")
        with pytest.raises(R2kError, match="has no market"):
            data.table("marts.sessions", market="RUT")


def test_the_package_exports_what_it_says_and_costs_nothing() -> None:
    assert r2k_pipeline.R2kError is R2kError
    assert all(getattr(r2k_pipeline, name) for name in r2k_pipeline.__all__)
    assert set(r2k_pipeline.__all__) == set(r2k_pipeline._EXPORTS)
    heavy = "import sys, r2k_pipeline; print({'polars', 'duckdb', 'dagster', 'pydantic'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", heavy], text=True).strip() == "set()"


def test_no_name_of_the_package_is_a_module_of_it() -> None:
    """The import of such a module would put it in the place of the function: the second `r2k.run` failed."""
    assert not {module.name for module in pkgutil.iter_modules(r2k_pipeline.__path__)} & set(r2k_pipeline.__all__)
