"""The macros of the note on weeks and zones made up for it: roll weeks, ranks of flows, how unusual a week is, levels.

Belongs here: what no random note of real data is sure to meet. Not here: sentences (unit/report/test_note_rules.py).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pytest

import r2k_pipeline.contracts  # noqa: F401  (fills TABLES)
from r2k_pipeline.contracts.marts import Markets, PositioningVintages, PositioningVsTechnicals, TraderGroups
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import PUBLISHED_LAYERS
from r2k_pipeline.shipped import shipped
from r2k_pipeline.sql_models import read_macros
from r2k_pipeline.tables import TABLES
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.levels import Levels
from tests.sql.rows import Row, rows_of

WEEKS: Final = 260
GROUPS: Final = ("asset_manager", "leveraged_funds")
REPORTS: Final = [date(2020, 1, 7) + timedelta(weeks=week) for week in range(WEEKS)]
ROLLS: Final = {date(2024, month, day) for month, day in ((3, 19), (6, 25), (9, 24), (12, 24))}
NEVER: Final = "'2100-01-01 00:00+00'"
DRAWN: Final = np.random.default_rng(16)
LONGS: Final = {group: 150_000 + np.cumsum(DRAWN.integers(-3_000, 3_000, WEEKS)) for group in GROUPS}
SHORTS: Final = {group: 140_000 + np.cumsum(DRAWN.integers(-3_000, 3_000, WEEKS)) for group in GROUPS}
INTEREST: Final = 400_000.0


def weeks() -> Iterator[Row]:
    """Weeks of two groups whose positions walk at random."""
    for group in GROUPS:
        for week, report in enumerate(REPORTS):
            sides = {"long": float(LONGS[group][week]), "short": float(SHORTS[group][week])}
            net = sides["long"] - sides["short"]
            row: dict[str, Any] = {
                "market": "RUT",
                "report_type": "tff_futures",
                "report_date": str(report),
                "trader_group": group,
                "net_contracts": net,
                "net_share_oi": net / INTEREST,
                "open_interest_contracts": INTEREST,
                **dict.fromkeys(("released_at", "known_at"), f"{report + timedelta(days=3)}T20:30Z"),
            }
            row |= {f"{side}_contracts": value for side, value in sides.items()}
            if week:
                moved = {side: sides[side] - float(made[group][week - 1]) for side, made in MADE.items()}
                moved["net"] = moved["long"] - moved["short"]
                row |= {f"{side}_contracts_change_1w": value for side, value in moved.items()}
            else:
                row["change_basis"] = "first report"
            yield row


MADE: Final = {"long": LONGS, "short": SHORTS}


def zone(kind: str, price: float, role: str, nearness: int) -> Row:
    """A zone of the last session."""
    day = {"session_date": "2025-01-03", **dict.fromkeys(("born_date", "confirmed_date"), "2024-10-01")}
    prices = {"price": price, "low": price - 2, "high": price + 2, "distance_atr": (price - 2000) / 40}
    made = {"level_id": f"{kind}-{price}", "kind": kind, "evidence": kind}
    return {"market": "RUT", "role": role, "nearness": nearness, **made, **day, **prices}


ZONES: Final = [
    zone("poc_rolling_60", 1990, "support", 1),
    zone("swing_low", 1975, "support", 2),  # less than half an ATR from the one before: one with it
    zone("poc_rolling_250", 1950, "support", 3),
    zone("swing_low", 1900, "support", 4),
    zone("swing_high", 2010, "resistance", 1),
    zone("poc_rolling_60", 2040, "resistance", 2),
]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every published table, empty but for the weeks, the zones and one session, with all macros."""
    day = {"market": "RUT", "session_date": "2025-01-03", "known_at": "2025-01-03T21:00Z", "close": 2000.0}
    groups = {"leveraged_funds": "speculator", "asset_manager": "institution", "dealer": "hedger"}
    given = {
        Markets: [
            {
                **{"market": name, "name": name, "index_symbol": f"^{name}", "price_series": "index"},
                "market_class": "rates" if name == "ZN" else "equity",
            }
            for name in ("RUT", "SPX", "NDX", "DJI", "ZN")
        ],
        TraderGroups: [{"trader_group": group, "role": role} for group, role in groups.items()],
        PositioningVintages: [row | {"market": market} for market in ("RUT", "ZN") for row in weeks()],
        Levels: ZONES,
        PositioningVsTechnicals: [day | {"atr_14": 40.0}],
        DailyIndicators: [{**day, "atr_14": 40.0, "drawdown_ratio": 0.0}],
    }
    tables = [table for table in TABLES.values() if table.layer in PUBLISHED_LAYERS]
    with duckdb.connect() as connection:
        for layer in PUBLISHED_LAYERS:
            connection.execute(f"create schema {layer}")
        for table in tables:
            connection.register("made_up", rows_of(table, given.get(table, [])).to_arrow())
            connection.execute(f"create table {table.dotted()} as from made_up")
        for macro in read_macros(shipped("sql/macros"), [table.dotted() for table in tables]):
            connection.execute(macro)
        yield connection


def row_of(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    (found,) = connection.sql(query).pl().to_dicts()
    return found


def test_the_roll_is_in_the_week_with_the_third_friday_of_a_quarter(warehouse: duckdb.DuckDBPyConnection) -> None:
    rolled = {
        report
        for report in REPORTS
        if report.year == 2024
        and row_of(
            warehouse,
            f"from note_positions('{report + timedelta(days=4)} 00:00+00') "
            "where trader_group = 'asset_manager' and market = 'RUT'",
        )["is_roll_week"]
    }
    assert rolled == ROLLS


def is_roll(report: date) -> bool:
    days = [report - timedelta(days=back) for back in range(7)]
    return any(day.weekday() == 4 and 15 <= day.day <= 21 and day.month % 3 == 0 for day in days)


def series(week: int, *, is_rolled: bool = True) -> dict[str, dict[str, np.ndarray]]:
    """Flows and levels of every group up to a week, the first week null, and roll weeks of what is rolled then."""
    rolled = np.array([is_rolled and is_roll(report) for report in REPORTS[: week + 1]])
    flows = {}
    for group in GROUPS:
        for name, made in (("net", LONGS[group] - SHORTS[group]), ("longs", LONGS[group]), ("shorts", SHORTS[group])):
            change = np.append(np.nan, np.diff(made[: week + 1])) / INTEREST
            flows[f"{group} {name}"] = np.where(rolled, np.nan, change)
    levels = {group: (LONGS[group] - SHORTS[group])[: week + 1] / INTEREST for group in GROUPS}
    return {"flow": flows, "level": levels}


def largest(made: dict[str, np.ndarray], week: int) -> tuple[float, str]:
    """The largest standardised value of a week and whose it is; null where none is known."""
    scores = {}
    for name, values in made.items():
        window = values[max(0, week - 155) : week + 1]
        known = window[~np.isnan(window)]
        if len(known) >= 52 and not np.isnan(values[week]):
            scores[name] = abs(values[week] - known.mean()) / known.std(ddof=1)
    name = max(scores, key=lambda one: scores[one], default="")
    return scores.get(name, np.nan), name


@pytest.mark.parametrize("week", [150, 200, 258])
@pytest.mark.parametrize("kind", ["flow", "level"])
def test_how_unusual_a_week_is(warehouse: duckdb.DuckDBPyConnection, week: int, kind: str) -> None:
    found = row_of(warehouse, f"from note_surprise('RUT', '{REPORTS[week] + timedelta(days=4)} 00:00+00')")
    made = series(week)[kind]
    sizes = [largest(made, one)[0] for one in range(week)]
    known = np.array([size for size in sizes if not np.isnan(size)][-156:])
    size, name = largest(made, week)
    assert found[f"{kind}_score"] == pytest.approx(size)
    assert found[f"{kind}_group"] == name.split(" ")[0]
    assert found[f"{kind}_weeks"] == len(known)
    assert found[f"{kind}_rank_percentile"] == pytest.approx(100 * np.mean(known < size))


def test_what_is_no_index_future_has_no_week_of_the_quarterly_roll(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Theirs are other weeks (Treasuries' last of February), or every month's."""
    query = "from note_positions('2024-12-28 00:00+00') where trader_group = 'asset_manager' and market = 'ZN'"
    found = row_of(warehouse, query)
    assert not found["is_roll_week"]
    assert found["flow_share_oi"] is not None
    flows = series(WEEKS - 2, is_rolled=False)["flow"]
    surprise = row_of(warehouse, f"from note_surprise('ZN', '{REPORTS[WEEKS - 2] + timedelta(days=4)} 00:00+00')")
    assert surprise["flow_score"] == pytest.approx(largest(flows, WEEKS - 2)[0])


def test_flows_of_a_roll_week_are_null(warehouse: duckdb.DuckDBPyConnection) -> None:
    query = "from note_positions('2024-12-28 00:00+00') where trader_group = 'asset_manager' and market = 'RUT'"
    found = row_of(warehouse, query)
    assert found["is_roll_week"]
    assert found["flow_share_oi"] is None
    assert found["flow_percentile"] is None
    assert found["streak_weeks"] is None
    assert found["net_contracts"] is not None
    rank = row_of(warehouse, "from note_surprise('RUT', '2024-12-28 00:00+00')")
    assert rank["flow_rank_percentile"] is None
    assert rank["level_rank_percentile"] is not None


@pytest.mark.parametrize(
    ("flow", "percentile", "is_short_alone", "other_side"),
    [
        ("-net_contracts_change_1w", "60.0", True, 2),
        ("-net_contracts_change_1w", "20.0", False, 2),
        ("null", "null", False, 1),
    ],
)
def test_a_market_is_alone_only_beside_markets_that_are_known(
    warehouse: duckdb.DuckDBPyConnection, flow: str, percentile: str, is_short_alone: bool, other_side: int
) -> None:
    """Of a peer whose flow or rank is not known nobody can say that it went another way."""
    peers = {"SPX": ("-net_contracts_change_1w", "60.0"), "NDX": (flow, percentile)}
    weeks, week = "marts.positioning_vintages", "report_date = '2024-12-17'"
    warehouse.begin()
    try:
        warehouse.execute(f"delete from {weeks} where market = 'ZN' and {week}")
        warehouse.execute(f"update {weeks} set net_percentile_156w = 20 where {week}")
        for market, (change, rank) in peers.items():
            as_peer = f"'{market}' as market, {change} as net_contracts_change_1w, {rank} as net_percentile_156w"
            warehouse.execute(
                f"insert into {weeks} by name select * replace ({as_peer}) from {weeks} where market = 'RUT' and {week}"
            )
        warehouse.execute(
            "insert into marts.positioning_vs_technicals by name select * replace ('2024-12-20' as session_date, "
            "'2024-12-20 21:00+00' as known_at) from marts.positioning_vs_technicals"
        )
        found = row_of(warehouse, "from note_contrast('RUT', '2024-12-20 22:00+00')")
    finally:
        warehouse.rollback()
    assert (found["peers"], found["peers_other_side"]) == (2, other_side)
    assert found["is_short_alone"] is is_short_alone


def test_markets_without_prices_are_not_compared_and_the_words_say_so(warehouse: duckdb.DuckDBPyConnection) -> None:
    asked = "from note_contrast('RUT', '2025-01-03 22:00+00')"
    words = {"every_market": "every market", "here_alone": "here alone"}
    assert row_of(warehouse, asked).items() >= words.items()
    warehouse.begin()
    try:
        of_bitcoin = "'BTC' as market, null as index_symbol"
        warehouse.execute(
            f"insert into marts.markets by name select * replace ({of_bitcoin}) from marts.markets limit 1"
        )
        found = row_of(warehouse, asked)
    finally:
        warehouse.rollback()
    assert found["every_market"] == "every market with prices"
    assert found["here_alone"] == "here alone of the markets with prices"


@pytest.mark.parametrize(("bars", "low", "is_first"), [(1, None, True), (19, None, False), (20, 1981.0, False)])
def test_the_lowest_of_twenty_sessions_is_of_twenty(
    warehouse: duckdb.DuckDBPyConnection, bars: int, low: float | None, is_first: bool
) -> None:
    """In a market's first weeks there are fewer, and its first close has none before that could be missing."""
    days = [date(2025, 1, 3) - timedelta(days=back) for back in range(bars)]
    rows = [
        {"market": "RUT", "session_date": str(day), "known_at": f"{day}T21:00Z", "session_number": number}
        | dict.fromkeys(("open", "high", "low", "close"), 2000.0 - number)
        for number, day in enumerate(days)
    ]
    warehouse.begin()
    try:
        warehouse.register("made_up_bars", rows_of(MarketBars, rows).to_arrow())
        warehouse.execute("insert into staging.market_bars by name from made_up_bars")
        found = row_of(warehouse, "from note_prices('RUT', '2025-01-03 22:00+00')")
    finally:
        warehouse.rollback()
    assert (found["low_20d"], found["is_first"]) == (low, is_first)


def test_levels_closer_than_half_an_atr_are_one(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = row_of(warehouse, "from note_levels('RUT', '2025-01-03 21:00+00')")
    assert (found["support_low"], found["support_high"]) == (1973, 1992)
    assert (found["resistance_low"], found["resistance_high"]) == (2008, 2012)
    assert found["structural_support_price"] == 1900
    assert found["structural_resistance_price"] is None


def test_a_macro_comes_after_those_that_it_calls(tmp_path: Path) -> None:
    for name, body in (("a", "from c(ts)"), ("b", "select 1"), ("c", "from b(ts)")):
        (tmp_path / f"{name}.sql").write_text(f"create macro {name}(ts) as table {body}")
    assert [text.split("(")[0] for text in read_macros(tmp_path, [])] == [f"create macro {name}" for name in "bca"]
