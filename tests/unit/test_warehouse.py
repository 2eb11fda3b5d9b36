"""The published DuckDB file: complete, described, readable by older clients, swapped in whole, and locked when read."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pytest

from r2k_pipeline.contracts.marts import Markets, PositioningVsTechnicals, WeeklyPositioning
from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.notes import Notes
from r2k_pipeline.contracts.prices import DailyPrices
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import read_macros
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.levels import Levels
from r2k_pipeline.warehouse import Before, add_rows, open_warehouse, publish_warehouse
from tests.sql.rows import rows_of

PUBLISHED: Final = [table for table in TABLES.values() if table.layer in ("staging", "features", "marts", "meta")]
MACROS: Final = read_macros(shipped("sql/macros"), [table.dotted() for table in PUBLISHED])
STORAGE_64: Final = b"DUCK" + (64).to_bytes(8, "little")
"""Bytes 8-20 of the file header: magic and storage version; 64 is what DuckDB 1.0 reads (duckdb.org, storage)."""


def put(folder: Path, table: type[Table], rows: pl.DataFrame) -> list[Path]:
    """The Parquet of a table, columns that `rows` lack null."""
    file = folder / f"{table.dotted()}.parquet"
    pl.concat([table.create_empty(), rows], how="diagonal_relaxed").write_parquet(file)
    return [file]


def close_at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 20, tzinfo=UTC)


SESSIONS: Final = [(market, date(2025, 3, day)) for market in ("SPX", "RUT") for day in (12, 13, 14)]
MART: Final = pl.DataFrame(
    {
        "market": [market for market, _ in SESSIONS],
        "session_date": [day for _, day in SESSIONS],
        "known_at": [close_at(day) for _, day in SESSIONS],
        "close": [float(2000 + day.day) for _, day in SESSIONS],
    }
)
WEEKS: Final = [(date(2025, 3, 4), "dealer"), (date(2025, 3, 11), "dealer"), (date(2025, 3, 11), "asset_manager")]
WEEKLY: Final = pl.DataFrame(
    [
        {"market": market, "report_type": kind, "report_date": day, "trader_group": group}
        for market in ("SPX", "RUT")
        for kind in ("legacy_futures", "tff_futures")
        for day, group in WEEKS
    ]
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[type[Table], list[Path]]:
    """Every published table; three marts have rows."""
    folder = tmp_path_factory.mktemp("parquet")
    markets = rows_of(Markets, [{"market": "RUT", "name": "RUT", "index_symbol": "^RUT", "price_series": "index"}])
    rows = {PositioningVsTechnicals: MART, WeeklyPositioning: WEEKLY, Markets: markets}
    return {table: put(folder, table, rows.get(table, table.create_empty())) for table in PUBLISHED}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, tables: dict[type[Table], list[Path]]) -> Path:
    """All of it, published into a folder with an apostrophe in its name."""
    file = tmp_path_factory.mktemp("analyst's lake") / "warehouse.duckdb"
    assert publish_warehouse(file, tables, MACROS, "1GB") == file.stat().st_size
    return file


def rows(warehouse: Path, query: str) -> list[tuple[object, ...]]:
    with open_warehouse(warehouse) as connection:
        return connection.sql(query).fetchall()


def publish_one(warehouse: Path, folder: Path, label: str, macros: Sequence[str] = ()) -> None:
    generation = pl.DataFrame({"generation_id": [label], "label": [label]})
    publish_warehouse(warehouse, {Generation: put(folder, Generation, generation)}, macros, "1GB")


# What is published


def nodes(parsed: object) -> Iterator[dict[str, Any]]:
    """Every node of DuckDB's parse tree."""
    if isinstance(parsed, dict):
        yield parsed
    inner = parsed.values() if isinstance(parsed, dict) else parsed if isinstance(parsed, list) else ()
    for each in inner:
        yield from nodes(each)


@pytest.mark.parametrize("macro", MACROS, ids=lambda macro: re.search(r"create macro (\w+)", macro)[1])
def test_a_macro_is_written_so_that_duckdb_1_0_reads_it(macro: str) -> None:
    """DuckDB 2 stores what it parses. Where a window function's argument has an `order by` of its own, DuckDB 1.0
    cannot open the file. `if(...)` is stored as a call, and no DuckDB before 2 has such a function. DuckDB 1.0 does
    not put a macro's argument into `* replace (...)`."""
    table, value = re.fullmatch(r"(?s).*?\) as (?:table\b(.*)|(\(.*))", macro).groups()
    with duckdb.connect() as connection:
        parsed = connection.execute("select json_serialize_sql(?)", [table or f"select {value}"]).fetchall()
    read = json.loads(parsed[0][0])
    assert not read["error"], read
    assert [node["function_name"] for node in nodes(read) if node.get("arg_orders")] == []
    assert [node for node in nodes(read) if node.get("function_name") == "if" or node.get("replace_list")] == []


def test_added_rows_leave_the_other_tables_where_they_are_in_the_file(
    tmp_path: Path, tables: dict[type[Table], list[Path]]
) -> None:
    days = pl.date_range(date(1950, 1, 1), date(2024, 12, 31), eager=True).rename("session_date")
    bars = (
        MART.drop("session_date", "known_at")
        .head(3)
        .join(days.to_frame(), how="cross")
        .with_columns(
            known_at=pl.col("session_date").cast(pl.Datetime("us", "UTC")), close=pl.int_range(pl.len()).sqrt()
        )
    )
    file = tmp_path / "warehouse.duckdb"
    publish_warehouse(
        file, {**tables, PositioningVsTechnicals: put(tmp_path, PositioningVsTechnicals, bars)}, (), "1GB"
    )

    def blocks() -> list[tuple[object, ...]]:
        query = "select row_group_id, column_id, block_id, block_offset from pragma_storage_info('{}') order by all"
        with duckdb.connect(file, read_only=True) as connection:
            return connection.sql(query.format(PositioningVsTechnicals.dotted())).fetchall()

    before = blocks()
    assert len({block[0] for block in before}) > 1
    notes = pl.concat([Notes.create_empty(), pl.DataFrame({"market": ["RUT"]})], how="diagonal_relaxed")
    add_rows(file, Notes, notes, "1GB")
    assert blocks() == before
    with open_warehouse(file) as connection:
        assert connection.sql(f"select market from {Notes.dotted()}").fetchall() == [("RUT",)]


def test_a_file_made_from_the_one_before_has_what_changed_and_all_else_as_it_was(
    tmp_path: Path, warehouse: Path, tables: dict[type[Table], list[Path]]
) -> None:
    file, day_after = tmp_path / "warehouse.duckdb", WEEKLY.with_columns(net_contracts=1.0)
    changed = {WeeklyPositioning: put(tmp_path, WeeklyPositioning, day_after)}
    publish_warehouse(file, {**tables, **changed}, MACROS, "1GB", Before(warehouse, changed, close_at(SESSIONS[-1][1])))
    everything = (
        "select table_name, estimated_size, comment from duckdb_tables() order by all",
        "select table_name, column_name, comment from duckdb_columns() where not internal order by all",
        "select function_name, macro_definition from duckdb_functions() where not internal order by all",
        f"from {PositioningVsTechnicals.dotted()}",
    )
    assert [rows(file, query) for query in everything] == [rows(warehouse, query) for query in everything]
    nets = f"select distinct net_contracts from {WeeklyPositioning.dotted()}"
    assert rows(file, nets) == [(1.0,)]
    assert rows(warehouse, nets) == [(None,)]


def test_a_file_made_from_the_one_before_takes_no_more_room_day_after_day(tmp_path: Path) -> None:
    file, numbers = tmp_path / "0.duckdb", pl.int_range(200_000, eager=True)
    bars = pl.DataFrame({"symbol": "^RUT", "close": numbers.hash() / 7})
    large = {DailyPrices: put(tmp_path, DailyPrices, bars)}
    size = publish_warehouse(file, large, (), "1GB")
    for day in range(1, 5):
        before, file = Before(file, large, close_at(date(2025, 3, day))), tmp_path / f"{day}.duckdb"
        grown = publish_warehouse(file, large, (), "1GB", before)
    assert grown < size * 2, "the blocks of a table that was dropped are used again"


def levels(*days: date, count: int = 50) -> pl.DataFrame:
    """Levels known at the closes of days."""
    known = pl.DataFrame({"session_date": days, "known_at": [close_at(day) for day in days]})
    ids = pl.int_range(count, eager=True).cast(pl.String)
    return known.join(ids.rename("level_id").to_frame(), how="cross").with_columns(market=pl.lit("RUT"))


@pytest.mark.parametrize(
    ("after", "is_added"),
    [
        pytest.param(levels(*(day for _, day in SESSIONS[:3])), True, id="rows of a new day"),
        pytest.param(levels(*(day for _, day in SESSIONS[1:3])), False, id="rows of an old day gone"),
        pytest.param(levels(*(day for _, day in SESSIONS[:3]), count=51), False, id="more rows of old days"),
    ],
)
def test_a_table_that_grows_gets_its_new_rows_or_is_written_anew(
    tmp_path: Path, tables: dict[type[Table], list[Path]], after: pl.DataFrame, is_added: bool
) -> None:
    first, second = tmp_path / "1.duckdb", tmp_path / "2.duckdb"
    days = [day for _, day in SESSIONS[:2]]
    publish_warehouse(first, {**tables, Levels: put(tmp_path, Levels, levels(*days).reverse())}, (), "1GB")
    changed = {Levels: put(tmp_path, Levels, after)}
    publish_warehouse(second, {**tables, **changed}, (), "1GB", Before(first, changed, close_at(days[-1])))
    query = f"select session_date, level_id from {Levels.dotted()}"
    found = rows(second, query)
    assert sorted(found) == sorted(after.select("session_date", "level_id").rows())
    old = rows(first, query)
    assert (found[: len(old)] == old) == is_added, "the rows from before were left as they were"


def test_rows_that_are_added_day_by_day_do_not_stay_a_row_group_each(tmp_path: Path) -> None:
    days = pl.date_range(date(2025, 3, 3), date(2025, 3, 31), eager=True).to_list()
    file, groups = tmp_path / "0.duckdb", []
    publish_warehouse(file, {Levels: put(tmp_path, Levels, levels(days[0]))}, (), "1GB")
    for number in range(1, len(days)):
        changed = {Levels: put(tmp_path, Levels, levels(*days[: number + 1]))}
        before, file = Before(file, changed, close_at(days[number - 1])), tmp_path / f"{number}.duckdb"
        publish_warehouse(file, changed, (), "1GB", before)
        ((count, found),) = rows(
            file,
            f"select (select count(*) from {Levels.dotted()}), count(distinct row_group_id)"
            f" from pragma_storage_info('{Levels.dotted()}')",
        )
        assert count == 50 * (number + 1)
        groups.append(found)
    assert groups[:3] == [2, 3, 4]
    assert min(groups[10:]) == 1, "after some time it is written anew"


def test_every_table_is_real_and_stands_in_the_schema_of_its_layer(warehouse: Path) -> None:
    found = rows(warehouse, "select schema_name || '.' || table_name from duckdb_tables()")
    assert {name for (name,) in found} == {table.dotted() for table in PUBLISHED}
    assert rows(warehouse, "select view_name from duckdb_views() where not internal") == []
    assert rows(warehouse, "select count(*) from marts.positioning_vs_technicals") == [(len(SESSIONS),)]


def test_every_table_and_every_column_is_described_with_its_unit(warehouse: Path) -> None:
    described = dict(rows(warehouse, "select schema_name || '.' || table_name, comment from duckdb_tables()"))
    assert described == {table.dotted(): table.description() for table in PUBLISHED}
    found = rows(
        warehouse,
        "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal",
    )
    expected = {
        (table.dotted(), name, f"{column.description} [{table.units()[name]}]")
        for table in PUBLISHED
        for name, column in table.columns().items()
    }
    assert set(found) == expected


def test_a_second_connection_of_a_process_is_as_locked_and_in_utc(warehouse: Path) -> None:
    with open_warehouse(warehouse) as first, open_warehouse(warehouse) as second:
        for connection in (first, second):
            assert connection.sql("select current_setting('TimeZone')").fetchall() == [("UTC",)]
            with pytest.raises(duckdb.Error, match="locked"):
                connection.execute("set timezone = 'America/New_York'")


def test_columns_stand_in_the_order_of_the_contract(warehouse: Path) -> None:
    with open_warehouse(warehouse) as connection:
        for table in PUBLISHED:
            assert connection.sql(f"from {table.dotted()}").columns == table.column_names()


def test_as_of_gives_the_row_of_each_market_known_at_a_moment(warehouse: Path) -> None:
    for moment, day in {
        "2025-03-13 20:00:00+00": 13,
        "2025-03-13 15:59:59-04": 12,
        "2025-03-13 19:59:59.999999+00": 12,
        "2030-01-01 00:00:00+00": 14,
    }.items():
        found = rows(warehouse, f"select market, session_date from as_of('{moment}')")
        assert found == [("RUT", date(2025, 3, day)), ("SPX", date(2025, 3, day))], moment
    assert rows(warehouse, "from as_of('2025-03-12 19:59:59+00')") == []


def test_latest_gives_the_newest_row_of_each_market(warehouse: Path) -> None:
    found = rows(warehouse, "select market, session_date, close from latest()")
    assert found == [("RUT", date(2025, 3, 14), 2014.0), ("SPX", date(2025, 3, 14), 2014.0)]


def test_positioning_gives_the_weeks_of_one_market(warehouse: Path) -> None:
    query = "select distinct market, report_type, report_date, trader_group from positioning('RUT', '{}', '{}')"
    assert set(rows(warehouse, query.format("2025-03-04", "2025-03-11"))) == {
        ("RUT", "tff_futures", *week) for week in WEEKS
    }
    assert set(rows(warehouse, query.format("2025-03-05", "2025-03-11"))) == {
        ("RUT", "tff_futures", *week) for week in WEEKS[1:]
    }


# The file


def test_older_clients_can_open_it(warehouse: Path) -> None:
    """Tried by hand with DuckDB 1.0.0 to 1.4.5, no dependencies, also day after day; the header is what such a
    client looks at.
    """
    with warehouse.open("rb") as stream:
        assert stream.read(20)[8:] == STORAGE_64


def test_it_stands_alone(warehouse: Path) -> None:
    """No log, no temporary file, nothing to keep together with it."""
    assert [file.name for file in warehouse.parent.iterdir()] == ["warehouse.duckdb"]


WRITER: Final = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("update meta.generation set label = 'by hand'")
os._exit(0)
"""


def test_a_log_that_a_writer_left_beside_the_old_file_does_not_reach_the_new(tmp_path: Path) -> None:
    """Somebody opened the published file to write and was killed before his change was in it."""
    warehouse = tmp_path / "warehouse.duckdb"
    publish_one(warehouse, tmp_path, "old")
    subprocess.run([sys.executable, "-c", WRITER, str(warehouse)], check=True)
    log = warehouse.with_name("warehouse.duckdb.wal")
    assert log.exists()
    publish_one(warehouse, tmp_path, "new")
    assert not log.exists()
    assert rows(warehouse, "select label from meta.generation") == [("new",)]


def test_a_reader_keeps_its_generation_and_the_next_sees_the_new(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    publish_one(warehouse, tmp_path, "old")
    with open_warehouse(warehouse) as reader:
        assert reader.sql("select label from meta.generation").fetchall() == [("old",)]
        publish_one(warehouse, tmp_path, "new")
        assert reader.sql("select label from meta.generation").fetchall() == [("old",)]
    assert rows(warehouse, "select label from meta.generation") == [("new",)]


@pytest.mark.parametrize("fault", ["cut Parquet", "no Parquet", "column missing", "broken macro", "no memory"])
def test_a_build_that_fails_leaves_the_old_file_and_no_trace(tmp_path: Path, fault: str) -> None:
    warehouse = tmp_path / "lake" / "warehouse.duckdb"
    publish_one(warehouse, tmp_path, "old")
    before = warehouse.read_bytes()
    (file,) = put(tmp_path, Generation, pl.DataFrame({"label": ["new"]}))
    macros, memory = ["create macro fine() as 1"], "1GB"
    match fault:
        case "cut Parquet":
            file.write_bytes(file.read_bytes()[:-9])
        case "no Parquet":
            file.unlink()
        case "column missing":
            pl.read_parquet(file).drop("label").write_parquet(file)
        case "broken macro":
            macros.append("create macro broken() as table select from where")
        case "no memory":
            memory = "1KB"
    with pytest.raises(
        R2kError, match=r"(?s)warehouse\.duckdb: not published, the old one stays: [^\n]+; next: run again"
    ):
        publish_warehouse(warehouse, {Generation: [file]}, macros, memory)
    assert [entry.name for entry in warehouse.parent.iterdir()] == ["warehouse.duckdb"]
    assert warehouse.read_bytes() == before


# Reading it


def test_without_a_warehouse_the_next_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(R2kError, match=r"warehouse\.duckdb: no warehouse yet; next: r2k run"):
        open_warehouse(tmp_path / "warehouse.duckdb")


@pytest.mark.parametrize("body", [b"not a database" * 1000, b""], ids=["foreign", "zero bytes"])
def test_a_file_that_is_no_warehouse_is_named(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(body)
    with pytest.raises(R2kError, match=r"warehouse\.duckdb: .*; next: r2k run"):
        open_warehouse(file)
    assert file.read_bytes() == body


@pytest.mark.parametrize(
    "statement",
    [
        "insert into meta.generation select * from meta.generation",
        "update marts.positioning_vs_technicals set close = 1",
        "delete from marts.positioning_vs_technicals",
        "drop table marts.positioning_vs_technicals",
        "create table marts.mine as select 1",
        "comment on table marts.positioning_vs_technicals is 'mine'",
        "from read_csv('{folder}/secret.csv')",
        "from '{folder}/secret.csv'",
        "from read_text('{folder}/secret.csv')",
        "from glob('{folder}/*')",
        "from secret",
        "copy (select 1) to '{folder}/out.csv'",
        "export database '{folder}/out'",
        "attach '{folder}/out.duckdb'",
        "attach ':memory:' as mine",
        "set memory_limit = '9GB'",
        "pragma threads = 64",
        "reset memory_limit",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set temp_directory = '{folder}'",
        "install httpfs",
        "load httpfs",
        "load '{folder}/evil.duckdb_extension'",
    ],
)
def test_a_query_can_change_nothing_and_reach_nothing_else(warehouse: Path, tmp_path: Path, statement: str) -> None:
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    secret = pl.DataFrame({"password": ["hunter2"]})
    before = warehouse.read_bytes()
    with open_warehouse(warehouse) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(folder=tmp_path)).fetchall()
    assert [file.name for file in tmp_path.iterdir()] == ["secret.csv"]
    assert warehouse.read_bytes() == before
    assert not secret.is_empty()


def test_memory_is_bounded_as_asked(warehouse: Path) -> None:
    with open_warehouse(warehouse, "64MiB") as connection:
        assert connection.sql("select current_setting('memory_limit')").fetchall() == [("64.0 MiB",)]
