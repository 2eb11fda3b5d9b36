"""What setups were followed by: each independent event with its forward return, and the published statistics.

Belongs here: the events behind marts.setup_outcomes, one by one. Not here: statistics (transforms/), drawing.
"""

from dataclasses import dataclass
from typing import Final

import duckdb
import polars as pl

from r2k_pipeline.lake import LakeError


@dataclass(frozen=True)
class Outcomes:
    """`statistics`: rows of marts.setup_outcomes; `events`: setup, market, horizon_sessions, session_date, returned."""

    statistics: pl.DataFrame
    events: pl.DataFrame


_EVENTS: Final = """
with sessions as (
    select market, session_date, close, setup,
        row_number() over (partition by market order by session_date) as place,
        lag(setup ignore nulls) over (partition by market order by session_date) as setup_before
    from marts.positioning_vs_technicals
)
select asked.setup, asked.market, asked.horizon_sessions, began.session_date, began.place,
    later.close / began.close - 1 as returned
from marts.setup_outcomes as asked
join sessions as began on began.market = asked.market and began.setup = asked.setup
    and began.setup is distinct from began.setup_before
join sessions as later on later.market = began.market and later.place = began.place + asked.horizon_sessions
order by asked.setup, asked.market, asked.horizon_sessions, began.place
"""


def read_outcomes(connection: duckdb.DuckDBPyConnection) -> Outcomes:
    """All setups of all markets in this generation.

    Raises LakeError where the events are not as many as the statistics were made of.
    """
    statistics = connection.sql("select * from marts.setup_outcomes order by setup, market, horizon_sessions").pl()
    events = keep_apart(connection.sql(_EVENTS).pl())
    key = ["setup", "market", "horizon_sessions"]
    counted = statistics.select(*key, "independent_events").join(events.group_by(key).len("found"), on=key, how="left")
    wrong = counted.filter(pl.col("independent_events") != pl.col("found").fill_null(0))
    if len(wrong):
        raise LakeError(
            f"marts.setup_outcomes counts events that the mart does not show: {wrong.row(0)}; next: r2k run"
        )
    return Outcomes(statistics, events.drop("place"))


def keep_apart(events: pl.DataFrame) -> pl.DataFrame:
    """Of each setup, market and horizon the events that begin at least a horizon after the one kept before."""
    kept: list[bool] = []
    last: dict[tuple[str, str, int], int] = {}
    for key, place in zip(
        events.select("setup", "market", "horizon_sessions").rows(), events["place"].to_list(), strict=True
    ):
        kept.append(key not in last or place - last[key] >= key[2])
        if kept[-1]:
            last[key] = place
    return events.filter(pl.Series(kept, dtype=pl.Boolean))
