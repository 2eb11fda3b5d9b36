"""Checks before a run fetches anything: raw matches its account, and the clock is plausible.

Belongs here: the order of these checks, raw rows that a killed run did not enter in the fetch log. Not here: the
comparison with the account (raw_check.py), evidence that a clock is wrong (wrong_clock.py).
"""

from datetime import datetime

import polars as pl

from r2k_pipeline.contracts.cot import FETCHED_ITEM, CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.lake import Lake
from r2k_pipeline.log.recording import MADE_UP, Attempt, account_of
from r2k_pipeline.log.wrong_clock import refuse_wrong_clock
from r2k_pipeline.raw_check import FETCHED, check_raw
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.corrections import BY_CORRECTION, CORRECTIONS


def begin(run: Run) -> str | None:
    """Make sure that a run may fetch and append; the caller holds the lake's lock.

    Raises RawError where a raw file is gone, foreign, copied or damaged, ClockError where the clock is wrong. Rows that
    a killed run did not enter in the fetch log are entered now. Returns notes for the reader.
    """
    remark = check_raw(run.lake)
    refuse_wrong_clock(run)
    if not run.is_replay:
        make_up_accounts(run.lake)
    return remark


def make_up_accounts(lake: Lake) -> None:
    """Append the FetchLog rows of raw rows that have none: the process died between the two.

    They carry the moment of the rows, and prove nothing about what was missing from the answer.
    """
    counted = lake.read(FetchLog, ("table_name", "fetched_at"))
    for table in FETCHED:
        moments = counted.filter(pl.col("table_name") == table.dotted()).select(recorded_at="fetched_at")
        rows = lake.read(table).join(moments, on="recorded_at", how="anti")
        for (moment,), appended in rows.group_by("recorded_at", maintain_order=True):
            assert isinstance(moment, datetime)
            lake.append(FetchLog, _made_up(lake, table, appended, moment), moment)


def _made_up(lake: Lake, table: type[Table], appended: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """FetchLog rows of the raw rows of one moment: of the item that was accepted, or by item."""
    accepted = _accepted_item(lake, table, appended)
    rows = appended.with_columns(source=pl.lit(accepted) if accepted else _item_of(table))
    attempts = [
        Attempt(item, "accepted" if accepted else "ok", MADE_UP, origin=item)
        for item in rows["source"].unique(maintain_order=True)
    ]
    written, withdrawn = rows.filter(~pl.col("is_withdrawn")), rows.filter("is_withdrawn")
    counts = {"kept": written, "rows_written": written, "rows_withdrawn": withdrawn}
    return account_of(table, counts, attempts, moment)


def _accepted_item(lake: Lake, table: type[Table], appended: pl.DataFrame) -> str | None:
    """The item whose held rows these are; its held file is deleted after they are counted."""
    values = [name for name in table.column_names() if name != "recorded_at"]
    for (name, item), file in lake.held().items():
        if name == table.dotted():
            held = lake.read_held(table, file)
            if appended.join(held, on=values, how="anti", nulls_equal=True).is_empty():
                return item
    return None


def _item_of(table: type[Table]) -> pl.Expr:
    """The requested item of each row: a report file, a symbol, or the corrections."""
    if table is CotReports:
        return FETCHED_ITEM
    is_correction = pl.col("source").str.starts_with(BY_CORRECTION)
    return pl.when(is_correction).then(pl.lit(CORRECTIONS)).otherwise("symbol")
