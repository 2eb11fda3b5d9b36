"""Acceptance by a user: held answers become vintages, and published rows may change.

Belongs here: what `r2k accept` does. Not here: what is held and why (revisions.py, recording.py, gate.py).
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from r2k_pipeline.account import RAW, Accepted, Account, RawFault
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.table import TABLES, Table
from r2k_pipeline.errors import R2kError
from r2k_pipeline.lake import Lake
from r2k_pipeline.last_run import record_acceptance
from r2k_pipeline.log.recording import Attempt, account_of
from r2k_pipeline.log.revisions import changed, key_of, latest, vendor_rows
from r2k_pipeline.raw_check import check_raw, lost_rows
from r2k_pipeline.restatement import RESTATEMENT, read_restatement, write_restatement
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.corrections import CORRECTIONS


def accept(run: Run, item: str) -> str:
    """Accept what waits under this name: `restatement`, `raw`, or a symbol or report file with held rows."""
    accepting = {RESTATEMENT: accept_restatement, RAW: accept_raw}.get(item)
    return accepting(run) if accepting else accept_held(run, item)


def accept_restatement(run: Run) -> str:
    """Accept the changes of published rows that the last run found, and no others; returns a few lines for the user.

    Takes the lake's lock. Raises R2kError where no restatement waits.
    """
    with run.lake.lock(run.settings.lock_wait_seconds):
        if (found := read_restatement(run.lake)) is None:
            raise R2kError(RESTATEMENT, "none waits", run.lake.command("status"))
        accepted = found.model_copy(update={"accepted_at": run.clock()})
        write_restatement(run.lake, accepted)
    return "\n".join([*accepted.lines(run.lake)[:-1], f"accepted; {accepted.next_command(run.lake)}"])


def accept_held(run: Run, item: str) -> str:
    """Append the held rows of `item` (a symbol, a report file), known from now on; returns a few lines for the user.

    Takes the lake's lock. Rows already in the log (a run died between two steps) are not written again. Raises
    R2kError if no rows of `item` are held, or if raw does not match its account.
    """
    with run.lake.lock(run.settings.lock_wait_seconds):
        check_raw(run.lake)
        held = {table: file for (table, name), file in run.lake.held().items() if name == item}
        if not held:
            names = ", ".join(sorted({name for _, name in run.lake.held()})) or "nothing"
            raise R2kError(item, f"none of its revisions are held; held: {names}", run.lake.command("status"))
        stamp = run.stamp()
        done = [_accept(run, TABLES[name], item, file, stamp) for name, file in held.items()]
        record_acceptance(run.lake, item)
    known = f"known from {stamp:%Y-%m-%d %H:%M:%S} UTC; earlier moments stay as they were"
    return "\n".join([*done, known, f"next: {run.lake.run}, which rebuilds the tables"])


def accept_raw(run: Run) -> str:
    """Accept raw as it is: lost files stay lost; files that no run wrote, or that are damaged, are set aside.

    The account keeps a record of all these files. Returns a few lines for the user.

    Takes the lake's lock. Raises R2kError if raw matches its account.
    """
    lake = run.lake
    with lake.lock(run.settings.lock_wait_seconds):
        reasons = _damaged_account(lake)
        if reasons:
            lake.keep_account(lake.present_account())
        is_new, faults = lake.account() is None, lake.raw_faults()
        account = _without(lake, faults)
        reasons |= {fault.name: fault.reason for fault in faults}
        if is_new and (lost := [*lost_rows(lake)]):
            reasons[RAW] = "; ".join(lost)
        if not reasons:
            raise R2kError(RAW, "its files are as the account says", lake.command("status"))
        accepted = [Accepted(file=file, reason=reason, accepted_at=run.clock()) for file, reason in reasons.items()]
        lake.keep_account(account.model_copy(update={"accepted": (*account.accepted, *accepted)}))
        record_acceptance(lake, RAW)
    aside = [f"what was there is below {lake.aside} now"] if any(fault.is_there for fault in faults) else []
    accepted_files = [f"{file}: {reason}; accepted" for file, reason in reasons.items()]
    return "\n".join([*accepted_files, *aside, f"next: {lake.run}, which goes on with what is there"])


def _damaged_account(lake: Lake) -> dict[str, str]:
    """The account's file with its error; empty if it can be read or if there is none."""
    try:
        lake.account()
    except R2kError as error:
        return {lake.account_file.name: str(error)}
    return {}


def _without(lake: Lake, faults: Sequence[RawFault]) -> Account:
    """The account without these files; those that still exist are set aside."""
    account = lake.settled_account()
    for fault in faults:
        if fault.is_there:
            lake.set_aside(fault.file)
        account = account.settle(fault.file.parent.name, None, {fault.file.name})
    return account


def _accept(run: Run, table: type[Table], item: str, file: Path, stamp: datetime) -> str:
    key = key_of(table)
    rows = run.lake.read_held(table, file).with_columns(recorded_at=pl.lit(stamp).cast(pl.Datetime("us", "UTC")))
    log = run.lake.read(table)
    known = latest(log if item == CORRECTIONS else vendor_rows(log), key)
    taken = changed(rows, known, key).select(table.column_names())
    run.lake.append(table, taken, stamp)
    withdrawn = taken.filter("is_withdrawn")
    message = f"{item}: {taken.height:,} held rows of {table.dotted()} accepted, {withdrawn.height:,} of them withdrawn"
    attempt = Attempt(item, "accepted", message)
    counts = {
        "kept": rows.filter(~pl.col("is_withdrawn")),
        "rows_written": taken.filter(~pl.col("is_withdrawn")),
        "rows_withdrawn": withdrawn,
    }
    counts = {name: frame.with_columns(source=pl.lit(attempt.origin)) for name, frame in counts.items()}
    run.lake.append(FetchLog, account_of(table, counts, [attempt], stamp), stamp)
    run.lake.hold(table, item, rows.clear())
    return message
