"""One run on the sample makes everything; a second one finds nothing new and publishes the same."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import duckdb
import polars as pl
import pytest
from dataframely.exc import SchemaError

from r2k_pipeline import inputs
from r2k_pipeline.contracts.marts import CrossMarket, PositioningVsTechnicals
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS, Table
from r2k_pipeline.definitions import defs
from r2k_pipeline.inputs import batches, rows_and_kept, rows_of_model
from r2k_pipeline.runs import Run
from r2k_pipeline.settings import Settings
from r2k_pipeline.sql_models import SqlModel, read_models
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.level_outcomes import LEVEL_SIDES
from r2k_pipeline.tables.registry import SQL, derived_tables
from r2k_pipeline.transforms.epochs import Continued
from tests.lakes import Published
from tests.pipeline.command_line import r2k, start_r2k

EMPTY_ON_THE_SAMPLE = {
    "raw.refused_rows",
    "meta.quarantine",
    "meta.findings",
    "raw.price_actions",
    "raw.restatements",
    "meta.restatements",
    "staging.price_action_vintages",
}
"""The sample has no row to refuse or to doubt, no dividend, and nothing was restated."""
MOST_AT_ONCE = 3
"""Markets of one task: fewer than there are."""


@pytest.fixture(scope="module")
def events(sample: Published) -> list[dg.DagsterEvent]:
    """What Dagster recorded of the sample's run, from its own storage."""
    assert sample.result.exit_code == 0, sample.result.output
    with mock.patch.dict(os.environ, DAGSTER_HOME=str(sample.home / "sample")), dg.DagsterInstance.get() as instance:
        first = instance.get_runs(ascending=True, limit=1)[0]
        return [entry.dagster_event for entry in instance.all_logs(first.run_id) if entry.dagster_event]


def test_every_asset_but_the_report_is_materialized(events: list[dg.DagsterEvent]) -> None:
    made = {event.asset_key for event in events if event.event_type_value == "ASSET_MATERIALIZATION"}
    assert made == defs.resolve_asset_graph().get_all_asset_keys() - {dg.AssetKey("report")}


def test_every_check_ran_and_none_that_makes_a_run_fail_failed(events: list[dg.DagsterEvent]) -> None:
    ran = [event.event_specific_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
    assert {(check.asset_key, check.check_name) for check in ran} == {
        (key.asset_key, key.name) for key in defs.resolve_asset_graph().asset_check_keys
    }
    failed = [check for check in ran if not check.passed]
    assert [check for check in failed if check.blocking or check.severity is dg.AssetCheckSeverity.ERROR] == []


def test_the_summary(sample: Published) -> None:
    summary = sample.summary
    assert summary["ok"]
    assert summary["published"]
    assert summary["failures"] == []
    assert summary["rows_new"] > 10_000
    assert summary["label"].startswith("SAMPLE")
    assert Path(summary["warehouse"]) == sample.lake.warehouse


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_has_rows_that_fit_its_contract(table: type[Table], sample: Published) -> None:
    rows = sample.lake.read(table)
    table.validate(rows)
    assert rows.is_empty() == (table.dotted() in EMPTY_ON_THE_SAMPLE)


@pytest.mark.parametrize("model", [m for m in read_models(SQL) if m.is_by_market], ids=lambda model: model.name)
def test_a_table_built_in_parts_is_the_same(model: SqlModel, sample: Published) -> None:
    """As with dozens of markets, where each task has some of them."""
    run, table = Run.of(Settings(lake=sample.folder, source="sample")).fixed(), TABLES[model.name]
    parts = batches(run.markets, MOST_AT_ONCE)
    assert len(parts) > 1
    assert [market for part in parts for market in part] == [market.market for market in run.markets]
    rows = table.fit(pl.concat(rows_of_model(run, model, MOST_AT_ONCE)))
    assert rows is not None
    assert rows.equals(sample.lake.read(table))


@pytest.mark.parametrize("table", [PositioningVsTechnicals, CrossMarket])
@pytest.mark.parametrize("markets", [["RUT", "SPX", "NDX", "DJI"], ["RUT", "SPX"], []])
def test_a_table_that_grows_is_the_same_whichever_markets_continue(
    table: type[Table], markets: list[str], sample: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with dozens of markets: each is a bucket of its own, and their last five sessions are new."""
    rows = sample.lake.read(table)
    until = rows["known_at"].unique().sort()[-6]
    run = Run.of(Settings(lake=sample.folder, source="sample")).fixed()
    run.__dict__["continued_in_marts"] = Continued(until, frozenset(markets)) if markets else None
    monkeypatch.setattr("r2k_pipeline.contracts.table.BUCKET_MARKETS", 1)
    published = rows.filter(pl.col("known_at") <= until)
    monkeypatch.setattr(inputs, "published_rows", lambda *given: published.filter(pl.col("market").is_in(given[-1])))
    derived = next(each for each in derived_tables() if each.table is table)
    made = pl.concat([table.cast(each) for each, _ in rows_and_kept(run, derived)])
    assert made.sort(table.primary_key()).equals(rows.sort(table.primary_key()))


@pytest.mark.parametrize("role", LEVEL_SIDES)
def test_the_nearest_zone_of_each_session_is_a_row_of_the_levels(role: str, sample: Published) -> None:
    """Found as the columns' meaning says: by market, session, role and nearness."""
    found = sample.query(
        f"""select count(*), count(l.price),
        count(*) filter (where (m.{role}_price, m.{role}_distance_atr, m.{role}_born_date)
            is distinct from (l.price, l.distance_atr, l.born_date))
        from marts.positioning_vs_technicals as m left join features.levels as l
        on m.market = l.market and m.session_date = l.session_date and l.role = '{role}' and l.nearness = 1"""
    )
    ((sessions, zones, differing),) = found
    assert sessions / 2 < zones <= sessions, "a session at new highs has no resistance, most others do"
    assert differing == 0


def test_the_zone_around_the_close_is_a_row_of_the_levels_and_no_side_reaches_over_it(sample: Published) -> None:
    found = sample.query(
        """select count(*), count(l.price), count(*) filter (
            where (m.around_price, m.around_low, m.around_high, m.around_born_date)
                is distinct from (l.price, l.low, l.high, l.born_date)
            or m.support_price >= coalesce(l.low, m.close) or m.resistance_price <= coalesce(l.high, m.close))
        from marts.positioning_vs_technicals as m left join features.levels as l
        on m.market = l.market and m.session_date = l.session_date and l.role = 'around'"""
    )
    ((sessions, zones, differing),) = found
    assert 0 < zones < sessions
    assert differing == 0


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_fits_a_contract_is_what_its_filter_keeps(table: type[Table], sample: Published) -> None:
    rows = sample.lake.read(table).head(1000)
    fitting, (kept, _) = table.fit(rows), table.filter(rows, cast=True)
    assert fitting is not None
    assert fitting.equals(kept)
    if rows.is_empty():
        return
    assert table.fit(pl.concat([rows, rows.tail(1)])) is None, "a key that is there twice"
    with pytest.raises(SchemaError, match="missing columns"):
        table.fit(rows.drop(rows.columns[-1]))
    for name, column in table.columns().items():
        if not column.nullable:
            holed = pl.when(pl.int_range(pl.len()) > 0).then(name).alias(name)
            assert table.fit(rows.with_columns(holed)) is None, f"a null in {name}"


@pytest.fixture(scope="module")
def warehouse(sample: Published) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, opened once."""
    with duckdb.connect(sample.lake.warehouse, read_only=True) as connection:
        yield connection


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.layer in PUBLISHED_LAYERS], ids=lambda t: t.dotted())
def test_the_warehouse_has_every_table_with_its_meaning(
    table: type[Table], sample: Published, warehouse: duckdb.DuckDBPyConnection
) -> None:
    def ask(query: str) -> list[tuple[Any, ...]]:
        return warehouse.sql(query).fetchall()

    name = f"schema_name = '{table.layer}' and table_name = '{table.table}'"
    assert ask(f"from {table.dotted()} select count(*)") == [(sample.lake.count(table),)]
    assert ask(f"select comment from duckdb_tables() where {name}") == [(table.description(),)]
    comments = dict(ask(f"select column_name, comment from duckdb_columns() where {name}"))
    assert list(comments) == table.column_names()
    assert all(unit in comments[column] for column, unit in table.units().items())


def test_the_warehouse_stands_alone(sample: Published) -> None:
    warehouse = sample.lake.warehouse
    assert not warehouse.with_name(warehouse.name + ".wal").exists()
    with duckdb.connect(warehouse, read_only=True) as connection:
        assert "v1.0.0" in str(connection.sql("select tags from duckdb_databases() where not internal").fetchall())


def test_what_is_made_from_the_sample_says_so(sample: Published) -> None:
    assert sample.query("select is_sample, label like 'SAMPLE%' from meta.generation") == [(True, True)]
    names = sample.query(
        "select distinct source from staging.daily_prices union select distinct source from staging.cot_positions"
    )
    assert all(source.startswith("sample:") for (source,) in names)


def test_the_macros_answer_for_every_market(sample: Published) -> None:
    markets = [("RUT",), ("SPX",), ("NDX",), ("DJI",)]
    assert sample.query("select market from latest() where rsi_14 is not null") == markets
    assert sample.query("select market from as_of('2025-03-14 16:00-04') where session_date = '2025-03-14'") == markets
    assert sample.query("select count(*) > 0 from positioning('RUT', '2025-03-01', '2025-03-31')") == [(True,)]


def test_progress_says_what_is_new_and_what_is_unchanged(
    sample: Published, home: Path, copy_of: Callable[[Path, str], Path]
) -> None:
    said = r2k(home, "run", "--lake", copy_of(sample.folder, "lakes")).output
    assert re.search(r"raw/price_bars +0 new rows\n", said)
    assert re.search(r"features/levels +[0-9,]+ rows, unchanged\n", said)
    assert re.search(r"meta/fetches +[0-9]+ rows\n", said), "it shows the run itself"


def test_a_second_run_learns_nothing_and_publishes_the_same_generation(
    sample: Published, home: Path, copy_of: Callable[[Path, str], Path]
) -> None:
    """As a process of its own: its standard output is JSON and nothing else."""
    folder = copy_of(sample.folder, "lakes")
    raw = {file: file.read_bytes() for file in (folder / "sample" / "raw").glob("*_*/*.parquet")}
    before = sample.summary
    process = start_r2k(home, "run", "--json", "--lake", folder)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    again = json.loads(printed)
    assert (again["rows_new"], again["rows_refused"]) == (0, 0)
    assert again["generation_id"] == before["generation_id"]
    added = set((folder / "sample" / "raw").glob("*_*/*.parquet")) - set(raw)
    assert {file.parent.name for file in added} == {"fetch_log"}
    assert all(file.read_bytes() == body for file, body in raw.items())
    assert list(folder.rglob(".*.tmp*")) == []
