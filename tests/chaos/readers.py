"""Readers beside a writer: processes that open what is published, again and again, while days are published.

Belongs here: DuckDB and Polars as anybody would use them, what they count. Not here: killed runs (campaigns.py).
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from r2k_pipeline.quoting import literal
from r2k_pipeline.warehouse import open_warehouse
from tests.chaos.days import DAYS, lake_of

if TYPE_CHECKING:
    from tests.chaos.campaigns import Campaign

TABLES = ("staging.daily_prices", "features.daily_indicators", "marts.positioning_vs_technicals")
"""Each has another number of rows every day."""
Seen = tuple[str, ...]


def _ours(lakes: Path) -> Seen:
    """r2k's own way to open the DuckDB file."""
    with open_warehouse(lake_of(lakes).warehouse) as connection:
        return _rows(connection, "meta.generation", TABLES)


def _duckdb(lakes: Path) -> Seen:
    """DuckDB over the Parquet files of the folder that the link names at this moment."""
    folder = lake_of(lakes).published.resolve()
    with duckdb.connect() as connection:
        parts = [_parquet(folder, table) for table in TABLES]
        return _rows(connection, _parquet(folder, "meta.generation"), parts)


def _polars(lakes: Path) -> Seen:
    """Polars over the same."""
    folder = lake_of(lakes).published.resolve()
    scans = [pl.scan_parquet(str(folder / _pattern(folder, table))) for table in ("meta.generation", *TABLES)]
    row = scans[0].collect()["generation_id"].item()
    return (row, *(str(scan.select(pl.len()).collect().item()) for scan in scans[1:]))


def _pattern(folder: Path, table: str) -> str:
    path = table.replace(".", "/")
    return f"{path}/*.parquet" if (folder / path).is_dir() else f"{path}.parquet"


def _parquet(folder: Path, table: str) -> str:
    return f"read_parquet({literal(folder / _pattern(folder, table))})"


def _rows(connection: duckdb.DuckDBPyConnection, generation: str, tables: tuple[str, ...] | list[str]) -> Seen:
    (row,) = connection.sql(f"select generation_id from {generation}").fetchall()
    return (row[0], *(str(connection.sql(f"select count(*) from {table}").fetchall()[0][0]) for table in tables))


READERS: dict[str, Callable[[Path], Seen]] = {"r2k": _ours, "duckdb": _duckdb, "polars": _polars}


def read_on(name: str, lakes: Path) -> None:
    """Read until `lakes/stop` is there; print every distinct answer with its count, and every error."""
    seen: Counter[Seen] = Counter()
    while not (lakes / "stop").exists():
        try:
            seen[READERS[name](lakes)] += 1
        except Exception as error:  # noqa: BLE001  (each is counted and told)
            seen["error", f"{type(error).__name__}: {str(error).splitlines()[0]}"] += 1
        time.sleep(0.02)
    print(json.dumps([*seen.items()]))


def read_beside(campaign: "Campaign", ends_at: float) -> Counter[str]:
    """Let readers read while the days are published; reads by reader. Mixed generations and errors are complaints."""
    counts: Counter[str] = Counter()
    while time.monotonic() < ends_at:
        lakes = campaign.begin_again("read")
        command = [sys.executable, "-m", "tests.chaos.readers"]
        readers = {
            name: subprocess.Popen([*command, name, str(lakes)], stdout=subprocess.PIPE, text=True) for name in READERS
        }
        for day in DAYS[1:]:
            if time.monotonic() > ends_at:
                break
            campaign.publish("read", day)
            counts["publications"] += 1
        (lakes / "stop").touch()
        for name, reader in readers.items():
            output, _ = reader.communicate()
            for answer, number in json.loads(output):
                counts[f"reads by {name}"] += number
                if tuple(answer) not in campaign.whole(TABLES):
                    campaign.found.append(f"reader {name}: {number} times {answer}")
    return counts


if __name__ == "__main__":
    read_on(sys.argv[1], Path(sys.argv[2]))
