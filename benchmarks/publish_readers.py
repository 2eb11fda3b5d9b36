"""Readers at work while generations are published: PostgreSQL by `r2k publish`, the DuckDB file by its swap.

Belongs here: errors and mixed generations, counted; both must be 0. Not here: how long it takes (publish.py).
`python benchmarks/publish_readers.py [--readers 20] [--publications 200]`; two small generations in turn.
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.warehouse import open_warehouse, publish_warehouse
from tests.publish.server import Database, find_binaries, publish, running_server
from tests.publish.warehouses import HEIGHTS, ONE_STATEMENT, PUBLISHED, build_lake, is_whole

PAUSE_SECONDS = 0.2
"""Of a reader between two reads, so that the machine's cores are left to publish: a dashboard, not a load test."""
PAUSE_WITH_FILE_SECONDS = 1.0
"""Of one that opens the file for each read: opening costs more than reading."""
IN_DUCKDB = ONE_STATEMENT
for _table in PUBLISHED:
    IN_DUCKDB = IN_DUCKDB.replace(f"r2k.{_table.table})", f"{_table.dotted()})").replace(
        f"r2k.{_table.table} ", f"{_table.dotted()} "
    )


def read_postgresql(database: Database, stop: threading.Event, seen: Counter[str]) -> None:
    """One reader, a new connection every tenth time, until `stop`."""
    while not stop.is_set():
        try:
            with database.connect(autocommit=True) as connection:
                for _ in range(10):
                    count_row(connection.execute(ONE_STATEMENT).fetchone(), seen)
                    time.sleep(PAUSE_SECONDS)
        except psycopg.Error as error:
            seen["errors"] += 1
            print(error)


def read_duckdb(warehouse: Path, stop: Any, results: Any) -> None:
    """One process, which opens the file anew each time, until `stop`."""
    seen: Counter[str] = Counter()
    while not stop.is_set():
        try:
            with open_warehouse(warehouse) as connection:
                count_row(connection.sql(IN_DUCKDB).fetchall()[0], seen)
            time.sleep(PAUSE_WITH_FILE_SECONDS)
        except (R2kError, duckdb.Error) as error:
            seen["errors"] += 1
            print(error)
    results.put(seen)


def count_row(row: tuple[Any, ...] | None, seen: Counter[str]) -> None:
    """Which generation one statement saw, and whether all of it."""
    assert row is not None
    seen["reads"] += 1
    seen[f"generation {row[0]}"] += 1
    seen["mixed"] += not is_whole(row)


def against_postgresql(lakes: list[Lake], readers: int, publications: int) -> Counter[str]:
    """All that readers of PostgreSQL saw; they are threads: the server has a process for each."""
    binaries = find_binaries() or sys.exit("needs PostgreSQL: apt-get install postgresql")
    stop, counts = threading.Event(), [Counter[str]() for _ in range(readers)]
    with running_server(binaries) as database:
        publish(lakes[0], database)
        threads = [threading.Thread(target=read_postgresql, args=(database, stop, seen)) for seen in counts]
        in_turn(threads, stop, publications, lambda number: publish(lakes[number % 2], database, force=True))
    return sum(counts, Counter[str]())


def against_duckdb(lakes: list[Lake], folder: Path, readers: int, publications: int) -> Counter[str]:
    """All that readers of the file saw; they are processes: one process shares one opened file among its threads."""
    context = multiprocessing.get_context("spawn")
    stop, results, warehouse = context.Event(), context.Queue(), folder / "warehouse.duckdb"

    def swap(number: int) -> None:
        source = lakes[number % 2].root.parent
        publish_warehouse(warehouse, {t: [source / f"{t.dotted()}.parquet"] for t in PUBLISHED}, (), "1GB")

    swap(0)
    processes = [context.Process(target=read_duckdb, args=(warehouse, stop, results)) for _ in range(readers)]
    totals: Counter[str] = Counter()
    in_turn(processes, stop, publications, swap, lambda: [totals.update(results.get(timeout=300)) for _ in processes])
    return totals


def in_turn(
    workers: list[Any],
    stop: Any,
    publications: int,
    publish_number: Callable[[int], object],
    collect: Callable[[], object] = lambda: None,
) -> None:
    """Publish while the workers read; they are stopped whatever happens."""
    for worker in workers:
        worker.start()
    try:
        time.sleep(2)
        for number in range(1, publications + 1):
            publish_number(number)
    finally:
        stop.set()
        collect()
        for worker in workers:
            worker.join()


def main(readers: int, publications: int) -> None:
    """Try both and print; ends with 1 for an error, a mixed generation, or readers who saw no change."""
    bad = False
    with tempfile.TemporaryDirectory() as name:
        lakes = [build_lake(Path(name) / mark, mark, height=height) for mark, height in HEIGHTS.items()]
        for what, trial in {
            "PostgreSQL": lambda: against_postgresql(lakes, readers, publications),
            "DuckDB file": lambda: against_duckdb(lakes, Path(name), readers, publications),
        }.items():
            started = time.monotonic()
            seen = trial()
            print(
                f"{what}: {readers} readers, {publications} publications in {time.monotonic() - started:.0f} s: "
                f"{seen['reads']} reads, errors = {seen['errors']}, mixed = {seen['mixed']}, "
                f"saw {seen['generation a']} x a, {seen['generation b']} x b",
                flush=True,
            )
            bad |= bool(seen["errors"] or seen["mixed"] or not seen["generation a"] or not seen["generation b"])
    sys.exit(bad)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--publications", type=int, default=200)
    options = parser.parse_args()
    main(options.readers, options.publications)
