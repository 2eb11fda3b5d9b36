"""Outcomes of setups: each independent event with its forward return, and the published statistics.

Belongs here: the events behind marts.setup_outcomes, one by one. Not here: statistics (transforms/), drawing.
"""

from dataclasses import dataclass

import polars as pl

from r2k_pipeline.errors import R2kError
from r2k_pipeline.snapshot import Snapshot
from r2k_pipeline.transforms.epochs import without_late_sessions
from r2k_pipeline.transforms.setup_outcomes import build_independent_events


@dataclass(frozen=True)
class Outcomes:
    """`statistics`: rows of marts.setup_outcomes; `events`: setup, market, horizon_sessions, session_date, returned."""

    statistics: pl.DataFrame
    events: pl.DataFrame


def read_outcomes(snapshot: Snapshot) -> Outcomes:
    """All setups of all markets at the snapshot's moment.

    Raises R2kError if the number of events differs from that of the statistics.
    """
    statistics = snapshot.ask(
        "select * from marts.setup_outcomes order by setup, place_of(market), market, horizon_sessions"
    ).pl()
    sessions = snapshot.ask(
        "select market, session_date, known_at, close, is_inverse, setups_held "
        "from marts.positioning_vs_technicals order by all"
    ).pl()
    setups, horizons = (statistics[name].unique().to_list() for name in ("setup", "horizon_sessions"))
    if not setups:
        return Outcomes(statistics, pl.DataFrame())
    events = build_independent_events(without_late_sessions(sessions), setups, horizons)
    key = ["setup", "market", "horizon_sessions"]
    counted = statistics.select(*key, "independent_events").join(events.group_by(key).len("found"), on=key, how="left")
    wrong = counted.filter(pl.col("independent_events") != pl.col("found").fill_null(0))
    if len(wrong):
        what = "marts.setup_outcomes counts events that the mart does not show"
        raise R2kError(what, wrong.row(0), snapshot.lake.run)
    return Outcomes(statistics, events)
