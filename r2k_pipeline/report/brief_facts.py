"""The facts of a brief: rows of the warehouse that were known at one market's last finished session.

Belongs here: which rows count, never what became known later. Not here: wording (the other brief_*.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.errors import R2kError
from r2k_pipeline.holes import End, is_due, newest_that_should_be, read_ends
from r2k_pipeline.locked import PUBLISHED
from r2k_pipeline.quoting import literal
from r2k_pipeline.report.brief_statements import Answer, Row
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.tables import TABLES
from r2k_pipeline.transforms.setups import read_setups

MART = "marts.positioning_vs_technicals"
REPORTS = "marts.positioning_vintages"
COMPARED = "marts.cross_market"
OUTCOMES = "marts.setup_outcomes"
HORIZON = 10
"""Sessions within which a touched level counts as held or broken."""


@dataclass(frozen=True)
class Facts:
    """One market at one close: its rows by subject.

    `session`: the row of the mart. `skipped`: the session before it, if its bar is missing. `holes`: symbols whose
    prices end too early. `around`, `supports`, `resistances`: zones, the nearest first. `positions`,
    `positions_before`: by trader group, of the newest report and of the one before. `late`: a report that was released
    and is missing; `release`: the next one due.
    """

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


def has_old_report(session: Row) -> bool:
    """Whether the newest report of a mart row is too old to describe the last week."""
    return "report_age_days" in session and session["report_age_days"] > read_setups().thresholds["oldest_report_days"]


def no_session(snapshot: Snapshot, market: str | None) -> R2kError:
    """Why a market, or every market, has no brief at the snapshot's moment."""
    has_prices = dict(
        snapshot.ask("select market, index_symbol is not null from marts.markets order by sort_order, 1").fetchall()
    )
    said = {name for (name,) in snapshot.ask(f"select distinct market from {MART}").fetchall()}
    known = [name for name, priced in has_prices.items() if priced and (name in said or not said)]
    ever = {name for (name,) in snapshot.ask(f"select distinct market from {PUBLISHED}.{MART}").fetchall()}
    if has_prices.get(market) is False or (ever and market in has_prices and market not in ever):
        seen = f"{snapshot.lake.command('sql')} \"from marts.movers where market = '{market}'\""
        return R2kError(f"market {market!r} has no prices, so no brief, note or chart", next=seen)
    if market and market not in has_prices:
        added = "a market that was added comes with the next r2k run"
        return R2kError(f"no market {market!r} is published", next=f"one of {', '.join(known)}; {added}")
    if market and market not in known:
        later = ", or a later moment" if snapshot.is_past else ""
        return R2kError(f"no session of market {market!r} is published", next=f"one of {', '.join(known)}{later}")
    if True not in has_prices.values():
        seen = f'{snapshot.lake.command("sql")} "from movers(now())"'
        return R2kError("no market has prices, so no brief, note or chart", next=seen)
    (first,) = snapshot.ask(f"select min(session_date) from {PUBLISHED}.{MART}").fetchall()[0]
    later = (
        f"{first}, the first session that is published, or a later day" if first else snapshot.lake.command("doctor")
    )
    return R2kError(f"no session is known by {snapshot.moment:%Y-%m-%d %H:%M} UTC", next=later)


def read_facts(snapshot: Snapshot) -> list[Facts]:
    """The facts of every market that has a finished session, by market."""
    return [_facts(snapshot, session) for session in _rows(snapshot, MART, "", source="latest()")]


def _facts(snapshot: Snapshot, session: Row) -> Facts:
    of_day = {"market": session["market"], "day": session["session_date"]}
    where = "where market = $market and session_date = $day"
    (market,) = _rows(snapshot, "marts.markets", "where market = $market", market=session["market"])
    indicators = _rows(snapshot, "features.daily_indicators", where, **of_day)
    levels = _rows(snapshot, "features.levels", f"{where} order by abs(distance_atr), level_id", **of_day)
    around, supports, resistances = (
        tuple(level for level in levels if level["role"] == role) for role in ("around", "support", "resistance")
    )
    nearest = (*supports[:1], *resistances[:1])
    positions, positions_before = _reports(snapshot, session)
    late, release = _releases(snapshot, session)
    return Facts(
        market=market,
        session=session,
        skipped=_skipped(snapshot, market, session),
        holes=_holes(snapshot, session),
        indicators=next(iter(indicators), None),
        around=next(iter(around), None),
        supports=supports,
        resistances=resistances,
        positions=positions,
        positions_before=positions_before,
        compared=_compared(snapshot, session),
        late=late,
        release=release,
        outcomes=_outcomes(snapshot, session),
        level_outcomes=tuple(row for zone in nearest for row in _level_outcomes(snapshot, zone)),
        records=read_records(snapshot, session),
        cross=_answer(snapshot, "projected_cross", session, {"sessions_to_cross": "sessions", "direction": "text"}),
    )


def _skipped(snapshot: Snapshot, market: Row, session: Row) -> Row | None:
    """The previous session if its bar is missing, so that there is no return; None before a market's first close."""
    of_day = {"market": session["market"], "day": session["session_date"]}
    earlier = "where market = $market and session_date < $day limit 1"
    if "return_1d" in session or not _rows(snapshot, MART, earlier, **of_day):
        return None
    before = "where calendar = $calendar and session_date < $day order by session_date desc limit 1"
    found = _rows(snapshot, "marts.sessions", before, calendar=market["calendar"], day=session["session_date"])
    return next(iter(found), None)


def _holes(snapshot: Snapshot, session: Row) -> tuple[Answer, ...]:
    """Symbols whose prices end before the snapshot's moment although later sessions are due."""
    asked = newest_that_should_be(snapshot.connection, snapshot.moment)
    ends = (
        end for end in read_ends(snapshot.connection, asked) if (end.kind, end.market) == ("prices", session["market"])
    )
    return tuple(_end(end, asked) for end in ends if is_due(end, asked))


def _end(end: End, asked: datetime) -> Answer:
    """The row of the macro data_ends for the prices of a symbol."""
    found = f"data_ends({literal(asked)})"
    row = f"(from {found} where kind = 'prices' and market = {literal(end.market)} and symbol = {literal(end.what)})"
    units = {"last_date": "day", "due_date": "day", "due_at": "UTC instant", "due_days": "sessions"}
    return Answer(row, {"symbol": end.what} | {name: getattr(end, name) for name in units}, units)


def _reports(snapshot: Snapshot, session: Row) -> tuple[dict[str, Row], dict[str, Row]]:
    """Positions of the report in the session's row and of the report before it, as known at its close."""
    rows = _rows(
        snapshot,
        REPORTS,
        "where market = $market and report_date <= $report "
        "and report_type = (select primary_report_type from marts.markets where market = $market) "
        "qualify dense_rank() over (order by report_date desc) <= 2",
        market=session["market"],
        report=session["report_date"],
        source="positioning_vintages_as_of($moment)",
        moment=session["known_at"],
    )
    this_week = {row["trader_group"]: row for row in rows if row["report_date"] == session["report_date"]}
    before = {row["trader_group"]: row for row in rows if row["report_date"] != session["report_date"]}
    return this_week, before


def _releases(snapshot: Snapshot, session: Row) -> tuple[Row | None, Row | None]:
    """The newest report that was released by the close and is missing here, if any, and the next report due."""
    ledger, at = "staging.cot_releases", {"moment": session["known_at"]}
    out = _rows(snapshot, ledger, "where released_at <= $moment order by report_date desc limit 1", **at)
    # A week has one report: as-of days further on are not the next one's, before the first of all there is none.
    soon = "where released_at > $moment and report_date <= $moment::date + 8 order by report_date limit 1"
    due = _rows(snapshot, ledger, soon, **at)
    here = session["report_date"]
    late = [row for row in out if here is None or row["report_date"] > here]
    return next(iter(late), None), next(iter(due), None)


def _compared(snapshot: Snapshot, session: Row) -> tuple[Row, ...]:
    """The session against the same session of every other market, as far as both were known."""
    where = "where market = $market and session_date = $day order by place_of(other_market), other_market"
    return tuple(_rows(snapshot, COMPARED, where, market=session["market"], day=session["session_date"]))


def _outcomes(snapshot: Snapshot, session: Row) -> tuple[Row, ...]:
    """What followed the session's setup in its market, by horizon; nothing where no setup is named or known."""
    where = "where market = $market and setup = $setup order by horizon_sessions"
    return tuple(_rows(snapshot, OUTCOMES, where, market=session["market"], setup=session["setup"]))


def _level_outcomes(snapshot: Snapshot, zone: Row) -> list[Row]:
    """How often zones founded like this one held within HORIZON sessions of a touch."""
    return _rows(
        snapshot,
        "features.level_outcomes",
        "where market = $market and kind = $kind and role = $role and horizon_sessions = $horizon",
        market=zone["market"],
        kind=zone["kind"],
        role=zone["role"],
        horizon=HORIZON,
    )


def read_records(snapshot: Snapshot, session: Row) -> Answer:
    """How often touches of the market's zones held by the session's close, and how often zones with a record held."""
    units = {f"{record}touches": "touches" for record in ("", "strong_", "weak_")}
    units |= {f"{record}held_share_ratio": Unit.RATIO for record in ("", "strong_", "weak_")}
    return _answer(snapshot, "zone_records", session, units)


def _answer(snapshot: Snapshot, macro: str, session: Row, units: Mapping[str, str]) -> Answer:
    """The row that a macro gives for the session's market and close; where it gives none, nothing is known."""
    call = f"{macro}({literal(session['market'])}, {literal(session['known_at'])})"
    found = snapshot.ask(f"from {call}").pl().to_dicts()
    return Answer(call, found[0] if found else dict.fromkeys(units), units)


def _rows(snapshot: Snapshot, table: str, clauses: str, source: str | None = None, **parameters: Any) -> list[Row]:
    """Rows of `table`, or those of a macro that has its columns."""
    columns = ", ".join(TABLES[table].column_names())
    found = snapshot.ask(f"select {columns} from {source or table} {clauses}", **parameters).pl().to_dicts()
    return [Row(table, values) for values in found]
