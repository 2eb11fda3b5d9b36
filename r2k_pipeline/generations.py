"""Published generations: a folder each, with the DuckDB file and the Parquet of all tables, behind one link.

Belongs here: how a generation is put on disk, found, kept and removed. Not here: whether it may be published
(gate.py), how the DuckDB file is made and opened (warehouse.py).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from r2k_pipeline.contracts.meta import Generation
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import digest_of, discard, disk_error, fsync, link_or_copy, point, remove
from r2k_pipeline.lake import Lake
from r2k_pipeline.raw_check import FETCHED
from r2k_pipeline.sums import changed_files, read_sums, renew_sums, write_sums
from r2k_pipeline.table_files import UNREADABLE, table_files
from r2k_pipeline.warehouse import Before, Tables, open_warehouse, publish_warehouse

WAREHOUSE: Final = "warehouse.duckdb"
RESTATED_KEPT: Final = 10
"""So many generations that a restatement replaced are kept beside the newest ones."""


@dataclass(frozen=True)
class Published:
    """One generation on disk: its folder and its row of meta.generation, in the columns that it has."""

    folder: Path
    row: Mapping[str, Any]

    def files(self, table: type[Table]) -> list[Path]:
        """Its Parquet of `table`; none if it has no such table."""
        return table_files(self.folder, table.dotted())

    def is_whole(self) -> bool:
        """Whether every file is there and unchanged; False if it was published without digests."""
        return read_sums(self.folder) is not None and not [*changed_files(self.folder)]

    def before(self, tables: Tables) -> Before:
        """Its DuckDB file, to continue with `tables`: changed are those with other Parquet than its own."""
        own = {table: [*map(digest_of, self.files(table))] for table in tables}
        changed = {table: files for table, files in tables.items() if [*map(digest_of, files)] != own[table]}
        return Before(self.folder / WAREHOUSE, changed, self.row["as_of"])


def folder_name(published_at: datetime, generation_id: str) -> str:
    """The name of a generation's folder; names sort by publication."""
    return f"{published_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{generation_id}"


def last_generation(lake: Lake) -> Published | None:
    """The published generation; none before the first one. Raises R2kError where it cannot be read.

    Its row is read from the DuckDB file where its Parquet is lost or damaged.
    """
    if not lake.published.is_symlink():
        return None
    folder = lake.published.resolve()
    file = folder / Generation.layer / f"{Generation.table}.parquet"
    try:
        return Published(folder, pl.read_parquet(file).row(0, named=True))
    except UNREADABLE as error:
        try:
            with open_warehouse(folder / WAREHOUSE) as connection:
                return Published(folder, connection.sql(f"from {Generation.dotted()}").pl().row(0, named=True))
        except (R2kError, duckdb.Error, pl.exceptions.PolarsError):
            raise R2kError(file, f"cannot be read: {error}", without_comparing(lake.published)) from error


def lake_as_of(folder: Path, source: str, as_of: datetime | None) -> Lake:
    """The lake to read for `as_of`: the rebuild for exactly that moment, otherwise the newest generation.

    The newest one, too, if raw rows of that time were added after the rebuild.
    """
    rebuilt, newest = Lake.of(folder, source, as_of), Lake.of(folder, source)
    is_used = rebuilt.warehouse.exists() and not (newest.warehouse.exists() and outgrown(rebuilt))
    return rebuilt if is_used else newest


def outgrown(lake: Lake) -> str | None:
    """The sentence about raw rows that were added for the days of a rebuilt moment after its rebuild.

    None if there are none, or if the lake is not such a rebuild. Raises R2kError.
    """
    last = last_generation(lake) if lake.derived != lake.root else None
    if last is None:
        return None
    as_of, built_at = last.row["as_of"], last.row["published_at"]
    added = sum(_added(lake.read(t, t.primary_key()), t.day_column(), as_of, built_at) for t in FETCHED)
    if not added:
        return None
    was = f"rebuilt at {built_at:%Y-%m-%d %H:%M} UTC; {added:,} raw rows of days to {as_of:%Y-%m-%d} were added since"
    return f"{lake.derived}: {was}; next: {lake.run}"


def _added(rows: pl.DataFrame, day: str, as_of: datetime, built_at: datetime) -> int:
    """How many keys of days to `as_of` were first recorded after `built_at`; a later revision was not known then."""
    key = [name for name in rows.columns if name != "recorded_at"]
    firsts = rows.filter(pl.col(day) <= as_of.date()).group_by(key).agg(pl.col("recorded_at").min())
    return firsts.filter(pl.col("recorded_at") > built_at).height


def publish_generation(
    lake: Lake,
    tables: Tables,
    macros: Sequence[str],
    memory_limit: str,
    name: str,
    complete: Callable[[Path], None] = lambda _: None,
    last: Published | None = None,
) -> int:
    """Put the generation `name` of `tables` beside the others and swap it in; the size of its DuckDB file in bytes.

    `complete` gets that file before the swap, and may add to it and to the Parquet of `tables`. `last`: a whole
    generation of the same program, if no published row changed; the file goes on from its file. Raises R2kError; then
    the published one is unchanged. A folder left by a run that was killed before the swap is removed: nobody read it.
    """
    folder, building = lake.generations / name, lake.generations / f".{name}.tmp"
    try:
        for never_published in _kept(lake, newer=True):
            remove(never_published)
        before = last.before(tables) if last else None
        publish_warehouse(building / WAREHOUSE, tables, macros, memory_limit, before)
        complete(building / WAREHOUSE)
        size = (building / WAREHOUSE).stat().st_size
        for table, files in tables.items():
            for file in files:
                inner = f"{table.table}/{file.name}" if table.in_parts else f"{table.table}.parquet"
                link_or_copy(file, building / table.layer / inner)
        write_sums(building)
        _finish(building, folder)
        _swap_in(lake, name)
    except OSError as error:
        raise disk_error(folder, "not published, the old one stays", error) from error
    finally:
        discard(building)
    return size


def take_over(lake: Lake) -> None:
    """Export published tables from the DuckDB file to Parquet, if only the file has them: the gate compares Parquet.

    The file is alone in lakes of a version before generations and in copied lakes; of the published generation a table
    may be lost or damaged. Raises R2kError if the file cannot be read.
    """
    published, file = lake.published, lake.warehouse
    if file.is_dir():
        raise R2kError(file, "a folder, not a DuckDB file", "move it away")
    if published.is_symlink():
        _restore(published)
    elif published.is_dir() and (file.is_symlink() or not file.exists()):  # it alone was copied through its link
        file = published / WAREHOUSE
        if not file.exists():
            raise R2kError(published, f"a folder without {WAREHOUSE}, not a link", without_comparing(published))
    if file.is_symlink() or not file.is_file():
        return
    try:
        with duckdb.connect(file, read_only=True) as connection:
            query = "select published_at, generation_id from meta.generation"
            name = folder_name(*connection.sql(query).pl().row(0))
            if not (lake.generations / name).exists():
                _export(connection, file, lake.generations / name)
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        alone = published if file.parent == published else file
        raise R2kError(file, _unread(error), without_comparing(alone)) from error
    if published.is_dir() and not published.is_symlink():  # a copy that followed the links
        if file != lake.warehouse:  # there the next run finds it, if this one is killed before it has set the link
            link_or_copy(file, temporary := lake.warehouse.with_name(f".{WAREHOUSE}.tmp"))
            temporary.replace(lake.warehouse)
        remove(published)
    _swap_in(lake, name)


def prune(lake: Lake, keep: int, restated: Collection[tuple[str, datetime]]) -> None:
    """Remove old generations: the newest `keep` stay, and those that a restatement replaced.

    `restated`: the id of each such generation and when it was replaced. A process that has a removed file open can
    still read it. One that cannot be removed (another user made it) is hidden, and doctor names it.
    """
    older = _kept(lake, newer=False)
    replaced = set()
    for generation_id, restated_at in sorted(restated, key=lambda entry: entry[1])[-RESTATED_KEPT:]:
        before = [f for f in older if f.name.endswith(f"-{generation_id}") and f.name < folder_name(restated_at, "")]
        replaced |= set(before[-1:])
    for folder in older[: max(len(older) - keep + 1, 0)]:
        if folder not in replaced:
            discard(folder)


def _kept(lake: Lake, *, newer: bool) -> list[Path]:
    """Folders of generations older than the published one, or newer, oldest first."""
    if not lake.published.exists():  # the link was removed, so it is unknown which of them were published
        return []
    current = lake.published.resolve().name
    found = sorted(lake.generations.glob("[!.]*"), key=lambda folder: folder.name)
    return [folder for folder in found if folder.name != current and (folder.name > current) == newer]


def _finish(building: Path, folder: Path) -> None:
    for inner in (*(path for path in building.rglob("*") if path.is_dir()), building):
        fsync(inner)
    building.rename(folder)
    fsync(folder.parent)


def _swap_in(lake: Lake, name: str) -> None:
    # A log that some writer left beside the old file must not be replayed on the new one.
    lake.warehouse.with_name(f"{WAREHOUSE}.wal").unlink(missing_ok=True)
    point(lake.published, f"{lake.generations.name}/{name}")
    if not lake.warehouse.is_symlink():
        point(lake.warehouse, f"{lake.published.name}/{WAREHOUSE}")


def _export(connection: duckdb.DuckDBPyConnection, file: Path, folder: Path) -> None:
    building = folder.with_name(f".{folder.name}.tmp")
    link_or_copy(file, building / WAREHOUSE)
    for layer, table in connection.sql("select schema_name, table_name from duckdb_tables()").fetchall():
        target = building / layer / f"{table}.parquet"
        target.parent.mkdir(exist_ok=True)
        _copy_table(connection, layer, table, target)
    _finish(building, folder)


def _restore(published: Path) -> None:
    """Tables of a generation with a lost or damaged file are written anew, each as one file, from its DuckDB file."""
    folder = published.resolve()
    changed = dict(changed_files(folder))
    tables = {file.relative_to(folder).parts[:2] for file in changed if file.suffix == ".parquet"}
    warehouse = folder / WAREHOUSE
    if is_beyond_repair(changed):
        others = f"and {len(changed) - 1} more files differ (r2k doctor names them)"
        raise R2kError(f"{warehouse}: {changed[warehouse]}, {others}", next=without_comparing(published))
    try:
        for layer, name in sorted(tables):
            table = name.removesuffix(".parquet")
            target = folder / layer / f"{table}.parquet"
            temporary = target.with_name(f".{target.name}.tmp")
            with duckdb.connect(warehouse, read_only=True) as connection:
                _copy_table(connection, layer, table, temporary)
            remove(target.with_name(table))
            temporary.replace(target)
            fsync(target.parent)
            renew_sums(folder, f"{layer}/{table}")
    except (duckdb.Error, OSError) as error:
        raise R2kError(warehouse, _unread(error), without_comparing(published)) from error


def is_beyond_repair(changed: Collection[Path]) -> bool:
    """Whether a run cannot make these files of a generation anew: it restores Parquet from the DuckDB file."""
    return {".duckdb", ".parquet"} <= {file.suffix for file in changed}


def _copy_table(connection: duckdb.DuckDBPyConnection, layer: str, table: str, target: Path) -> None:
    connection.execute("set enable_progress_bar = false")
    connection.sql(f'from "{layer}"."{table}"').write_parquet(str(target), compression="zstd")
    fsync(target)


def _unread(error: Exception) -> str:
    return f"its tables cannot be read: {str(error).splitlines()[0]}"


def without_comparing(path: Path) -> str:
    return f"restore it, or remove {path}: the next run then publishes without comparing"
