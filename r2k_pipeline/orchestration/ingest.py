"""Fetch, screen, record: how answers become raw facts.

Belongs here: the order of these steps, and what of an answer failed. Not here: vendors' formats (sources/), what is
appended and its account (recording.py), Dagster (assets.py).
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.markets import Market
from r2k_pipeline.orchestration.recording import Attempt, correct, record
from r2k_pipeline.orchestration.revisions import coverage, key_of, latest, vendor_rows
from r2k_pipeline.orchestration.run import Run
from r2k_pipeline.sources.corrections import read_corrections
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.files import NO_ACTIONS
from r2k_pipeline.sources.plausibility import doubt_series
from r2k_pipeline.sources.prices import read_actions, read_bars, screen_actions, screen_bars
from r2k_pipeline.sources.protocol import CotDocument, NotThereError, PriceAnswer, SourceError
from r2k_pipeline.sources.wrong_files import refuse_wrong_file, unread_actions

Answer = TypeVar("Answer", PriceAnswer, CotDocument)


@dataclass(frozen=True)
class Intake:
    """What one raw table learned: the FetchLog rows of this run, and those that failed."""

    log: pl.DataFrame

    @property
    def failures(self) -> pl.DataFrame:
        """Attempts that failed or whose answer is held, with message."""
        return self.log.filter(pl.col("status").is_in(["failed", "held"]))

    def total(self, column: str) -> int:
        """Sum of a row count over all items."""
        return int(self.log[column].sum())


def ingest_prices(run: Run, sessions: pl.DataFrame) -> tuple[Intake, Intake]:
    """Fetch every symbol; (bars, actions). A symbol that fails leaves the others and its own last rows in place.

    `sessions` is reference.sessions. A symbol that no market has as index or proxy, that the source does not have and
    never had, is `absent`; one that was there, or whose answer is broken, failed.
    Documented corrections are applied to what the log then holds. Raises CorrectionsError before anything is fetched.
    """
    corrections = read_corrections(run.settings.corrections)
    prices, _ = run.sources
    wanted = {symbol: market.calendar for market in run.markets for symbol in market.symbols()}
    required = {s for market in run.markets for s, role in market.symbols().items() if role in ("index", "proxy")}
    had = set(run.lake.read(PriceBars, ("symbol",))["symbol"])
    asked_at = run.clock()
    answers, attempts = _fetch(wanted, prices.fetch_prices, set(wanted) - required - had)
    stamp = run.stamp()

    def bars_of(answer: PriceAnswer) -> pl.DataFrame:
        calendar = sessions.filter(pl.col("calendar") == wanted[answer.symbol])
        rows = read_bars(answer, calendar, asked_at, stamp)
        refuse_wrong_file(answer, rows, calendar)
        return rows

    readable, bars, attempts = _read(answers, attempts, bars_of)
    screened = screen_bars(bars, sessions, wanted)
    actions = screen_actions([read_actions(answer, stamp) for answer in readable])
    doubts = _doubt(run, readable, screened.rows, actions.rows)
    taken = record(run, PriceBars, screened, attempts, stamp, doubts=doubts)
    corrected = correct(run, corrections, stamp + timedelta(microseconds=1))
    telling = [answer.origin for answer in readable if answer.actions is not NO_ACTIONS]
    covered = coverage(PriceBars, screened.rows).filter(pl.col("source").is_in(telling))
    return (
        Intake(pl.concat([taken, corrected])),
        Intake(record(run, PriceActions, actions, _remark(attempts, readable), stamp, covered=covered, doubts=doubts)),
    )


def _doubt(run: Run, answers: list[PriceAnswer], bars: pl.DataFrame, actions: pl.DataFrame) -> dict[str, str]:
    """Why the new rows of a symbol wait for a user, by symbol."""
    known = latest(vendor_rows(run.lake.read(PriceBars)), key_of(PriceBars))
    unproven = [answer.symbol for answer in answers if "Adj Close" not in answer.bars.columns]
    return doubt_series(bars, known, pl.concat([actions, run.lake.read(PriceActions)]), run.markets, unproven)


def _remark(attempts: list[Attempt], answers: list[PriceAnswer]) -> list[Attempt]:
    """The attempts, with what of an answer's dividends and splits was not read."""
    unread = {answer.origin: unread_actions(answer) for answer in answers}
    return [replace(attempt, message=attempt.message or unread.get(attempt.origin)) for attempt in attempts]


def ingest_reports(run: Run) -> Intake:
    """Fetch every COT file the source lists; a file that fails leaves the others and its own last rows in place.

    A contract that a market names and no report of its time holds is a failure of its own, by code.
    """
    _, reports = run.sources
    documents, attempts = _fetch(reports.list_reports(), reports.fetch_report)
    stamp = run.stamp()
    _, rows, attempts = _read(documents, attempts, lambda document: read_report(document, stamp))
    screened = screen_reports(rows)
    seen = [frame.select("contract_code", "report_date") for frame in (screened.rows, run.lake.read(CotReports))]
    attempts += _missing_contracts(run.markets, pl.concat(seen))
    return Intake(record(run, CotReports, screened, attempts, stamp))


def _missing_contracts(markets: Iterable[Market], seen: pl.DataFrame) -> list[Attempt]:
    """A failed attempt for each contract code that none of the `seen` reports of its time holds."""
    days = seen["report_date"].unique().to_list()
    contracts = [contract for market in markets for contract in market.cot]
    wanted = {contract.code for contract in contracts if any(contract.first <= day <= contract.last for day in days)}
    problem = "markets: contract code {} is in no report; next: check it against the CFTC's list"
    return [Attempt(code, "failed", problem.format(code)) for code in sorted(wanted - set(seen["contract_code"]))]


def _fetch(
    items: Iterable[str], fetch: Callable[[str], Answer | None], optional: Container[str] = ()
) -> tuple[list[Answer], list[Attempt]]:
    """Ask for every item; failures become attempts; a None answer, and an `optional` item not there, is an absence."""
    answers: list[Answer] = []
    attempts: list[Attempt] = []
    for item in items:
        try:
            answer = fetch(item)
        except SourceError as error:
            is_absent = isinstance(error, NotThereError) and item in optional
            attempts.append(Attempt(item, "absent" if is_absent else "failed", str(error)))
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
