"""The events behind marts.setup_outcomes, as the figure of outcomes counts them from the mart."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from r2k_pipeline.folders import Folders
from r2k_pipeline.report.charts.outcome_rows import read_outcomes
from r2k_pipeline.shipped import shipped
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.transforms.epochs import without_late_sessions
from r2k_pipeline.transforms.setup_outcomes import build_setup_outcomes
from r2k_pipeline.transforms.setups import OutcomeRules

SETUP = "squeeze_risk"
FIRST = date(2000, 1, 3)


def test_a_session_that_arrived_late_is_no_event_of_the_figure_either() -> None:
    """Session 20, the only one with the setup between 10 and 30, was known two days after its close."""
    days = [FIRST + timedelta(days=n) for n in range(60)]
    closes = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    closes[20] += timedelta(days=2)
    mart = pl.DataFrame(
        {
            "market": ["RUT"] * 60,
            "session_date": days,
            "known_at": closes,
            "close": np.arange(100.0, 160.0),
            "is_inverse": [False] * 60,
            "setups_held": [SETUP if n in (10, 20, 30) else "none" for n in range(60)],
        }
    )
    rules = OutcomeRules(minimum_events=2, draws=200, false_discovery_rate=0.05, seed=7)
    told = build_setup_outcomes(without_late_sessions(mart), [SETUP], rules, [5])
    with duckdb.connect() as connection:
        connection.sql("create schema marts")
        connection.register("mart", mart)
        connection.register("told", told)
        connection.sql("create table marts.positioning_vs_technicals as from mart")
        connection.sql("create table marts.setup_outcomes as from told")
        connection.sql("create table marts.markets as select 'RUT' as market, 1 as sort_order")
        connection.execute(shipped("sql/macros/place_of.sql").read_text("utf-8"))
        snapshot = Snapshot(Path(), connection, {}, max(closes), is_past=False, lake=Folders.at(Path()))
        events = read_outcomes(snapshot).events
    assert events["session_date"].to_list() == [days[10], days[30]]
