"""Raw compared with its account: a file that is gone, foreign or damaged stops runs and acceptances.

Belongs here: the comparison as runs and acceptances need it, a lake that has no account yet. Not here: the account
(account.py), its file and the files of raw (lake.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from r2k_pipeline.account import RawFault
from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.contracts.table import TABLES
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake

EXAMPLES: Final = 3
FETCHED: Final = (PriceBars, PriceActions, CotReports)
"""Raw tables whose every row is counted in the fetch log."""


class RawError(R2kError):
    """Raw differs from its account, so nothing is fetched in its place; the message is one line."""


def check_raw(lake: Lake) -> str | None:
    """Compare raw with its account; raises RawError. The caller holds the lock.

    A lake of a version without accounts gets one; then the result is the remark about it.
    """
    kept = lake.account()
    if faults := lake.raw_faults():
        raise RawError(_in_one_line(faults), next=lake.way_on(faults[0]))
    if kept is None and (lost := [*lost_rows(lake)]):
        way_on = f"restore raw/ from backup, or {lake.command('accept raw')}, which goes on without it"
        raise RawError(lake.root / "raw", "; ".join(lost), way_on)
    if (account := lake.settled_account()) != kept:
        lake.keep_account(account)
    taken = sum(map(len, account.files.values()))
    return f"{lake.account_file}: the account of raw begins with {taken} files" if kept is None and taken else None


def lost_rows(lake: Lake) -> Iterator[str]:
    """Losses that show without an account: all of raw, the fetch log, rows that the log counts."""
    if lake.count(FetchLog) == 0:
        if any(lake.count(table) for table in FETCHED):
            yield "fetch_log is gone"
        elif lake.published.exists() or lake.warehouse.exists():
            yield "all of it is gone, and a generation was published from it"
    log = lake.read(FetchLog, ("table_name", "rows_written", "rows_withdrawn"))
    appended = log.group_by("table_name").agg(pl.col("rows_written").sum() + pl.col("rows_withdrawn").sum())
    for name, rows in appended.sort("table_name").iter_rows():
        there = lake.count(TABLES[name])
        if there < rows:
            yield f"{name}: {rows:,} rows were appended, {there:,} are there: a file is gone"


def _in_one_line(faults: Sequence[RawFault]) -> str:
    if len(faults) == 1:
        return str(faults[0])
    files = ", ".join(f"{fault.name} ({fault.reason})" for fault in faults[:EXAMPLES])
    more = f" and {len(faults) - EXAMPLES} more (r2k doctor names them)" if len(faults) > EXAMPLES else ""
    return f"{faults[0].file.parent.parent}: {len(faults)} files are not as the account says: {files}{more}"
