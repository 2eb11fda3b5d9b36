"""Fetch, screen, record: how answers become raw facts.

Belongs here: the order of these steps, and failures of an item. Not here: vendors' formats (sources/), what is
appended and its account (recording.py), Dagster (assets.py).
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.contracts.meta import FetchLog
from r2k_pipeline.contracts.prices import PriceActions, PriceBars
from r2k_pipeline.folders import run_of
from r2k_pipeline.log.closed_years import LOOKED_AT, alarms_of
from r2k_pipeline.log.coverage import with_days_of_prices, with_days_of_reports
from r2k_pipeline.log.recording import Attempt, correct, record
from r2k_pipeline.log.revisions import coverage, key_of, latest, vendor_rows
from r2k_pipeline.log.wrong_clock import refuse_answers
from r2k_pipeline.markets import Market, read_catalogue
from r2k_pipeline.runs import Run
from r2k_pipeline.sources.corrections import read_corrections
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.plausibility import doubt_series, remark_unproven
from r2k_pipeline.sources.prices import (
    Bars,
    read_actions,
    read_bars,
    say_missing_opens,
    screen_actions,
    screen_bars,
)
from r2k_pipeline.sources.protocol import (
    ANNOUNCEMENTS,
    Announcer,
    CotDocument,
    CotSource,
    NotThereError,
    PriceAnswer,
    PriceSource,
    SourceError,
)
from r2k_pipeline.sources.screening import Screened, refuse_rest
from r2k_pipeline.sources.settlement import settlement_of
from r2k_pipeline.sources.wrong_files import refuse_cut_off, refuse_wrong_file, unread_actions

Answer = TypeVar("Answer", PriceAnswer, CotDocument)
Rows = TypeVar("Rows")


@dataclass(frozen=True)
class Intake:
    """Result of a fetch for one raw table: the FetchLog rows of this run, and notes that belong to no single item.

    `alarms`: news that was recorded but fails this run, so that somebody looks at it.
    """

    log: pl.DataFrame
    notes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()

    @property
    def failures(self) -> pl.DataFrame:
        """Attempts that failed or whose answer is held, with message."""
        return self.log.filter(pl.col("status").is_in(["failed", "held"]))

    def total(self, column: str) -> int:
        """Sum of a row count over all items."""
        return int(self.log[column].sum())


def ingest_prices(run: Run, sessions: pl.DataFrame) -> tuple[Intake, Intake]:
    """Fetch every symbol; (bars, actions). A symbol that fails leaves the others and its own last rows in place.

    `sessions` is reference.sessions. A symbol that the source does not have and never had is `absent`, unless it is
    index or proxy of a required market; a symbol that was there before, or whose answer is broken, failed.
    Documented corrections are applied to the log afterwards. Raises MistakesError before anything is fetched,
    ClockError before anything is recorded.
    """
    corrections = read_corrections(run.settings.corrections)
    prices = run.sources.prices
    calendars = {symbol: market.calendar for market in run.markets for symbol in market.symbols()}
    bars_before = run.lake.read(PriceBars, ("symbol", "session_date"))
    newest = dict(bars_before.group_by("symbol").agg(pl.col("session_date").max()).iter_rows())
    answers, attempts = _fetch(calendars, partial(_ask, run, prices), _optional_symbols(run, newest))
    refuse_answers(run.clock(), answers, newest.values())
    stamp = run.stamp()
    readable, read, attempts = _read(answers, attempts, partial(_read_prices, run, sessions, stamp, newest))
    bars = screen_bars([its.rows for its in read], sessions, calendars)
    actions = screen_actions([read_actions(answer, stamp) for answer in readable])
    dated = partial(with_days_of_prices, attempts, read, run.lake.read(FetchLog), asks_vendor=prices.asks_vendor)
    doubts, unproven = _doubt(run, readable, bars.rows, actions.rows)

    of_bars = _with_remarks(dated(PriceBars), read, bars.rows, unproven)
    bars_log = record(run, PriceBars, bars, of_bars, stamp, doubts=doubts)
    unread = set(bars_log.filter(pl.col("status") != "ok")["item"])
    corrections_log = correct(run, corrections, unread, stamp + timedelta(microseconds=1))  # vintages after these bars

    with_actions = [answer.origin for answer in readable if answer.actions is not None]
    covered = coverage(PriceBars, bars.rows).filter(pl.col("source").is_in(with_actions))
    of_actions = [*_for_actions(dated(PriceActions), readable)]
    actions, of_actions, held = _as_its_bars(actions, of_actions, bars_log)
    actions_log = record(run, PriceActions, actions, of_actions, stamp, covered=covered, doubts=held | doubts)

    notes = (*prices.list_unread(calendars), *_without_prices(run, bars_log))
    return Intake(pl.concat([bars_log, corrections_log]), notes), Intake(actions_log)


def _optional_symbols(run: Run, recorded: Iterable[str]) -> set[str]:
    """The symbols that may be absent: never recorded, and neither index nor proxy of a required market."""
    symbols = {symbol for market in run.markets for symbol in market.symbols()}
    required = {symbol for market in run.markets if market.required for symbol in (market.index, market.proxy)}
    return symbols - required - {*recorded}


def _without_prices(run: Run, recorded: pl.DataFrame) -> Iterator[str]:
    """A note that names the markets whose prices the source does not have; `recorded`: FetchLog rows of this fetch."""
    absent = set(recorded.filter(status="absent")["item"])
    if run.settings.source == "sample":
        if others := [market.market for market in run.markets if market.index is None or market.index in absent]:
            yield f"the sample has neither prices nor positions of {', '.join(others)}; next: {run_of('live')}"
    elif named := [f"{market.market} ({market.index})" for market in run.markets if market.index in absent]:
        yield f"only positions, no prices, of {', '.join(named)}: the source has none of these symbols"


def _as_its_bars(
    actions: Screened, attempts: list[Attempt], bars: pl.DataFrame
) -> tuple[Screened, list[Attempt], dict[str, str]]:
    """Actions and their attempts, failed where the bars failed, and reasons by item where they are held.

    Bars and actions are one answer, so its actions fail or are held with its bars. `bars`: FetchLog rows of the bars.
    """
    failed = dict(bars.filter(status="failed").select("item", "message").iter_rows())
    held = dict.fromkeys(bars.filter(status="held")["item"], "its bars are held")
    of_failed = [attempt.origin for attempt in attempts if attempt.origin and attempt.item in failed]
    attempts = [
        replace(attempt, status="failed", message=failed[attempt.item], shows=None)
        if attempt.item in failed
        else attempt
        for attempt in attempts
    ]
    return refuse_rest(PriceActions, actions, of_failed), attempts, held


def _ask(run: Run, prices: PriceSource, symbol: str) -> PriceAnswer:
    """One symbol's answer, with the moment before the request."""
    asked_at = run.clock()
    return replace(prices.fetch_prices(symbol), asked_at=asked_at)


def _read_prices(
    run: Run, sessions: pl.DataFrame, stamp: datetime, newest: Mapping[str, date], answer: PriceAnswer
) -> Bars:
    """As `read_symbol`; a vendor's answer must not end long before the `newest` recorded bar of its symbol."""
    bars = read_symbol(run.markets, sessions, stamp, answer)
    if run.sources.prices.asks_vendor:
        refuse_cut_off(answer, bars.rows, newest.get(answer.symbol))
    return bars


def read_symbol(markets: Sequence[Market], sessions: pl.DataFrame, stamp: datetime, answer: PriceAnswer) -> Bars:
    """The bars of an answer, by its symbol's roles and calendar. Raises SourceError for a file that is wrong."""
    of_it = [market for market in markets if answer.symbol in market.symbols()]
    settlement = settlement_of(market.kind_of(answer.symbol) for market in of_it)
    calendar = sessions.filter(calendar=of_it[0].calendar)
    bars = read_bars(answer, calendar, settlement, stamp)
    refuse_wrong_file(answer, bars.rows, calendar)
    return bars


def _with_remarks(
    attempts: Iterable[Attempt], bars: Iterable[Bars], kept: pl.DataFrame, unproven: Mapping[str, str]
) -> list[Attempt]:
    """`attempts` with remarks on their bars; `kept` are the rows that fit the contract, `unproven` remarks by item."""
    on_bars = {
        answer.origin: (*answer.remarks, *say_missing_opens(kept.filter(source=answer.origin))) for answer in bars
    }
    on_series = {item: (remark,) for item, remark in unproven.items()}
    return [replace(one, remarks=(*on_bars.get(one.origin, ()), *on_series.get(one.item, ()))) for one in attempts]


def _for_actions(attempts: Iterable[Attempt], answers: Iterable[PriceAnswer]) -> Iterator[Attempt]:
    """`attempts` as those of dividends and splits: an answer without any shows no days; a remark if they are unread."""
    by_origin = {answer.origin: answer for answer in answers}
    for attempt in attempts:
        answer = by_origin.get(attempt.origin)
        remark = unread_actions(answer) if answer else None
        shows = attempt.shows if answer and answer.actions is not None else None
        yield replace(attempt, shows=shows, remarks=(remark,) if remark else attempt.remarks)


def _doubt(
    run: Run, answers: list[PriceAnswer], bars: pl.DataFrame, actions: pl.DataFrame
) -> tuple[dict[str, str], dict[str, str]]:
    """By symbol: why its new rows wait for a user; remarks on prices that may be adjusted."""
    known = latest(vendor_rows(run.lake.read(PriceBars)), key_of(PriceBars))
    unproven = [answer.symbol for answer in answers if "Adj Close" not in answer.bars.columns]
    doubts = doubt_series(bars, known, pl.concat([actions, run.lake.read(PriceActions)]), run.markets, unproven)
    return doubts, remark_unproven(bars, known, run.markets, [its for its in unproven if its not in doubts])


def ingest_reports(run: Run) -> Intake:
    """Fetch every COT file the source lists; a file that fails leaves the others and its own last rows in place.

    A contract of a market that is in none of its reports is a failure of its own, by code.
    """
    reports = run.sources.reports
    documents, attempts = _fetch(reports.list_reports(), reports.fetch_report)
    stamp = run.stamp()
    _, rows, attempts = _read(documents, attempts, lambda document: read_report(document, stamp))
    screened = screen_reports(rows)
    log = run.lake.read(CotReports)
    remarks = {document.origin: (document.remark,) for document in documents if document.remark}
    attempts = [replace(attempt, remarks=remarks.get(attempt.origin, ())) for attempt in attempts]
    attempts = with_days_of_reports(attempts, rows, log, asks_vendor=reports.asks_vendor)
    attempts += _announcements(reports)
    seen = [frame.select("contract_code", "report_date") for frame in (screened.rows, log)]
    attempts += _missing_contracts(run.markets, pl.concat(seen))
    recorded = record(run, CotReports, screened, attempts, stamp)
    is_quiet = recorded["rows_written", "rows_withdrawn"].sum_horizontal().sum() == 0
    alarms = () if is_quiet else alarms_of(log, run.lake.read(CotReports, LOOKED_AT), stamp)
    return Intake(recorded, alarms=tuple(alarms))


def _announcements(reports: CotSource) -> list[Attempt]:
    """An attempt for the publisher's announcements, if the source has any; one that fails does not fail the run."""
    if not isinstance(reports, Announcer):
        return []
    try:
        page = reports.fetch_announcements()
    except SourceError as error:
        return [Attempt(ANNOUNCEMENTS, "absent", str(error))]
    return [Attempt(ANNOUNCEMENTS, origin=page.origin, remarks=page.remarks())]


def _missing_contracts(markets: Iterable[Market], seen: pl.DataFrame) -> list[Attempt]:
    """A failed attempt for each contract code that is in none of the `seen` reports of its time.

    Codes of the catalogue are right: one of a market that is not required may be missing from the reports at hand.
    """
    days = seen["report_date"].unique().to_list()
    listed = {contract.code for market in read_catalogue().markets.values() for contract in market.cot}
    contracts = [c for m in markets for c in m.cot if (m.required and m.index is not None) or c.code not in listed]
    wanted = {contract.code for contract in contracts if any(contract.first <= day <= contract.last for day in days)}
    problem = "markets: contract code {} is in no report; next: check it against the CFTC's list"
    return [Attempt(code, "failed", problem.format(code)) for code in sorted(wanted - set(seen["contract_code"]))]


def _fetch(
    items: Iterable[str], fetch: Callable[[str], Answer | None], optional: Container[str] = ()
) -> tuple[list[Answer], list[Attempt]]:
    """Request every item. Failures become attempts; a None answer, or a missing `optional` item, counts as absent."""
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
    answers: list[Answer], attempts: list[Attempt], read: Callable[[Answer], Rows]
) -> tuple[list[Answer], list[Rows], list[Attempt]]:
    """Parse every answer into text rows; one that cannot be parsed becomes a failed attempt."""
    readable: list[Answer] = []
    frames: list[Rows] = []
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
