"""The tables about markets: overview, levels, positions, outcomes, each as known at the site's moment.

Belongs here: which rows and columns each table shows. Not here: how a table is made (tables.py), data quality
(quality_tables.py).
"""

from collections.abc import Collection, Sequence
from typing import Final

from r2k_pipeline.report.brief import Page
from r2k_pipeline.report.brief_facts import MART, OUTCOMES, REPORTS, read_records
from r2k_pipeline.report.brief_technicals import records
from r2k_pipeline.report.site.tables import Asked, Column, DataTable, ask, build_table, with_pages
from r2k_pipeline.snapshot import Snapshot

LEVELS: Final = "features.levels"
REPORTS_SHOWN: Final = 8
_OVERVIEW: Final = (
    Column(f"{MART}.market", link="{market}.html", verbatim=True),
    *(
        Column(f"{MART}.{name}", label=label, signed=name == "return_1d")
        for name, label in {
            "session_date": "session",
            "close": "",
            "return_1d": "day",
            "moving_average_order": "SMA order",
            "rsi_14": "RSI 14",
            "support_price": "support",
            "around_low": "zone around the close, low",
            "around_high": "its high",
            "resistance_price": "resistance",
            "report_date": "COT report",
            "report_age_days": "age",
            "speculator_positioning_state": "speculators",
            "institution_positioning_state": "institutions",
            "technical_state": "",
            "setup": "",
        }.items()
    ),
)
MOVERS: Final = "marts.movers"
_MOVERS: Final = (
    Column(f"{MOVERS}.market", link="{page}", verbatim=True),
    Column(f"{MOVERS}.trader_group", label="group"),
    Column(f"{MOVERS}.flow_oi_ratio", label="flow", signed=True),
    Column(f"{MOVERS}.flow_percentile", label="by size, in its own weeks"),
    Column(f"{MOVERS}.flow_place", label="place"),
    Column(f"{MOVERS}.flow_weeks", label="of"),
    Column(f"{MOVERS}.flow_place", name="week_place", label="place, all markets", unit="place"),
    Column(f"{MOVERS}.flow_weeks", name="week_flows", label="of", unit="flows"),
    Column("marts.markets.name", verbatim=True),
    Column("marts.markets.market_class", label="class", filters=True),
    Column(f"{MOVERS}.net_contracts_change_1w", label="flow", signed=True),
    *(
        Column(f"{MOVERS}.{name}", label=label)
        for name, label in {
            "net_percentile_156w": "net, percentile",
            "positioning_state": "net",
            "crowding": "",
            "reversal": "",
            "setup": "",
            "report_date": "report",
        }.items()
    ),
)
_LEVELS: Final = (
    *(Column(f"{LEVELS}.{name}") for name in ("role", "price", "low", "high")),
    Column(f"{LEVELS}.distance_atr", label="distance", signed=True),
    *(
        Column(f"{LEVELS}.{name}", label=label)
        for name, label in {
            "strength": "",
            "touches": "",
            "holds": "held",
            "breaks": "broken",
            "undecided": "",
            "breaks_untouched": "breaks without a touch",
            "role_flips": "",
            "kind": "",
        }.items()
    ),
    *(Column(f"{LEVELS}.{name}_date", label=name.replace("_", " ")) for name in ("born", "confirmed", "last_touch")),
    Column(f"{LEVELS}.level_id", verbatim=True, link="#level-{level_id}"),
    Column(f"{LEVELS}.evidence", verbatim=True),
)
_POSITIONS: Final = (
    Column(f"{REPORTS}.report_date", label="report"),
    Column(f"{REPORTS}.trader_group", label="group"),
    *(Column(f"{REPORTS}.{name}_contracts", label=name) for name in ("long", "short")),
    Column(f"{REPORTS}.net_contracts", label="net", signed=True),
    Column(f"{REPORTS}.net_share_oi", label="net share", signed=True),
    *(
        Column(f"{REPORTS}.{name}_contracts_change_1w", label=f"{name}, week", signed=True)
        for name in ("net", "long", "short")
    ),
    Column(f"{REPORTS}.dominant_flow"),
    Column(f"{REPORTS}.net_percentile_156w", label="percentile, 156 weeks"),
    Column(f"{REPORTS}.positioning_state", label="state"),
    Column(f"{REPORTS}.released_at", label="released"),
    Column(f"{REPORTS}.release_basis"),
    Column(f"{REPORTS}.known_at", label="known"),
)
_OUTCOME: Final = (
    *(Column(f"{OUTCOMES}.{name}") for name in ("setup", "market")),
    Column(f"{OUTCOMES}.horizon_sessions", label="horizon"),
    *(Column(f"{OUTCOMES}.{name}") for name in ("events", "independent_events", "pending_events")),
    *(
        Column(f"{OUTCOMES}.{name}", label=label, signed="return" in name or name.startswith("mean_"))
        for name, label in {
            "mean_forward_return_ratio": "mean return",
            "baseline_mean_return_ratio": "any session",
            "excess_return_ratio": "excess",
            "median_forward_return_ratio": "median return",
            "hit_rate_ratio": "hit rate",
            "baseline_hit_rate_ratio": "hit rate, any session",
            "q_value": "q",
        }.items()
    ),
    *(Column(f"{OUTCOMES}.{name}") for name in ("first_event_date", "last_event_date")),
    Column(f"{OUTCOMES}.reading", verbatim=True),
)


def movers(snapshot: Snapshot, shown: Collection[str], market: str | None = None) -> DataTable:
    """The newest week: each market's most unusual group, or every group of one market; `shown` markets have a page."""
    query = f"""
        select {", ".join(c.key for c in _MOVERS)} from movers($moment::timestamptz)
        where $market = '' or market = $market
        qualify $market <> '' or row_number() over (partition by market order by flow_percentile desc nulls last) = 1
        order by flow_percentile desc nulls last, week_place"""
    asked = ask(snapshot, query, moment=snapshot.moment, market=market or "")
    return build_table(
        "movers",
        "The newest week: each market's most unusual flow" if market is None else "The newest week of each group",
        _MOVERS,
        with_pages(asked, shown),
        empty="No report is known at this moment.",
        note="A flow is the week's change of net contracts. It is ranked by its share of open interest, among the "
        "weeks of its own market and among this week's flows of all markets with 10,000 contracts and more.",
    )


def overview(snapshot: Snapshot, pages: Sequence[Page]) -> DataTable:
    """One line for each market that has a page, at its last session known."""
    query = f"""
        select {", ".join(c.key for c in _OVERVIEW)}, speculator_label, institution_label
        from latest() order by place_of(market), market"""
    asked = ask(snapshot, query)
    shown = {page.market["market"] for page in pages}
    kept = Asked(tuple(row for row in asked.rows if row["market"] in shown), asked.query)
    notes = [f"The {role}s are {who}." for role in ("speculator", "institution") if (who := _who(kept, role))]
    if inverse := ", ".join(page.market["market"] for page in pages if page.market["is_inverse"]):
        notes.append(f"{inverse}: the contract falls where the close rises; a setup is of the contract's direction.")
    title = "Markets at their last finished session"
    return build_table("markets", title, _OVERVIEW, kept, row_id="market-{market}", note=" ".join(notes))


def _who(asked: Asked, role: str) -> str:
    """The groups that have a role in the markets' primary reports."""
    return " or ".join(dict.fromkeys(label for row in asked.rows if (label := row[f"{role}_label"])))


def levels(snapshot: Snapshot, page: Page) -> DataTable:
    """The zones of the session shown, nearest first."""
    query = f"""
        select {", ".join(c.key for c in _LEVELS)}
        from {LEVELS} where market = $market and session_date = $session::date order by abs(distance_atr), level_id"""
    asked = ask(snapshot, query, market=page.market["market"], session=page.session["session_date"])
    return build_table(
        "levels",
        f"Levels at the close of {page.session['session_date']}, nearest first",
        _LEVELS,
        asked,
        row_id="level-{level_id}",
        empty="No level is known at this close: there are none before the first confirmed pivot.",
        note=records(read_records(snapshot, page.session)).text,
    )


def positions(snapshot: Snapshot, market: str) -> DataTable:
    """The last reports of every group as they stood at the moment; a later revision is not in it."""
    query = f"""
        select {", ".join(c.key for c in _POSITIONS)} from weekly_positioning_as_of($moment::timestamptz)
        left join marts.trader_groups using (trader_group)
        inner join (select market, primary_report_type as report_type from marts.markets) using (market, report_type)
        where market = $market
        qualify dense_rank() over (order by report_date desc) <= {REPORTS_SHOWN}
        order by report_date desc, sort_order"""
    known = f"{snapshot.moment:%Y-%m-%d %H:%M} UTC"
    return build_table(
        "positions",
        f"Positions in futures, the last {REPORTS_SHOWN} reports as known at {known}",
        _POSITIONS,
        ask(snapshot, query, market=market, moment=snapshot.moment),
        row_id="position-{report_date}-{trader_group}",
        empty="No COT report of this market is known at this moment.",
    )


def outcomes(snapshot: Snapshot, market: str | None) -> DataTable:
    """What followed each setup, counted at the moment shown."""
    of_market = "" if market is None else "where market = $market"
    columns = ", ".join(c.key for c in _OUTCOME)
    query = f"select {columns} from {OUTCOMES} {of_market} order by place_of(market), market, setup, horizon_sessions"
    return build_table(
        "outcomes",
        "What followed each setup",
        _OUTCOME,
        ask(snapshot, query, **({"market": market} if market else {})),
        row_id="{market}-{setup}-{horizon_sessions}",
        empty="No setup has an outcome yet.",
    )
