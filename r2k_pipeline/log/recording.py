"""Adds a fetch to the raw log: new rows, revisions, tombstones, corrections, refusals, and their counts.

Belongs here: appending rows, holding rows back, FetchLog. Not here: fetching (ingest.py), what counts as a
revision (revisions.py), files on disk (lake.py).
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

import polars as pl

from r2k_pipeline.contracts.meta import FetchLog, RefusedRows
from r2k_pipeline.contracts.prices import PriceBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.log.refusals import Judged, judge_refusals
from r2k_pipeline.log.revisions import News, changed, compare, key_of, latest, vendor_rows
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.corrections import CORRECTIONS, Corrected, Correction, correct_bars
from r2k_pipeline.sources.protocol import Span
from r2k_pipeline.sources.screening import Screened

MADE_UP: Final = "the process died before it counted these rows: the next run did"
"""The message of FetchLog rows that a later run wrote for a fetch whose process died."""
NO_DOUBTS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Attempt:
    """One request to a source for one item, and its result. `origin` ties its rows to it.

    `remarks`: notes for the reader about an accepted answer. `shows`: the days that the answer could have shown;
    `awaits`: the days used instead where the request fails.
    """

    item: str
    status: str = "ok"
    message: str | None = None
    origin: str = ""
    remarks: tuple[str, ...] = ()
    shows: Span | None = None
    awaits: Span | None = None


def record(
    run: Run,
    table: type[Table],
    screened: Screened,
    attempts: list[Attempt],
    stamp: datetime,
    *,
    covered: pl.DataFrame | None = None,
    doubts: Mapping[str, str] = NO_DOUBTS,
) -> pl.DataFrame:
    """Append new raw rows, refusals and the FetchLog rows of this fetch, in this order; returns the FetchLog rows.

    An answer with too many revisions is set aside whole, new keys too: if its history looks wrong, its newest row is
    not trusted either. So is an answer in `doubts` (reasons by item). It waits until it is accepted or until the source
    gives another one. `covered` is the span of days that each answer is complete for, by default that of its rows.
    """
    judged = judge_refusals(table, screened, run.settings.refused_share, run.settings.source)
    screened, attempts = judged.screened, [_with_refusals(attempt, judged) for attempt in attempts]
    news = compare(table, run.lake.read(table), screened, covered, stamp)
    doubted = [attempt.origin for attempt in attempts if attempt.item in doubts]
    held, taken = _held_and_taken(news, doubted, run.settings.revision_share)
    run.lake.append(table, taken, stamp)
    _refuse(run, screened.refused, stamp)
    for attempt in attempts:
        if attempt.status == "ok":
            run.lake.hold(table, attempt.item, held.filter(pl.col("source") == attempt.origin))
    counts = {
        "kept": screened.rows,
        "rows_written": taken.filter(~pl.col("is_withdrawn")),
        "rows_quarantined": screened.refused,
        "repeated": screened.identical,
        "rows_held": held.filter(~pl.col("is_withdrawn")),
        "rows_withdrawn": taken.filter("is_withdrawn"),
    }
    log = account_of(table, counts, [_judged(a, news, held, run, doubts.get(a.item)) for a in attempts], stamp)
    run.lake.append(FetchLog, log, stamp)
    for logged in (table, RefusedRows, FetchLog):
        run.lake.compact(logged, run.settings.raw_files_before_compaction)
    return log


def _held_and_taken(news: News, doubted: Sequence[str], share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of answers that are set aside (doubted, or revising more than `share` of a history), and the others."""
    is_held = pl.col("source").is_in([*news.too_many(share)["source"], *doubted])
    changes = pl.concat([news.fresh, news.revisions])
    return changes.filter(is_held), changes.filter(~is_held)


def _with_refusals(attempt: Attempt, judged: Judged) -> Attempt:
    """A successful attempt, failed if too many rows were refused, or with a note on rows settled between files."""
    if attempt.status == "ok" and attempt.origin in judged.failures:
        message = f"{attempt.item}: {judged.failures[attempt.origin]}"
        return replace(attempt, status="failed", message=message, shows=attempt.awaits)
    return replace(attempt, remarks=(*attempt.remarks, *judged.remarks.get(attempt.origin, ())))


def _judged(attempt: Attempt, news: News, held: pl.DataFrame, run: Run, doubt: str | None) -> Attempt:
    """A successful attempt with the remarks on its rows, `held` if they are held."""
    if attempt.status != "ok":
        return attempt
    if attempt.origin in held["source"]:
        why = news.held_message(attempt.item, attempt.origin, run.settings.source, run.settings.revision_share, doubt)
        return replace(attempt, status="held", message=why)
    return replace(attempt, message="; ".join([*news.remarks(attempt.origin), *attempt.remarks]) or None)


def correct(run: Run, corrections: Sequence[Correction], unread: Container[str], stamp: datetime) -> pl.DataFrame:
    """Append the bars that documented corrections change, as the log now stands; FetchLog rows, if there are any.

    If the log has a correction that no entry lists any more, the bar without it is held: a run with other settings
    must not undo it silently. An entry without a bar failed, unless its symbol is in `unread`, the symbols that failed
    this time.
    """
    log, key = run.lake.read(PriceBars), key_of(PriceBars)
    corrected = correct_bars(corrections, latest(vendor_rows(log), key), log, stamp)
    bars, held = corrected.bars, corrected.reverted.rows
    written = changed(bars.rows, latest(log, key), key).select(PriceBars.column_names())
    run.lake.append(PriceBars, written, stamp)
    run.lake.hold(PriceBars, CORRECTIONS, held)
    refused = pl.concat([bars.refused, corrected.reverted.refused])
    _refuse(run, refused, stamp)
    attempt = _judged_corrections(run, corrected, refused, unread)
    kept = pl.concat([bars.rows, held])
    counts = {"kept": kept, "rows_written": written, "rows_quarantined": refused, "rows_held": held}
    counts = {name: frame.with_columns(source=pl.lit(attempt.origin)) for name, frame in counts.items()}
    account = account_of(PriceBars, counts, [attempt] if corrections or kept.height else [], stamp)
    run.lake.append(FetchLog, account, stamp)
    return account


def _judged_corrections(run: Run, corrected: Corrected, refused: pl.DataFrame, unread: Container[str]) -> Attempt:
    """The attempt of corrections.toml with all its messages: failed takes precedence over held."""
    messages, held = list(corrected.unused), corrected.reverted.rows.select("symbol", "session_date")
    messages += [f"{entry}: no such bar" for entry in corrected.without_bar if entry.symbol in unread]
    wrong = [
        f"{row['row_key']} ({row['rule']}) is not a valid bar after correction" for row in refused.iter_rows(named=True)
    ]
    wrong += [f"{entry}: no such bar" for entry in corrected.without_bar if entry.symbol not in unread]
    if wrong:
        messages.append(f"{CORRECTIONS}: {', '.join(wrong)}; next: fix corrections.toml")
    if held.height:
        bars = ", ".join(f"{symbol} {day}" for symbol, day in held.iter_rows())
        messages.append(
            f"{CORRECTIONS}: {bars}: the log has a correction that no entry lists any more, and it stays; next: set "
            f"R2K_CORRECTIONS to the file that lists it, or r2k accept {CORRECTIONS} --source {run.settings.source}"
        )
    status = "failed" if wrong else "held" if held.height else "ok"
    return Attempt(CORRECTIONS, status, "; ".join(messages) or None, CORRECTIONS)


def _refuse(run: Run, refused: pl.DataFrame, stamp: datetime) -> None:
    """Append the refused rows that are not in raw.refused_rows yet."""
    new = refused.join(run.lake.read(RefusedRows), on=RefusedRows.primary_key(), how="anti", nulls_equal=True)
    once = new.unique(RefusedRows.primary_key(), maintain_order=True)
    run.lake.append(RefusedRows, RefusedRows.validate(once), stamp)


_COUNTS: Final = ("kept", "rows_written", "rows_quarantined", "repeated", "rows_held", "rows_withdrawn")


def account_of(
    table: type[Table], counted: Mapping[str, pl.DataFrame], attempts: list[Attempt], stamp: datetime
) -> pl.DataFrame:
    """FetchLog rows: rows read = written + quarantined + identical + held, by item; `counted` rows have a `source`.

    `kept` are the rows of an answer that fit the contract; an item not in `counted` has no rows.
    """
    log = pl.DataFrame(
        {
            "item": [attempt.item for attempt in attempts],
            "status": [attempt.status for attempt in attempts],
            "message": [attempt.message for attempt in attempts],
            "source": [attempt.origin for attempt in attempts],
            "shows_from": [attempt.shows and attempt.shows[0] for attempt in attempts],
            "shows_until": [attempt.shows and attempt.shows[1] for attempt in attempts],
        },
        schema=dict.fromkeys(("item", "status", "message", "source"), pl.String)
        | dict.fromkeys(("shows_from", "shows_until"), pl.Date),
    )
    for name in _COUNTS:
        rows = counted[name] if name in counted else log.clear()
        log = log.join(rows.group_by("source").len(name), on="source", how="left", maintain_order="left")
    log = log.with_columns(pl.col(_COUNTS).fill_null(0).cast(pl.Int64))
    log = log.with_columns(
        table_name=pl.lit(table.dotted()),
        fetched_at=pl.lit(stamp).cast(pl.Datetime("us", "UTC")),
        origin=pl.when(pl.col("source") != "").then("source"),
        rows_read=pl.col("kept") + pl.col("rows_quarantined") + pl.col("repeated"),
        rows_identical=pl.col("kept") - pl.col("rows_written") - pl.col("rows_held") + pl.col("repeated"),
    )
    return FetchLog.validate(log.select(FetchLog.column_names()))
