"""Readers while generations change under them: whole generations only, no error, no wait; and what stands on tables.

Belongs here: several connections at once. Not here: one publication by itself (test_what_is_published.py).
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from r2k_pipeline.contracts.marts import Sessions
from r2k_pipeline.lake import Lake
from r2k_pipeline.postgresql.address import PublishError
from tests.publish.server import Database, publish
from tests.publish.warehouses import (
    HEIGHTS,
    MOMENT,
    ONE_STATEMENT,
    PUBLISHED,
    build_lake,
    is_whole,
    rows_of_every_kind,
)

READERS, PUBLICATIONS = 5, 6


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> list[Lake]:
    """Two lakes that differ in every table."""
    folder = tmp_path_factory.mktemp("generations")
    return [build_lake(folder / mark, mark, height=height) for mark, height in HEIGHTS.items()]


def test_readers_see_whole_generations_and_no_error(generations: list[Lake], database: Database) -> None:
    """Half of them keep their connection and read prepared; the other half come anew each time."""
    publish(generations[0], database)
    stop = threading.Event()

    def read_on(keeps: bool) -> list[tuple[Any, ...]]:
        seen = []
        connection = database.connect(autocommit=True)
        while not stop.is_set():
            if not keeps:
                connection.close()
                connection = database.connect(autocommit=True)
            seen += connection.execute(ONE_STATEMENT, prepare=keeps).fetchall()
        connection.close()
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read_on, number % 2 == 0) for number in range(READERS)]
        try:
            for number in range(PUBLICATIONS):
                publish(generations[(number + 1) % 2], database, force=True)
        finally:
            stop.set()
    seen = [row for reader in readers for row in reader.result()]
    assert [row for row in seen if not is_whole(row)] == []
    assert {row[0] for row in seen} == {"a", "b"}, "nobody saw a change: the test proves nothing"


def test_a_snapshot_that_is_older_than_a_publication_sees_all_of_what_was_there(
    generations: list[Lake], database: Database
) -> None:
    """It has touched no table of ours yet: where schemas are swapped, it finds the new tables, and finds them empty."""
    publish(generations[0], database)
    with database.connect() as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select count(*) from pg_class")
        publish(generations[1], database)
        row = reader.execute(ONE_STATEMENT).fetchone()
        assert row is not None
        assert (row[0], is_whole(row)) == ("a", True)
        publish(generations[0], database, force=True)
        assert reader.execute(ONE_STATEMENT).fetchone() == row
    assert database.rows(ONE_STATEMENT)[0][0] == "a"


def test_neither_waits_for_the_other(generations: list[Lake], database: Database) -> None:
    """A transaction left open on every table holds up no publication, an open publication no reader."""
    publish(generations[0], database)
    with database.connect() as idle:
        idle.execute(ONE_STATEMENT)
        started = time.monotonic()
        publish(generations[1], database)
        assert time.monotonic() - started < 10, "it waited for a lock (each wait is 30 s)"
    with database.connect() as blocker, ThreadPoolExecutor(1) as pool:
        blocker.execute("lock table r2k.trader_groups in share mode")  # the publication stops half-way through
        publication = pool.submit(publish, generations[0], database)
        _wait_until_blocked(database)
        with database.connect(options="-c lock_timeout=1ms") as reader:
            assert reader.execute(ONE_STATEMENT).fetchone() == database.rows(ONE_STATEMENT)[0]
            assert database.rows("select generation_id from r2k.generation") == [("b",)]
        blocker.rollback()
        assert publication.result().changes
    assert database.rows("select generation_id from r2k.generation") == [("a",)]


def _wait_until_blocked(database: Database) -> int:
    """The server's process of a publication that waits for a lock."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        blocked = database.rows("select pid from pg_stat_activity where wait_event_type = 'Lock'")
        if blocked:
            return int(blocked[0][0])
        time.sleep(0.02)
    raise AssertionError("no publication came to wait")


def test_a_view_of_somebody_on_our_tables_lives_on(generations: list[Lake], database: Database) -> None:
    publish(generations[0], database)
    database.run("create view mine as select generation_id, count(*) as n from r2k.generation, r2k.markets group by 1")
    publish(generations[1], database)
    assert database.rows("select * from mine") == [("b", HEIGHTS["b"])]


def test_a_connection_that_dies_half_way_leaves_what_was_there(generations: list[Lake], database: Database) -> None:
    publish(generations[0], database)
    with database.connect() as blocker, ThreadPoolExecutor(1) as pool:
        blocker.execute("lock table r2k.trader_groups in share mode")
        publication = pool.submit(publish, generations[1], database)
        database.run(f"select pg_terminate_backend({_wait_until_blocked(database)})")
        said = r"not published, what was there stays: .*terminating connection.*; next: publish again"
        with pytest.raises(PublishError, match=said):
            publication.result()
    assert is_whole(row := database.rows(ONE_STATEMENT)[0])
    assert row[0] == "a"
    assert publish(generations[1], database).changes


def test_a_connection_that_dies_while_rows_arrive_leaves_what_was_there(tmp_path: Path, database: Database) -> None:
    publish(build_lake(tmp_path / "a", "a"), database)
    many = rows_of_every_kind(Sessions, 400, "b")
    keys = pl.DataFrame({"calendar": [f"calendar {n}" for n in range(1000)]})
    many = keys.join(many.drop("calendar"), how="cross").select(many.columns)
    lake = build_lake(tmp_path / "b", "b", more={Sessions: many})
    arriving = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where query like 'COPY %sessions%' and state = 'active' and pid <> pg_backend_pid()"
    )
    with database.connect(autocommit=True) as killer, ThreadPoolExecutor(1) as pool:
        publication = pool.submit(publish, lake, database)
        while not publication.done() and not killer.execute(arriving).rowcount:
            time.sleep(0.002)
        with pytest.raises(PublishError, match=r"not published, what was there stays: .*; next: publish again"):
            publication.result()
    assert database.rows("select generation_id, (select count(*) from r2k.sessions) from r2k.generation") == [("a", 24)]


def test_two_publications_at_once_are_one(generations: list[Lake], database: Database) -> None:
    publish(generations[0], database)
    with database.connect() as blocker, ThreadPoolExecutor(1) as pool:
        blocker.execute("lock table r2k.trader_groups in share mode")
        first = pool.submit(publish, generations[1], database)
        _wait_until_blocked(database)
        with pytest.raises(PublishError, match="another publication into schema r2k is under way; next: publish again"):
            publish(generations[0], database)
        blocker.rollback()
        assert first.result().changes


# A version of r2k whose tables look different


def test_a_new_column_joins_the_table_that_is_there_and_views_on_it_stay(
    generations: list[Lake], database: Database
) -> None:
    publish(generations[0], database)
    database.run(
        "create view mine as select market from r2k.markets",
        "alter table r2k.markets drop column name",
        "alter table r2k.markets alter column calendar drop not null",
        "update r2k.weekly_positioning set change_basis = ''",
        "alter table r2k.weekly_positioning alter column change_basis set not null",
    )
    publish(generations[1], database)
    assert is_whole(database.rows(ONE_STATEMENT)[0])
    assert database.rows("select count(*) from mine") == [(HEIGHTS["b"],)]
    found = database.rows(
        "select column_name, is_nullable from information_schema.columns "
        "where table_schema = 'r2k' and (table_name, column_name) in "
        "(('markets', 'name'), ('markets', 'calendar'), ('weekly_positioning', 'change_basis'))"
    )
    assert set(found) == {("calendar", "NO"), ("name", "NO"), ("change_basis", "YES")}


def test_a_changed_type_makes_the_table_anew_once_its_readers_are_done(
    generations: list[Lake], database: Database
) -> None:
    """They are waited for in short tries: other readers go on meanwhile."""
    publish(generations[0], database)
    database.run("alter table r2k.markets alter column name type varchar(99)")
    with database.connect() as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("select * from r2k.markets")
        publication = pool.submit(publish, generations[1], database)
        _wait_until_blocked(database)
        assert database.rows("select generation_id from r2k.generation") == [("a",)]
        with database.connect(options="-c lock_timeout=5s") as other:
            assert other.execute("select count(*) from r2k.markets").fetchall() == [(HEIGHTS["a"],)]
        reader.rollback()
        assert publication.result().changes
    assert is_whole(database.rows(ONE_STATEMENT)[0])
    assert database.rows("select data_type from information_schema.columns where column_name = 'index_symbol'") == [
        ("text",)
    ]


def test_a_view_that_stands_in_the_way_of_a_changed_table_is_named(generations: list[Lake], database: Database) -> None:
    publish(generations[0], database)
    database.run(
        "alter table r2k.markets alter column name type varchar(99)", "create view mine as select name from r2k.markets"
    )
    with pytest.raises(PublishError, match=r"view mine depends on table r2k\.markets; next: drop what depends on it"):
        publish(generations[1], database)
    assert is_whole(database.rows(ONE_STATEMENT)[0])
    database.run("drop view mine")
    assert publish(generations[1], database).changes


def test_a_table_that_is_published_no_more_goes_and_somebody_elses_stays(
    tmp_path: Path, generations: list[Lake], database: Database
) -> None:
    publish(generations[0], database)
    database.run(
        "create table r2k.retired (x int)",
        "create table r2k.not_ours (x int)",
        "update r2k.column_dictionary set layer_name = 'marts', table_name = 'retired' where position = 0",
    )
    later = build_lake(tmp_path, "c", published_at=MOMENT + timedelta(hours=1))
    publish(later, database)
    found = {name for (name,) in database.rows("select tablename from pg_tables where schemaname = 'r2k'")}
    assert found == {"not_ours", *(table.table for table in PUBLISHED)}
