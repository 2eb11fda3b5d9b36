"""A real PostgreSQL: Debian's binaries, a folder and a free loopback port of its own, stopped by its pid.

Belongs here: starting it, and asking it as any client would. Not here: fixtures (conftest.py), what is published
(warehouses.py).
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from r2k_pipeline.lake import Lake
from r2k_pipeline.postgresql.address import Address
from r2k_pipeline.postgresql.publication import Publication, publish_to_postgresql
from r2k_pipeline.snapshot import reading

PASSWORD = "correct horse"
START_SECONDS = 30
NUMBERS = count(1)
MEMORY = Path("/dev/shm")
"""Nothing here must outlive the tests, and a slow disk would be half of their time."""
INITDB = ("--auth=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C")
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}


@dataclass(frozen=True)
class Database:
    """One database on the test's server; its owner may do everything."""

    port: int
    name: str

    def url(self, user: str = "admin", password: str = PASSWORD.replace(" ", "%20")) -> str:
        """A libpq URI, password and all."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{self.name}"

    def connect(self, user: str = "admin", **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of psycopg."""
        return psycopg.connect(self.url(user), **options)

    def run(self, *statements: str, user: str = "admin") -> None:
        """Statements, each committed."""
        with self.connect(user, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def rows(self, query: str, user: str = "admin") -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connect(user) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def role(self, options: str = "") -> str:
        """The name of a new role that may log in."""
        name = f"role_{next(NUMBERS)}"
        self.run(f"create role {name} login password '{PASSWORD}' {options}")
        return name


def publish(
    lake: Lake,
    database: Database,
    *,
    user: str = "admin",
    schema: str = "r2k",
    reader: str = "r2k_reader",
    force: bool = False,
) -> Publication:
    """What `r2k publish` does."""
    address = Address.parse(database.url(user))
    with reading(lake) as snapshot:
        return publish_to_postgresql(snapshot, address, schema=schema, reader=reader, force=force)


def find_binaries() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off the path, one folder a version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    found = shutil.which("postgres") or (versions[-1] if versions else None)
    return Path(found).parent if found else None


@contextmanager
def running_server(binaries: Path, **settings: object) -> Iterator[Database]:
    """The first database of a new server, which ends with the block. Raises AssertionError with its log."""
    # PostgreSQL refuses to run as root, and what root's tests make for themselves is closed to anybody else.
    who: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="r2k-postgresql-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password") if who else ():
            shutil.chown(path, who["user"], who["group"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            database = Database(free.getsockname()[1], "postgres")
        data = str(folder / "data")
        command = [binaries / "initdb", "-D", data, "-U", "admin", "--pwfile", folder / "password", *INITDB]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **who)
        options = {"port": database.port, **SETTINGS, **settings}
        command = [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **who)
            try:
                _wait_until_it_answers(database, process, folder / "log")
                yield database
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(START_SECONDS)


def _wait_until_it_answers(database: Database, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return database.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.05)
