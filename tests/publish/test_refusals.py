"""What cannot be published: each said in one line with the next step, never the password, and nothing is changed.

Belongs here: servers, rights, addresses and data that are not as they should be. Not here: readers (test_readers.py).
"""

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from r2k_pipeline.cli import main
from r2k_pipeline.contracts.marts import Markets
from r2k_pipeline.postgresql.address import Address, PublishError
from tests.publish.server import Database, publish
from tests.publish.warehouses import MOMENT, build_lake, rows_of_every_kind

STAYS = "not published, what was there stays"


def said_of(url: str, folder: Path) -> str:
    """The message of a publication that must fail, through the command; the password is not in it."""
    build_lake(folder)
    result = CliRunner().invoke(main, ["publish", "--lake", str(folder), "--source", "files", "--to", url])
    assert result.exit_code == 1, result.output
    assert "correct" not in result.output
    assert "horse" not in result.output
    assert result.output.count("\n") == 1
    return result.output


# The server


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = said_of(f"postgresql://admin:correct%20horse@127.0.0.1:{port}/r2k", tmp_path)
    assert said.startswith(f"r2k: postgresql://admin@127.0.0.1:{port}/r2k: cannot connect: connection to server at")
    assert "Connection refused" in said
    assert said.endswith("; next: check the address (host, port, database, parameters) and that the server runs\n")


def test_a_host_that_accepts_and_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        said = said_of(f"postgresql://admin:correct%20horse@127.0.0.1:{port}/r2k?connect_timeout=2", tmp_path)
    assert (
        "timeout expired; next: check the address (host, port, database, parameters) and that the server runs" in said
    )


def test_a_wrong_password(tmp_path: Path, database: Database) -> None:
    said = said_of(database.url(password="correct%20hors"), tmp_path)
    assert 'password authentication failed for user "admin"; next: check user and password (PGPASSWORD' in said


def test_a_database_that_is_not_there(tmp_path: Path, database: Database) -> None:
    said = said_of(Database(database.port, "nowhere").url(), tmp_path)
    assert 'database "nowhere" does not exist; next: create the database (createdb), or name another one' in said


def test_a_server_without_tls_where_tls_is_asked_for(tmp_path: Path, database: Database) -> None:
    """Parameters of the address reach libpq."""
    said = said_of(database.url() + "?sslmode=require", tmp_path)
    assert (
        "server does not support SSL, but SSL was required; next: check sslmode and certificates (sslrootcert)" in said
    )
    said = said_of(database.url() + "?sslmode=bogus", tmp_path)
    assert 'invalid sslmode value: "bogus"; next: check sslmode' in said


def test_a_parameter_that_libpq_does_not_have(tmp_path: Path, database: Database) -> None:
    said = said_of(database.url() + "?nosuch=1", tmp_path)
    assert 'invalid URI query parameter: "nosuch"; next: check the address (host, port, database, parameters)' in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://admin:correct/horse@localhost/r2k",
        "postgresql://admin:correct@horse@localhost/r2k",
        "postgresql://admin:correct?horse@localhost/r2k",
        "postgresql://admin:correct#horse@localhost/r2k",
        "postgresql://admin:correct horse@local[host/r2k",
        "mysql://admin:correcthorse@localhost/r2k",
        "host=localhost password=correcthorse",
    ],
)
def test_an_address_that_is_none_is_not_repeated(tmp_path: Path, url: str) -> None:
    said = said_of(url, tmp_path)
    assert "the address is not of the form postgresql://USER@HOST:PORT/DATABASE; next: write special characters" in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://", "postgresql:///"),
        ("postgres://u@h", "postgresql://u@h/"),
        ("postgresql://u:p%40ss:word@h1:1,h2:2/db?sslmode=verify-full", "postgresql://u@h1:1,h2:2/db"),
        ("postgresql://[::1]:5432/db?password=secret&sslpassword=key", "postgresql://[::1]:5432/db"),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/db", "postgresql://%2Fvar%2Frun%2Fpostgresql/db"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    address = Address.parse(url)
    assert address.shown == shown
    assert address.with_timeout().startswith(url)
    for secret in ("p%40ss:word", "p@ss:word", "secret", "key"):
        assert secret not in repr(address)
    if "?password" in url:
        assert address.without_secrets("it is secret or key") == "it is *** or ***"


# Rights


def test_what_is_missing_is_given_as_sql_that_works(tmp_path: Path, own_database: Database) -> None:
    """Neither schema nor role may be made: an administrator runs what the message says, then it is published."""
    user = own_database.role()
    lake = build_lake(tmp_path)
    with pytest.raises(PublishError) as refused:
        publish(lake, own_database, user=user)
    assert f"{STAYS}: user {user} may not create a schema in database {own_database.name} nor create the role" in str(
        refused.value
    )
    assert own_database.rows("select count(*) from pg_namespace where nspname = 'r2k'") == [(0,)]
    own_database.run(str(refused.value).partition("have an administrator run: ")[2])
    assert publish(lake, own_database, user=user).changes


def test_a_user_who_may_make_a_schema_and_no_role(tmp_path: Path, own_database: Database) -> None:
    user = own_database.role()
    own_database.run(f"grant create on database {own_database.name} to {user}")
    lake = build_lake(tmp_path)
    said = r'may not create the role r2k_reader for readers; next: .* run: create role "r2k_reader" nologin;$'
    with pytest.raises(PublishError, match=said):
        publish(lake, own_database, user=user)
    assert own_database.rows("select count(*) from pg_namespace where nspname = 'r2k'") == [(0,)]


def test_a_schema_that_belongs_to_another(tmp_path: Path, own_database: Database) -> None:
    lake, user = build_lake(tmp_path), own_database.role("createrole")
    publish(lake, own_database)
    with pytest.raises(PublishError, match=f'schema r2k, which belongs .* run: alter schema "r2k" owner to "{user}";'):
        publish(lake, own_database, user=user, force=True)
    own_database.run(f'alter schema "r2k" owner to "{user}"')
    with pytest.raises(PublishError, match=r"permission denied for table \w+; next: ask the owner of what is named"):
        publish(lake, own_database, user=user, force=True)
    assert own_database.rows("select generation_id from r2k.generation") == [("a",)]


def test_tables_of_our_names_that_are_not_ours(tmp_path: Path, database: Database) -> None:
    database.run("create table sessions (id int)", "insert into sessions values (7)")
    with pytest.raises(PublishError, match=r"schema public has tables that r2k did not publish \(sessions\); next: "):
        publish(build_lake(tmp_path), database, schema="public", force=True)
    assert database.rows("select * from sessions") == [(7,)]


# What is there already


def test_sample_does_not_replace_data_unless_forced(tmp_path: Path, database: Database) -> None:
    publish(build_lake(tmp_path, "real"), database)
    sample = build_lake(tmp_path, "fake", source="sample")
    with pytest.raises(PublishError, match=r"has source files, this is source sample \(SAMPLE: .*\); next: .*--force"):
        publish(sample, database)
    assert database.rows("select generation_id from r2k.generation") == [("real",)]
    assert publish(sample, database, force=True).changes
    assert database.rows("select generation_id from r2k.generation") == [("fake",)]


def test_older_knowledge_does_not_replace_newer_unless_forced(tmp_path: Path, database: Database) -> None:
    """A lake of `r2k run --as-of` shows the past: by mistake it must not become what dashboards call today."""
    publish(build_lake(tmp_path, "today"), database)
    past = build_lake(tmp_path, "past", as_of=MOMENT - timedelta(days=7))
    with pytest.raises(PublishError, match=r"known at 2025-03-14T22:00Z, this is older \(2025-03-07T22:00Z\); next: "):
        publish(past, database)
    assert publish(past, database, schema="r2k_past").changes
    assert publish(past, database, force=True).changes


# The data


@pytest.mark.parametrize("name", ["", "x" * 64, "ä" * 32, "pg_mine", "information_schema"])
@pytest.mark.parametrize("option", ["schema", "reader"])
def test_a_name_that_postgresql_would_cut_or_keeps_for_itself(
    tmp_path: Path, database: Database, option: str, name: str
) -> None:
    with pytest.raises(PublishError, match=f"--{option} .* next: one of 1 to 63 bytes"):
        publish(build_lake(tmp_path), database, **{option: name})


def test_a_role_that_postgresql_reserves(tmp_path: Path, database: Database) -> None:
    with pytest.raises(PublishError, match='role name "public" is reserved; next: name another role with --reader'):
        publish(build_lake(tmp_path), database, reader="public")


def test_without_a_warehouse_nothing_is_connected(tmp_path: Path) -> None:
    asked = ["publish", "--lake", str(tmp_path), "--to", "postgresql://127.0.0.1:1/x"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 1
    assert "no warehouse yet; next: r2k run" in done.output


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda rows: rows.drop("name"), r"marts\.markets: not in the warehouse as this version .*; next: r2k run"),
        (lambda rows: rows[[0, 0]], "could not create unique index .*is duplicated; next: publish again"),
        (lambda rows: rows.with_columns(name=None), 'null value in column "name" .*; next: publish again'),
        (lambda rows: rows.with_columns(name=rows["name"] + "\0"), "invalid byte sequence for encoding"),
    ],
    ids=["column missing", "key twice", "null", "zero byte"],
)
def test_rows_that_break_their_contract(
    tmp_path: Path, database: Database, fault: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    """No run publishes such a warehouse; the database would refuse it, too, whole."""
    lake = build_lake(tmp_path)
    broken = fault(rows_of_every_kind(Markets, 2, "b"))
    with duckdb.connect(lake.warehouse) as connection:
        connection.register("broken", broken)
        connection.execute("create or replace table marts.markets as from broken")
    with pytest.raises(PublishError, match=f"{STAYS}: (?s:.*){said}"):
        publish(lake, database)
    assert database.rows("select count(*) from pg_namespace where nspname = 'r2k'") == [(0,)]


def test_a_server_that_ends_long_statements(tmp_path: Path, own_database: Database) -> None:
    own_database.run(
        "create function linger() returns event_trigger language plpgsql as 'begin perform pg_sleep(60); end'",
        "create event trigger slow_server on ddl_command_start when tag in ('CREATE TABLE') execute function linger()",
        f"alter database {own_database.name} set statement_timeout = '2s'",  # long enough to connect on a busy machine
    )
    with pytest.raises(PublishError, match=f"{STAYS}: canceling statement due to statement timeout; next: "):
        publish(build_lake(tmp_path), own_database)
    assert own_database.rows("select count(*) from pg_namespace where nspname = 'r2k'") == [(0,)]
