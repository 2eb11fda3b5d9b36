"""Fetch, screen, compare with the log, append: how answers become raw facts, with an account of every row.

Belongs here: the order of these steps and the bookkeeping. Not here: vendors' formats (sources/), files on
disk (lake.py), Dagster (assets.py).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog, RefusedRows
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.prices import read_actions, read_bars, screen_actions, screen_bars
from r2k_pipeline.sources.protocol import CotDocument, PriceAnswer, SourceError
from r2k_pipeline.sources.screening import Screened

Answer = TypeVar("Answer", PriceAnswer, CotDocument)


@dataclass(frozen=True)
class Attempt:
    """One item asked of a source: what came of it. `origin` ties its rows to it."""

    item: str
    status: str = "ok"
    message: str | None = None
    origin: str = ""


@dataclass(frozen=True)
class Intake:
    """What one raw table learned: the FetchLog rows of this run, and those that failed."""

    log: pl.DataFrame

    @property
    def failures(self) -> pl.DataFrame:
        """Attempts that failed, with message."""
        return self.log.filter(pl.col("status") == "failed")

    def total(self, column: str) -> int:
        """Sum of a row count over all items."""
        return int(self.log[column].sum())


def ingest_prices(run: Run, sessions: pl.DataFrame) -> tuple[Intake, Intake]:
    """Fetch every symbol; (bars, actions). A symbol that fails leaves the others and its own last rows in place.

    `sessions` is reference.sessions. A future or context symbol that the source does not have is `absent`.
    """
    prices, _ = run.sources
    wanted = {symbol: (role, market.calendar) for market in run.markets for symbol, role in market.symbols().items()}
    answers, attempts = _fetch(wanted, prices.fetch_prices)
    optional = {symbol for symbol, (role, _) in wanted.items() if role in ("future", "context")}
    attempts = [
        replace(attempt, status="absent") if attempt.status == "failed" and attempt.item in optional else attempt
        for attempt in attempts
    ]
    stamp = run.stamp()

    def bars_of(answer: PriceAnswer) -> pl.DataFrame:
        calendar = sessions.filter(pl.col("calendar") == wanted[answer.symbol][1])
        return read_bars(answer, calendar, stamp)

    readable, bars, attempts = _read(answers, attempts, bars_of)
    actions = [read_actions(answer, stamp) for answer in readable]
    return (
        _record(run, PriceBars, screen_bars(bars, sessions), attempts, stamp),
        _record(run, PriceActions, screen_actions(actions), attempts, stamp),
    )


def ingest_reports(run: Run) -> Intake:
    """Fetch every COT file the source lists; a file that fails leaves the others and its own last rows in place.

    A contract that a market names and no file ever held is a failure of its own, by code.
    """
    _, reports = run.sources
    documents, attempts = _fetch(reports.list_reports(), reports.fetch_report)
    stamp = run.stamp()
    _, rows, attempts = _read(documents, attempts, lambda document: read_report(document, stamp))
    screened = screen_reports(rows)
    known = set(screened.rows["contract_code"]) | set(run.lake.read(CotReports)["contract_code"])
    unknown = sorted({contract.code for market in run.markets for contract in market.cot} - known)
    attempts += [
        Attempt(
            code, "failed", f"markets: contract code {code} is in no report; next: check it against the CFTC's list"
        )
        for code in unknown
        if attempts or known
    ]
    return _record(run, CotReports, screened, attempts, stamp)


def _fetch(items: Iterable[str], fetch: Callable[[str], Answer | None]) -> tuple[list[Answer], list[Attempt]]:
    """Ask for every item; failures become attempts, a None answer is an absence."""
    answers: list[Answer] = []
    attempts: list[Attempt] = []
    for item in items:
        try:
            answer = fetch(item)
        except SourceError as error:
            attempts.append(Attempt(item, "failed", str(error)))
            continue
        if answer is None:
            attempts.append(Attempt(item, "absent", "not there yet"))
        else:
            answers.append(answer)
            attempts.append(Attempt(item, origin=answer.origin))
    return answers, attempts


def _read(
    answers: list[Answer], attempts: list[Attempt], read: Callable[[Answer], pl.DataFrame]
) -> tuple[list[Answer], list[pl.DataFrame], list[Attempt]]:
    """Read every answer into text rows; one that is not what it claims to be becomes a failed attempt."""
    readable: list[Answer] = []
    frames: list[pl.DataFrame] = []
    failed: dict[str, str] = {}
    for answer in answers:
        try:
            frames.append(read(answer))
            readable.append(answer)
        except SourceError as error:
            failed[answer.origin] = str(error)
    attempts = [
        replace(attempt, status="failed", message=failed[attempt.origin]) if attempt.origin in failed else attempt
        for attempt in attempts
    ]
    return readable, frames, attempts


def _record(run: Run, table: type[Table], screened: Screened, attempts: list[Attempt], stamp: datetime) -> Intake:
    """Append what is new to the raw log, the refusals and the account of this fetch; raw rows first."""
    fresh = _changed(run.lake.read(table), screened.rows, table)
    refused = screened.refused.join(
        run.lake.read(RefusedRows), on=RefusedRows.primary_key(), how="anti", nulls_equal=True
    ).unique(RefusedRows.primary_key(), maintain_order=True)
    log = _account(table, screened, fresh, attempts, stamp)
    run.lake.append(table, fresh, stamp)
    run.lake.append(RefusedRows, RefusedRows.validate(refused), stamp)
    run.lake.append(FetchLog, log, stamp)
    return Intake(log)


def _changed(log: pl.DataFrame, rows: pl.DataFrame, table: type[Table]) -> pl.DataFrame:
    """The rows whose values differ from the latest vintage in the log, or that it does not have."""
    key = [name for name in table.primary_key() if name != "recorded_at"]
    values = [name for name in rows.columns if name not in (*key, "recorded_at", "source")]
    latest = log.sort("recorded_at").unique(key, keep="last").select(*key, *values, _known=pl.lit(True))
    compared = rows.join(latest, on=key, how="left", suffix="_before", maintain_order="left")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in values)
    return compared.filter(pl.col("_known").is_null() | differs).select(rows.columns)


def _account(
    table: type[Table], screened: Screened, fresh: pl.DataFrame, attempts: list[Attempt], stamp: datetime
) -> pl.DataFrame:
    """FetchLog rows: rows read = written + quarantined + identical, by item."""
    counts = [
        frame.group_by("source").len(name)
        for name, frame in {
            "kept": screened.rows,
            "rows_written": fresh,
            "rows_quarantined": screened.refused,
            "repeated": screened.identical,
        }.items()
    ]
    log = pl.DataFrame(
        {
            "item": [attempt.item for attempt in attempts],
            "status": [attempt.status for attempt in attempts],
            "message": [attempt.message for attempt in attempts],
            "source": [attempt.origin for attempt in attempts],
        },
        schema=dict.fromkeys(("item", "status", "message", "source"), pl.String),
    )
    for count in counts:
        log = log.join(count, on="source", how="left", maintain_order="left")
    log = log.with_columns(pl.col("kept", "rows_written", "rows_quarantined", "repeated").fill_null(0).cast(pl.Int64))
    log = log.with_columns(
        table_name=pl.lit(table.dotted()),
        fetched_at=pl.lit(stamp).cast(pl.Datetime("us", "UTC")),
        rows_read=pl.col("kept") + pl.col("rows_quarantined") + pl.col("repeated"),
        rows_identical=pl.col("kept") - pl.col("rows_written") + pl.col("repeated"),
    )
    return FetchLog.validate(log.select(FetchLog.column_names()))
