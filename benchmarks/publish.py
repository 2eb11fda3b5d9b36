"""`r2k publish` to PostgreSQL against a bare ADBC ingest of the same tables into bare tables, same server, in turn.

Belongs here: time; equality is asserted first. Not here: readers meanwhile (publish_readers.py).
`python benchmarks/publish.py [WAREHOUSE [ROUNDS]]`, by default the newest under data_lake/ and 5; a server of its own.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import adbc_driver_postgresql.dbapi
import duckdb
import polars as pl
import polars.testing

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from r2k_pipeline.lake import Lake  # noqa: E402
from r2k_pipeline.postgresql.address import Address  # noqa: E402
from r2k_pipeline.postgresql.publication import publish_to_postgresql  # noqa: E402
from r2k_pipeline.postgresql.tables import LAYERS, PublishedTable, published_tables  # noqa: E402
from r2k_pipeline.snapshot import reading  # noqa: E402
from r2k_pipeline.warehouse import open_warehouse  # noqa: E402
from tests.publish.server import Database, find_binaries, running_server  # noqa: E402

TABLES = published_tables("r2k")
AT_MOST = 3.0


def newest_warehouse() -> Path:
    """The warehouse that was published last in the checkout's lake."""
    found = sorted(PROJECT.glob("data_lake/*/warehouse.duckdb"), key=lambda file: file.stat().st_mtime)
    return found[-1] if found else sys.exit("no warehouse: r2k run, or name one")


def changed_copy(warehouse: Path, folder: Path) -> Path:
    """A later generation in which every row differs in a column outside its key: the most there can be to replace."""
    copy = folder / "changed.duckdb"
    copy.write_bytes(warehouse.read_bytes())
    with duckdb.connect(copy) as connection:
        for table in TABLES:
            name = changing_column(table)
            kind = table.shape.types[name]
            later = f"coalesce({name}, '') || '*'" if kind == "text" else f"coalesce({name}, 0) + 1"
            later = f"coalesce({name}, now()) + interval 1 second" if kind.startswith("timestamp") else later
            later = f"not coalesce({name}, false)" if kind == "boolean" else later
            connection.execute(f"update {table.contract.dotted()} set {name} = {later}")
        connection.execute("update meta.generation set generation_id = generation_id || '*'")
    return copy


def changing_column(table: PublishedTable) -> str:
    """A column outside the key that can be made another; the generation's must stay what it is judged by."""
    free = [name for name in table.shape.types if name not in table.contract.primary_key()]
    return "published_at" if table.name == "generation" else free[-1]


def publish(database: Database, warehouse: Path) -> None:
    """As the command does it."""
    address = Address.parse(database.url())
    with reading(Lake.at(warehouse.parent)) as snapshot:
        publish_to_postgresql(snapshot, address, schema="r2k", reader="r2k_reader", force=True)


def ingest_bare(database: Database, warehouse: Path) -> None:
    """The same tables as they come, in one transaction: no keys, comments, checks or rights."""
    with open_warehouse(warehouse) as source, adbc_driver_postgresql.dbapi.connect(database.url()) as connection:
        with connection.cursor() as cursor:
            cursor.execute("create schema bare")
            for table in TABLES:
                columns = ", ".join(table.contract.column_names())
                rows = source.sql(f"select {columns} from {table.contract.dotted()}").to_arrow_reader()
                cursor.adbc_ingest(table.name, rows, mode="create", db_schema_name="bare")
        connection.commit()


def assert_equal(database: Database, warehouse: Path) -> int:
    """Cell by cell what the warehouse holds; how many rows."""
    total = 0
    connect = adbc_driver_postgresql.dbapi.connect
    with open_warehouse(warehouse) as source, connect(database.url()) as connection, connection.cursor() as cursor:
        for table in TABLES:
            key = table.contract.primary_key()
            cursor.execute(f"select * from {table.dotted}")
            instants = pl.selectors.datetime().dt.convert_time_zone("UTC")
            theirs = pl.DataFrame(cursor.fetch_arrow_table()).with_columns(instants).sort(key)
            ours = source.sql(f"from {table.contract.dotted()}").pl().with_columns(instants).sort(key)
            pl.testing.assert_frame_equal(theirs.select(ours.columns), ours, check_exact=True)
            total += ours.height
    return total


def seconds(task: Callable[[], None]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def one_round(database: Database, warehouse: Path, changed: Path) -> dict[str, float]:
    """Each way once, on a database as it would find it; what prepares it is not timed."""
    database.run("drop schema if exists bare cascade", "drop schema if exists r2k cascade")
    times = {
        "bare ADBC ingest": seconds(lambda: ingest_bare(database, warehouse)),
        "publish, first time": seconds(lambda: publish(database, warehouse)),
        "publish, nothing differs (--force)": seconds(lambda: publish(database, warehouse)),
        "publish, every row differs": seconds(lambda: publish(database, changed)),
    }
    database.run("vacuum")
    return times


def main(warehouse: Path, rounds: int) -> None:
    """Compare, measure, print medians and ratios; ends with 1 where a ratio is above AT_MOST."""
    binaries = find_binaries() or sys.exit("needs PostgreSQL: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as folder, running_server(binaries) as database:
        changed = changed_copy(warehouse, Path(folder))
        measured = []
        for _ in range(rounds + 1):  # one that is not counted warms up
            measured.append(one_round(database, warehouse, changed))
            rows = assert_equal(database, changed)
        publish(database, warehouse)
        assert_equal(database, warehouse)
    print(f"{len(TABLES)} tables of {', '.join(LAYERS)}, {rows:,} rows, equal; medians of {rounds}")
    medians = {name: statistics.median(times[name] for times in measured[1:]) for name in measured[0]}
    base = medians["bare ADBC ingest"]
    for name, median in medians.items():
        print(f"{name:<36} {median:7.3f} s  {median / base:5.2f} x (at most {AT_MOST:.0f})")
    sys.exit(max(medians.values()) / base > AT_MOST)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else newest_warehouse(), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
