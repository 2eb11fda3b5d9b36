"""A real PostgreSQL for these tests, one for all of them, and databases in which each finds nothing of another.

Belongs here: fixtures. Not here: how the server runs (server.py), what is published (warehouses.py) or expected.
"""

import os
from collections.abc import Iterator

import pytest

from r2k_pipeline.quoting import identifier
from tests.publish.server import NUMBERS, Database, find_binaries, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    """The address of a running server's first database; without PostgreSQL the tests skip, in CI they fail."""
    binaries = find_binaries()
    if binaries is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("the tests of `r2k publish` need PostgreSQL: apt-get install postgresql")
    with running_server(binaries, fsync="off") as database:
        yield database


@pytest.fixture
def database(server: Database) -> Iterator[Database]:
    """The server's database, where no schema, role or view of a test outlives it."""
    yield server
    schemas = "select nspname from pg_namespace where nspname !~ '^pg_|^information_schema$'"
    server.run(*(f"drop schema {identifier(name)} cascade" for (name,) in server.rows(schemas)), "create schema public")
    _drop_roles(server)


@pytest.fixture
def own_database(server: Database) -> Iterator[Database]:
    """A database in which nobody but its owner has any right."""
    name = f"test_{next(NUMBERS)}"
    server.run(f"create database {name}")
    yield Database(server.port, name)
    server.run(f"drop database {name} with (force)")
    _drop_roles(server)


def _drop_roles(server: Database) -> None:
    """Those of one test; roles belong to the server, not to a database."""
    roles = server.rows(r"select rolname from pg_roles where rolname ~ '^(role_\d+|r2k_reader)$'")
    server.run(*(f"drop owned by {name}" for (name,) in roles), *(f"drop role {name}" for (name,) in roles))
