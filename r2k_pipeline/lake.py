"""The lake on disk: reading and replacing tables, the append-only log and its account, rows held aside.

Belongs here: what is read and written as Parquet, and when. Not here: what is in a table (contracts/), paths
(folders.py), names in a raw table (raw_folder.py), the lock (run_lock.py), the published DuckDB file (warehouse.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

import polars as pl
import pyarrow.parquet as pq

from r2k_pipeline.account import Account, RawFault, digest_in
from r2k_pipeline.contracts.table import LAYERS, TABLES, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.files import disk_error, fsync, remove, short_digest, write_atomically
from r2k_pipeline.folders import Folders
from r2k_pipeline.raw_folder import JOURNAL, content_digest, digests_of, end_merge, raw_files, superseded
from r2k_pipeline.run_lock import lock_holder, run_lock
from r2k_pipeline.table_files import UNREADABLE, Parts, Whole, check_rows, parquet_of, read_fault, table_files


@dataclass(frozen=True)
class Lake(Folders):
    """The tables of one source's lake."""

    def published_files(self, table: str) -> list[Path]:
        """The Parquet of `layer.name` in the published generation; none before the first one."""
        return table_files(self.published.resolve(), table)

    def files(self, table: str) -> list[Path]:
        """The Parquet files of `layer.name`, oldest first; raises R2kError for a file that cannot be one.

        A raw table is a folder of immutable files, a table that grows one of parts, any other table is one file. A
        flipped bit changes values without an error in the Parquet reader, so each raw file is compared with the digest
        in its name.
        """
        layer, name = table.split(".")
        found = raw_files(self.root / layer / name) if layer == "raw" else table_files(self.derived, table)
        for file in found:
            if file.suffix != ".parquet" or file.stat().st_size < 12:
                remedy = "restore it or remove it" if layer == "raw" else f"{self.run}, which rebuilds it"
                raise R2kError(file, "not a Parquet file (empty, cut or foreign)", remedy)
            if layer == "raw" and content_digest(file) != digest_in(file.name):
                way_on = f"restore this file, or {self.command('accept raw')}, which goes on without it"
                raise R2kError(file, "content does not match the digest in its name", way_on)
        return found

    def read(self, table: type[Table], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows of a table, `columns` or all of the contract in its order; no rows where nothing was written yet.

        A raw file that is older than a nullable column of its contract has null there.
        """
        files, wanted = self.files(table.dotted()), list(columns or table.column_names())
        if not files:
            return table.create_empty().select(wanted)
        try:
            # Polars opens a path more than once: a table replaced in between would be read half old, half new.
            return _rows_of(table, wanted, [file.read_bytes() for file in files])
        except UNREADABLE as error:
            remedy = "restore or take away the file that differs" if table.layer == "raw" else self.run
            reason = str(error).splitlines()[0]
            raise R2kError(table.dotted(), f"cannot read {files[0].parent}: {reason}", remedy) from error

    def scan(self, table: type[Table], columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """A lazy frame of a derived table, all columns or `columns`; empty if it was not built."""
        files = self.files(table.dotted())
        rows = pl.scan_parquet(files) if files else table.create_empty(lazy=True)
        return rows.select(columns or table.column_names())

    def version(self, table: type[Table]) -> str:
        """A digest of the names and bytes of a table's files; a constant where it has none."""
        named = "".join(f"{file.name} {content_digest(file)}\n" for file in self.files(table.dotted()))
        return short_digest(named.encode())

    def count(self, table: type[Table]) -> int:
        """Rows of a table, by the footers of its files."""
        return sum(pq.read_metadata(file).num_rows for file in self.files(table.dotted()))

    def write(self, table: type[Table], frame: pl.DataFrame) -> None:
        """Replace a derived table by a frame that the caller has validated."""
        with self.replacing(table) as replaced:
            replaced.add(frame)
            replaced.finish()

    @contextmanager
    def replacing(self, table: type[Table]) -> Iterator[Parts | Whole]:
        """A derived table that is to be replaced; without `finish` it stays as it is."""
        replaced = (Parts if table.in_parts else Whole)(table, self.derived / table.layer)
        try:
            yield replaced
        finally:
            replaced.abandon()

    def append(self, table: type[Table], frame: pl.DataFrame, recorded_at: datetime) -> Path | None:
        """Add one immutable file to a raw log, named by moment and content; nothing for no rows.

        The account is written before the file (as planned) and after it (as present): a process may die in between.
        """
        if frame.is_empty():
            return None
        body = parquet_of(frame)
        name = f"{recorded_at:%Y%m%dT%H%M%S%f}-{short_digest(body)}.parquet"
        file = self.root / table.layer / table.table / name
        account = self.settled_account()
        self.keep_account(account.begin(table.table, name))
        write_atomically(file, body, lambda temporary: check_rows(temporary, frame.height))
        self.keep_account(account.settle(table.table, name))
        return file

    def compact(self, table: type[Table], most_files: int) -> None:
        """Merge the files of a raw log into one, sorted by key, where it has more than `most_files`; no row is lost.

        A journal names the merged file and the files it replaces before one rename puts it in place. So `files` never
        lists both, whenever the process dies; the next run that takes the lock removes the leftovers.
        """
        files = self.files(table.dotted())
        if len(files) <= most_files:
            return
        rows = self.read(table).sort(table.primary_key())
        body = parquet_of(rows)
        merged = files[-1].with_name(f"{files[-1].name.partition('-')[0]}-{short_digest(body)}.parquet")
        names = [merged.name, *(file.name for file in files if file != merged)]
        write_atomically(merged.with_name(JOURNAL), "\n".join(names).encode(), lambda _: None)
        write_atomically(merged, body, lambda temporary: check_rows(temporary, rows.height))
        self.keep_account(self.settled_account())
        end_merge(merged.parent)

    @property
    def account_file(self) -> Path:
        """The account of raw: beside `raw/`, not in it."""
        return self.root / "account.json"

    def account(self) -> Account | None:
        """What raw must hold; None where no account was kept yet. Raises R2kError where it is damaged."""
        try:
            return Account.parse(self.account_file.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise R2kError(
                self.account_file,
                f"the account of raw cannot be read: {reason}",
                f"restore it from backup, or {self.command('accept raw')}, which takes raw as it is",
            ) from error

    def settled_account(self) -> Account:
        """The account after writes that a killed process left open: the files on disk show whether these succeeded.

        Without an account it is made from the files on disk.
        """
        account = self.account()
        if account is None:
            return self.present_account()
        for folder in self._raw_folders():
            merged, gone = superseded(folder)
            if gone:
                account = account.settle(folder.name, merged, gone)
        if account.pending:
            table, name = account.pending
            account = account.settle(table, name if (self.root / "raw" / table / name).exists() else None)
        return account

    def present_account(self) -> Account:
        """An account of the files on disk."""
        return Account.over({folder.name: digests_of(folder) for folder in self._raw_folders()})

    def _raw_folders(self) -> list[Path]:
        return [self.root / "raw" / table.table for table in TABLES.values() if table.layer == "raw"]

    def keep_account(self, account: Account) -> None:
        """Write the account down; the caller holds the lock."""
        write_atomically(self.account_file, account.body(), lambda _: None)

    def raw_faults(self) -> list[RawFault]:
        """Raw files that are gone, foreign, copied or damaged, by the account; raises R2kError where that is damaged.

        A run may append meanwhile: a finding counts only if the account is unchanged afterwards.
        """
        while True:
            before, account = self.account(), self.settled_account()
            faults = [
                fault
                for folder in self._raw_folders()
                for fault in account.compare(folder.name, folder, digests_of(folder))
            ]
            if not faults or self.account() == before:
                return faults

    @property
    def aside(self) -> Path:
        """The folder of raw files that `r2k accept raw` set aside."""
        return self.root / "set_aside"

    def set_aside(self, file: Path) -> None:
        """Move a raw file out of its table."""
        target = self.aside / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            remove(target)
        file.rename(target)
        fsync(target.parent)
        fsync(file.parent)

    def hold(self, table: type[Table], item: str, frame: pl.DataFrame) -> None:
        """Keep rows of one item aside until they are accepted, in place of those held before; no rows: hold none."""
        file = self.root / "held" / table.table / f"{quote(item, safe='^=')}.parquet"
        if frame.is_empty():
            file.unlink(missing_ok=True)
        else:
            write_atomically(file, parquet_of(frame), lambda temporary: check_rows(temporary, frame.height))

    def held(self) -> dict[tuple[str, str], Path]:
        """The file of rows held aside by table (`raw.name`) and item."""
        files = sorted((self.root / "held").glob("*/*.parquet"))
        return {(f"raw.{file.parent.name}", unquote(file.stem)): file for file in files}

    def read_held(self, table: type[Table], file: Path) -> pl.DataFrame:
        """The rows of one file of `held`; raises R2kError where it is damaged."""
        try:
            return _rows_of(table, table.column_names(), [file.read_bytes()])
        except UNREADABLE as error:
            raise R2kError(
                file, f"cannot be read: {error}", f"delete it, then {self.run}, which holds its rows again"
            ) from error

    def damaged(self) -> list[str]:
        """Raw files that differ from the account, unreadable derived tables and held rows."""
        found = []
        for (name, _), held in self.held().items():
            try:
                self.read_held(TABLES[name], held)
            except R2kError as error:
                found.append(str(error))
        try:
            found += [f"{fault}; next: {self.way_on(fault)}" for fault in self.raw_faults()]
        except R2kError as error:
            found.append(str(error))
        for layer in (layer for layer in LAYERS if layer != "raw"):
            for file in sorted((self.derived / layer).rglob("*.parquet")):
                if fault := read_fault(file):
                    found.append(f"{file}: {fault}; next: {self.run}, which rebuilds it from raw")
        return found

    def way_on(self, fault: RawFault) -> str:
        """What to do about a raw file."""
        accept = self.command("accept raw")
        if fault.is_there and fault.file.name not in self.settled_account().of(fault.file.parent.name):
            return f"remove it, or {accept}, which sets it aside"
        return f"restore this file from backup, or {accept}, which goes on without it"

    @contextmanager
    def lock(self, wait_seconds: float = 0, run_id: str = "") -> Iterator[None]:
        """Hold the lake for one run by an OS lock that dies with the process; raises R2kError with the holder.

        What a killed run left behind (temporary files, a merge half done) is swept once the lock is held.
        """
        with run_lock(self.root, wait_seconds, run_id):
            self._sweep()
            yield

    def strays(self) -> list[Path]:
        """Files not yet put in place by the current run, or left by a run that ended early."""
        return [*self.root.rglob(".*.tmp*")]

    def _sweep(self) -> None:
        """Remove leftovers. An old generation that cannot be removed may stay: nothing reads it."""
        for stray in self.strays():
            try:
                remove(stray)
            except OSError as error:
                if stray.parent.name != self.generations.name:
                    raise disk_error(stray, "cannot be removed", error) from error
        try:
            self._end_merges()
        except OSError as error:
            raise disk_error(self.root / "raw", "a merge of its files cannot be ended", error) from error

    def _end_merges(self) -> None:
        """End merges of raw files that a killed process left; they can wait while the account cannot be read."""
        journals = [*self.root.glob(f"raw/*/{JOURNAL}")]
        if not journals:
            return
        try:
            kept, settled = self.account(), self.settled_account()
        except R2kError:
            return
        if kept is not None:
            self.keep_account(settled)
        for journal in journals:
            end_merge(journal.parent)

    def holder(self) -> str | None:
        """The process and run that hold the lake's lock now; None if none does."""
        return lock_holder(self.root)


def _rows_of(table: type[Table], wanted: Sequence[str], bodies: Sequence[bytes]) -> pl.DataFrame:
    """Columns of Parquet files; null where a file lacks a nullable one. Raises PolarsError for any other difference."""
    columns = table.columns()
    required = {name for name in wanted if not columns[name].nullable}
    for body in bodies:
        if lacking := required - pl.read_parquet_schema(body).keys():
            raise pl.exceptions.ColumnNotFoundError(f"no column {', '.join(sorted(lacking))}")
    schema = {name: columns[name].dtype for name in wanted}
    scan = pl.scan_parquet(list(bodies), schema=schema, missing_columns="insert", extra_columns="ignore")
    return scan.select(wanted).collect()
