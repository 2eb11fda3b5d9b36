"""What stands in PostgreSQL after a publication: values, types, keys, indexes, comments, rights, bit by bit.

Belongs here: one publication after another, nobody else connected. Not here: readers meanwhile, refusals.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import numpy as np
import polars as pl
import psycopg
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from r2k_pipeline.cli import main
from r2k_pipeline.contracts.columns import sql_type_of
from r2k_pipeline.contracts.marts import Markets, Sessions
from r2k_pipeline.contracts.meta import Quarantine
from r2k_pipeline.lake import Lake
from r2k_pipeline.quoting import identifier
from r2k_pipeline.tables.setup_outcomes import SetupOutcomes
from r2k_pipeline.vendors import in_full
from tests.publish.server import Database, publish
from tests.publish.warehouses import MOMENT, PUBLISHED, build_lake, rows_of_every_kind


@contextmanager
def arrow(database: Database) -> Iterator[Any]:
    with adbc_driver_postgresql.dbapi.connect(database.url()) as connection, connection.cursor() as cursor:
        yield cursor


def assert_same_bits(published: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Equal values, types and order of columns; floats to the sign of zero."""
    assert_frame_equal(published, expected, check_exact=True)
    for name, dtype in expected.schema.items():
        if dtype == pl.Float64:
            bits = [frame[name].fill_null(0).to_numpy().view(np.int64) for frame in (published, expected)]
            assert (bits[0] == bits[1]).all(), name


def assert_equals_warehouse(database: Database, lake: Lake, schema: str = "r2k") -> None:
    with duckdb.connect(lake.warehouse, read_only=True) as source, arrow(database) as target:
        for table in PUBLISHED:
            key = list(table.primary_key())
            instants = pl.selectors.datetime().dt.convert_time_zone("UTC")
            expected = source.sql(f"from {table.dotted()}").pl().with_columns(instants).sort(key)
            target.execute(f"select * from {schema}.{table.table}")
            published = pl.DataFrame(target.fetch_arrow_table()).with_columns(instants).sort(key)
            assert expected.height > 0
            assert_same_bits(published, expected)


@pytest.fixture(scope="module")
def described(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database in which the sample was published once: for tests that only look."""
    server.run("create database described")
    database = Database(server.port, "described")
    publish(build_lake(tmp_path_factory.mktemp("described"), source="sample"), database, reader="readers of it")
    yield database
    server.run("drop database described with (force)", 'drop role "readers of it"')


def test_the_next_generation_replaces_the_last_and_writes_only_what_differs(tmp_path: Path, database: Database) -> None:
    first = build_lake(tmp_path, "a")
    publish(first, database)
    assert_equals_warehouse(database, first)
    more = rows_of_every_kind(Sessions, 30, "a")
    fewer = rows_of_every_kind(Markets, 20, "a")
    lake = build_lake(tmp_path, "a", published_at=MOMENT + timedelta(hours=1), more={Sessions: more, Markets: fewer})
    changes = {change.table: (change.deleted, change.inserted) for change in publish(lake, database).changes}
    assert_equals_warehouse(database, lake)
    assert {table: change for table, change in changes.items() if change != (0, 0)} == {
        "sessions": (0, 6),
        "markets": (4, 0),
        "generation": (1, 1),
    }
    changed = build_lake(tmp_path, "b")
    publish(changed, database)
    assert_equals_warehouse(database, changed)


def test_the_sign_of_a_zero_is_a_change(tmp_path: Path, database: Database) -> None:
    """Numbers that compare as equal need not be: rows are compared as they are stored."""
    outcomes = rows_of_every_kind(SetupOutcomes, 3, "a")
    for zero in (0.0, -0.0):
        rows = outcomes.with_columns(mean_forward_return_ratio=pl.lit(zero))
        lake = build_lake(tmp_path, repr(zero), more={SetupOutcomes: rows})
        publish(lake, database)
        assert_equals_warehouse(database, lake)


def test_types_are_those_of_the_warehouse(described: Database) -> None:
    names = {"varchar": "text", "double": "double precision", "timestamptz": "timestamp with time zone"}
    found = described.rows(
        "select table_name, column_name, data_type, is_nullable = 'YES' "
        "from information_schema.columns where table_schema = 'r2k' order by table_name, ordinal_position"
    )
    expected = [
        (table.table, name, names.get(sql_type_of(column), sql_type_of(column)), column.nullable)
        for table in sorted(PUBLISHED, key=lambda table: table.table)
        for name, column in table.columns().items()
    ]
    assert found == expected


def test_no_published_table_has_a_type_that_bi_cannot_show(tmp_path: Path) -> None:
    """Lists, structs and maps: there is none, and a new one is noticed here."""
    with duckdb.connect(build_lake(tmp_path).warehouse, read_only=True) as connection:
        kinds = connection.sql("select distinct data_type from duckdb_columns() where schema_name in ('marts', 'meta')")
        assert {kind for (kind,) in kinds.fetchall()} <= {
            "VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE",
        }  # fmt: skip


def test_no_two_published_tables_have_one_name() -> None:
    """They stand in one schema there."""
    assert len({table.table for table in PUBLISHED}) == len(PUBLISHED)


def test_keys_are_primary_keys(described: Database) -> None:
    found = described.rows("""
        select relname, array_agg(attname::text order by array_position(indkey::int2[], attnum))
        from pg_index join pg_class on pg_class.oid = indrelid join pg_attribute on attrelid = indrelid
        where relnamespace = 'r2k'::regnamespace and indisprimary and attnum = any (indkey::int2[]) group by relname""")
    expected = {table.table: list(table.primary_key()) for table in PUBLISHED if table is not Quarantine}
    assert dict(found) == expected


def test_days_and_instants_that_dashboards_filter_by_are_indexed(described: Database) -> None:
    found = described.rows("""
        select tablename || '.' || attname from pg_indexes join pg_class as c on c.relname = indexname
        join pg_index as i on i.indexrelid = c.oid join pg_attribute on attrelid = indrelid and attnum = indkey[0]
        where schemaname = 'r2k'""")
    wanted = {
        "positioning_vs_technicals": {"session_date", "known_at"},
        "weekly_positioning": {"report_date", "known_at"},
        "cross_market": {"session_date", "known_at"},
        "sessions": {"session_date"},
    }
    searched = {f"{table}.{name}" for table, names in wanted.items() for name in names}
    assert searched <= {name for (name,) in found}


def test_a_vendor_row_longer_than_an_index_entry_is_published(tmp_path: Path, database: Database) -> None:
    """Quarantine's key holds whole rows; random text does not compress below the limit of 2,704 bytes."""
    text = "".join(chr(0x4E00 + (i * i * 31 + i * 7919) % 20000) for i in range(9000))
    long = rows_of_every_kind(Quarantine, 3, "a").with_columns(row_values=pl.lit(text))
    lake = build_lake(tmp_path, more={Quarantine: long})
    publish(lake, database)
    assert_equals_warehouse(database, lake)


def test_tables_and_columns_are_described_with_units(described: Database) -> None:
    found = described.rows("""
        select relname, attname, description from pg_description join pg_class on pg_class.oid = objoid
        left join pg_attribute on attrelid = objoid and attnum = objsubid and objsubid > 0
        where relnamespace = 'r2k'::regnamespace""")
    described: set[tuple[str, str | None, str]] = {(table.table, None, table.description()) for table in PUBLISHED}
    described |= {
        (table.table, name, f"{column.description} [{table.units()[name]}]")
        for table in PUBLISHED
        for name, column in table.columns().items()
    }
    assert set(found) == described


def test_a_comment_that_somebody_changed_is_ours_again(tmp_path: Path, database: Database) -> None:
    lake = build_lake(tmp_path)
    publish(lake, database)
    database.run("comment on column r2k.markets.market is 'mine'", "comment on table r2k.markets is null")
    publish(lake, database, force=True)
    table, column = "obj_description('r2k.markets'::regclass)", "col_description('r2k.markets'::regclass, 1)"
    (said,) = database.rows(f"select {table}, {column}")
    assert said == (Markets.description(), f"{Markets.columns()['market'].description} [text]")


def test_sample_is_called_sample(described: Database) -> None:
    ((said,),) = described.rows("select obj_description('r2k'::regnamespace)")
    first, *terms = said.splitlines()
    assert first == "r2k: SAMPLE: synthetic data, not a market; generation a, as of 2025-03-14T22:00Z"
    assert terms == list(in_full(is_sample=True))
    assert described.rows("select label from r2k.generation") == [("SAMPLE: synthetic data, not a market",)]


def test_members_of_the_readers_role_may_read_everything_and_write_nothing(tmp_path: Path, database: Database) -> None:
    publish(build_lake(tmp_path), database)
    analyst, stranger = database.role("in role r2k_reader"), database.role()
    for table in PUBLISHED:
        assert database.rows(f"select count(*) > 0 from r2k.{table.table}", analyst) == [(True,)]
    for forbidden in ("delete from r2k.markets", "create table r2k.mine (x int)", "drop table r2k.markets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.run(forbidden, user=analyst)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows("select * from r2k.markets", stranger)


def test_the_same_generation_is_said_to_be_there_and_left_alone(tmp_path: Path, database: Database) -> None:
    lake = build_lake(tmp_path)
    publish(lake, database)
    before = database.rows("select xmin::text from r2k.markets")
    again = publish(lake, database)
    assert again.changes == ()
    assert (
        "generation a (files), as of 2025-03-14T22:00Z is already there, readable by r2k_reader; no row" in again.text()
    )
    assert database.rows("select xmin::text from r2k.markets") == before
    assert len(publish(lake, database, force=True).changes) == len(PUBLISHED)


def test_another_role_of_readers_may_read_the_same_generation(tmp_path: Path, database: Database) -> None:
    lake = build_lake(tmp_path)
    publish(lake, database)
    again = publish(lake, database, reader="other_readers")
    assert again.changes == ()
    granted = "select has_table_privilege('other_readers', 'r2k.markets', 'select')"
    assert database.rows(granted) == [(True,)]


@pytest.mark.parametrize("name", ["a$r2k_block$b", "it's", 'say "so"', "back\\slash"])
def test_any_name_of_a_schema_is_quoted(tmp_path: Path, database: Database, name: str) -> None:
    lake = build_lake(tmp_path)
    publish(lake, database, schema=name)
    publish(lake, database, schema=name)
    assert_equals_warehouse(database, lake, identifier(name))


def test_two_sources_stand_side_by_side_in_schemas_of_their_own(tmp_path: Path, database: Database) -> None:
    files, sample = build_lake(tmp_path, "f"), build_lake(tmp_path, "s", source="sample")
    publish(files, database)
    publish(sample, database, schema="r2k sample")
    assert_equals_warehouse(database, files)
    assert_equals_warehouse(database, sample, '"r2k sample"')


def test_the_command_tells_what_it_did_and_never_the_password(tmp_path: Path, database: Database) -> None:
    build_lake(tmp_path)
    command = ["publish", "--lake", str(tmp_path), "--source", "files", "--to"]
    bare = database.url().replace(":correct%20horse", "")
    results = [
        CliRunner().invoke(main, [*command, database.url()]),
        CliRunner(env={"PGPASSWORD": "correct horse"}).invoke(main, [*command, bare, "--json", "--force"]),
        CliRunner().invoke(main, [*command, database.url().replace("%20", "%21")]),
    ]
    assert [result.exit_code for result in results] == [0, 0, 1], [result.output for result in results]
    assert f"{bare}: schema r2k: generation a" in results[0].output
    assert '"is_new": true' in results[1].output
    assert "password authentication failed" in results[2].output
    for result in results:
        assert "correct" not in result.output
