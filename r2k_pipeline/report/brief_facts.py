"""What a brief is about: the rows of the warehouse that were known at one market's last finished session.

Belongs here: which rows count, never what became known later. Not here: wording (the other brief_*.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from r2k_pipeline.holes import End, is_missed, newest_that_should_be, read_ends
from r2k_pipeline.report.brief_statements import RATIO, Answer, Row, literal
from r2k_pipeline.tables import TABLES
from r2k_pipeline.transforms.setups import read_setups

MART = "marts.positioning_vs_technicals"
REPORTS = "marts.positioning_vintages"
COMPARED = "marts.cross_market"
OUTCOMES = "marts.setup_outcomes"
HORIZON = 10
"""Sessions within which a touched level is said to have held or broken."""


@dataclass(frozen=True)
class Facts:
    """One market at one close: its rows by what they say; positions by trader group."""

    market: Row
    session: Row
    skipped: Row | None
    holes: tuple[Answer, ...]
    indicators: Row | None
    around: Row | None
    supports: tuple[Row, ...]
    resistances: tuple[Row, ...]
    positions: Mapping[str, Row]
    positions_before: Mapping[str, Row]
    compared: tuple[Row, ...]
    late: Row | None
    release: Row | None
    outcomes: tuple[Row, ...]
    level_outcomes: tuple[Row, ...]
    records: Answer
    cross: Answer
    is_newest: bool


def has_old_report(session: Row) -> bool:
    """Whether the newest report of a row of the mart is too old for its week to be called the week."""
    return "report_age_days" in session and session["report_age_days"] > read_setups().thresholds["oldest_report_days"]


def read_facts(connection: duckdb.DuckDBPyConnection, moment: datetime | None) -> list[Facts]:
    """The facts of every market that had a finished session known at `moment` (default: the newest), by market."""
    sessions = _rows(
        connection,
        MART,
        "where known_at <= coalesce($moment::timestamptz, 'infinity'::timestamptz) "
        "qualify row_number() over (partition by market order by session_date desc) = 1 order by market",
        moment=moment,
    )
    return [_facts(connection, session, moment) for session in sessions]


def _facts(connection: duckdb.DuckDBPyConnection, session: Row, moment: datetime | None) -> Facts:
    of_session = {"market": session["market"], "day": session["session_date"]}
    of_day = "where market = $market and session_date = $day"
    levels = _rows(connection, "features.levels", f"{of_day} order by abs(distance_atr), level_id", **of_session)
    now, before = _reports(connection, session)
    around, supports, resistances = (
        tuple(level for level in levels if level["role"] == role) for role in ("around", "support", "resistance")
    )
    late, release = _releases(connection, session)
    (market,) = _rows(connection, "marts.markets", "where market = $market", market=session["market"])
    newest = _rows(connection, MART, "where market = $market and session_date > $day limit 1", **of_session)
    return Facts(
        market,
        session,
        _skipped(connection, market, session),
        _holes(connection, session, moment),
        next(iter(_rows(connection, "features.daily_indicators", of_day, **of_session)), None),
        next(iter(around), None),
        supports,
        resistances,
        now,
        before,
        _compared(connection, session, moment),
        late,
        release,
        _outcomes(connection, session),
        tuple(row for zone in (*supports[:1], *resistances[:1]) for row in _level_outcomes(connection, zone)),
        read_records(connection, session),
        _answer(connection, "projected_cross", session, {"sessions_to_cross": "sessions", "direction": "text"}),
        is_newest=not newest,
    )


def _skipped(connection: duckdb.DuckDBPyConnection, market: Row, session: Row) -> Row | None:
    """The session before, where it is missing and so the day's return; none before a market's first close."""
    of_day = {"market": session["market"], "day": session["session_date"]}
    earlier = "where market = $market and session_date < $day limit 1"
    if "return_1d" in session or not _rows(connection, MART, earlier, **of_day):
        return None
    before = "where calendar = $calendar and session_date < $day order by session_date desc limit 1"
    found = _rows(connection, "marts.sessions", before, calendar=market["calendar"], day=session["session_date"])
    return next(iter(found), None)


def _holes(connection: duckdb.DuckDBPyConnection, session: Row, moment: datetime | None) -> tuple[Answer, ...]:
    """Where prices end that should go on at `moment` (default: that whose knowledge is published), by symbol."""
    ((known,),) = connection.sql("select as_of from meta.generation").fetchall()
    asked = newest_that_should_be(connection, min(moment or known, known))
    ends = (end for end in read_ends(connection, asked) if (end.kind, end.market) == ("prices", session["market"]))
    return tuple(_end(end, asked) for end in ends if is_missed(end, asked))


def _end(end: End, asked: datetime) -> Answer:
    """Where the prices of a symbol end, as the macro data_ends says it."""
    found = f"data_ends(timestamptz {literal(asked.isoformat())})"
    row = f"(from {found} where kind = 'prices' and market = {literal(end.market)} and symbol = {literal(end.what)})"
    units = {"last_date": "day", "due_date": "day", "due_at": "UTC instant", "due_days": "sessions"}
    return Answer(row, {"symbol": end.what} | {name: getattr(end, name) for name in units}, units)


def _reports(connection: duckdb.DuckDBPyConnection, session: Row) -> tuple[dict[str, Row], dict[str, Row]]:
    """The positions of the report that the session's row names and of the one before it, as known at its close."""
    rows = _rows(
        connection,
        REPORTS,
        "where market = $market and report_type = 'tff_futures' and report_date <= $report and known_at <= $moment "
        "and coalesce(superseded_at, 'infinity'::timestamptz) > $moment "
        "qualify dense_rank() over (order by report_date desc) <= 2",
        market=session["market"],
        report=session["report_date"],
        moment=session["known_at"],
    )
    this_week = {row["trader_group"]: row for row in rows if row["report_date"] == session["report_date"]}
    before = {row["trader_group"]: row for row in rows if row["report_date"] != session["report_date"]}
    return this_week, before


def _releases(connection: duckdb.DuckDBPyConnection, session: Row) -> tuple[Row | None, Row | None]:
    """The newest report that was out at the close and is not here, if any, and the one to come out next."""
    ledger, at = "staging.cot_releases", {"moment": session["known_at"]}
    out = _rows(connection, ledger, "where released_at <= $moment order by report_date desc limit 1", **at)
    # A week has one report: as-of days further on are not the next one's, before the first of all there is none.
    soon = "where released_at > $moment and report_date <= $moment::date + 8 order by report_date limit 1"
    due = _rows(connection, ledger, soon, **at)
    here = session["report_date"]
    late = [row for row in out if here is None or row["report_date"] > here]
    return next(iter(late), None), next(iter(due), None)


def _compared(connection: duckdb.DuckDBPyConnection, session: Row, moment: datetime | None) -> tuple[Row, ...]:
    """The session against the same session of every other market, as far as both were known."""
    known = "known_at <= coalesce($moment::timestamptz, 'infinity'::timestamptz)"
    where = f"where market = $market and session_date = $day and {known} order by other_market"
    return tuple(
        _rows(connection, COMPARED, where, market=session["market"], day=session["session_date"], moment=moment)
    )


def _outcomes(connection: duckdb.DuckDBPyConnection, session: Row) -> tuple[Row, ...]:
    """What followed the session's setup in its market, by horizon; nothing where no setup is named or known."""
    where = "where market = $market and setup = $setup order by horizon_sessions"
    return tuple(_rows(connection, OUTCOMES, where, market=session["market"], setup=session["setup"]))


def _level_outcomes(connection: duckdb.DuckDBPyConnection, zone: Row) -> list[Row]:
    """How often zones founded like this one held within HORIZON sessions of a touch."""
    return _rows(
        connection,
        "features.level_outcomes",
        "where market = $market and kind = $kind and role = $role and horizon_sessions = $horizon",
        market=zone["market"],
        kind=zone["kind"],
        role=zone["role"],
        horizon=HORIZON,
    )


def read_records(connection: duckdb.DuckDBPyConnection, session: Row) -> Answer:
    """How often touches of the market's zones held by the session's close, and what zones' records predicted."""
    units = {f"{record}touches": "touches" for record in ("", "strong_", "weak_")}
    units |= {f"{record}held_share_ratio": RATIO for record in ("", "strong_", "weak_")}
    return _answer(connection, "zone_records", session, units)


def _answer(connection: duckdb.DuckDBPyConnection, macro: str, session: Row, units: Mapping[str, str]) -> Answer:
    """The row that a macro gives for the session's market and close."""
    call = f"{macro}({literal(session['market'])}, {literal(session['known_at'])})"
    (values,) = connection.sql(f"from {call}").pl().to_dicts()
    return Answer(call, values, units)


def _rows(connection: duckdb.DuckDBPyConnection, table: str, clauses: str, **parameters: Any) -> list[Row]:
    columns = ", ".join(TABLES[table].column_names())
    found = connection.sql(f"select {columns} from {table} {clauses}", params=parameters).pl().to_dicts()
    return [Row(table, values) for values in found]
