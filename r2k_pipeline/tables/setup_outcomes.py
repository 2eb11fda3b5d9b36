"""What followed named setups, against the market's other sessions.

Belongs here: what an outcome is, and what it is made from. Not here: setups (setups.toml), the statistics
(transforms/setup_outcomes.py).
"""

from typing import Annotated

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, number, ratio, text
from r2k_pipeline.contracts.marts import SETUPS, PositioningVsTechnicals
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import Columns, Stored
from r2k_pipeline.transforms.epochs import without_late_sessions
from r2k_pipeline.transforms.setup_outcomes import build_setup_outcomes
from r2k_pipeline.transforms.setups import Setups

STATISTICS = (
    *("mean_forward_return_ratio", "median_forward_return_ratio", "hit_rate_ratio", "mean_low_ratio"),
    *("mean_high_ratio", "excess_return_ratio", "p_value", "q_value"),
)


class SetupOutcomes(Table, layer="marts"):
    """What followed one setup in one market within one horizon, against all sessions of that market.

    It summarises all that was known at `as_of`: it is known at the end of the history, not at `last_event_date`.
    """

    setup = choice(SETUPS[:-1], "which setup, by setups.toml", key=True)
    market = text("market id", key=True)
    horizon_sessions = count(Unit.SESSIONS, "from the close at which the setup became known", key=True)
    events = count(Unit.EVENTS, "runs of the setup that began, and whose horizon has passed")
    pending_events = count(Unit.EVENTS, "runs whose horizon has not passed yet")
    independent_events = count(Unit.EVENTS, "of `events`, those at least a horizon after the one kept before")
    baseline_sessions = count(Unit.SESSIONS, "at which setups were known, and whose horizon has passed")
    mean_forward_return_ratio = ratio(
        "mean after independent events, of 1 / close if is_inverse; null if too few, as all below", nullable=True
    )
    median_forward_return_ratio = ratio("median after them", nullable=True)
    hit_rate_ratio = ratio("share of them with a positive return", nullable=True)
    mean_low_ratio = ratio("lower end of the mean's 95 % interval, moving-block bootstrap", nullable=True)
    mean_high_ratio = ratio("upper end of it", nullable=True)
    baseline_mean_return_ratio = ratio("mean after all baseline sessions", nullable=True)
    baseline_hit_rate_ratio = ratio("share of them with a positive return", nullable=True)
    excess_return_ratio = ratio("mean_forward_return_ratio - baseline_mean_return_ratio", nullable=True)
    p_value = number(Unit.PROBABILITY, "two-sided, against the same events shifted in time", nullable=True, low=0)
    q_value = number(Unit.PROBABILITY, "p_value corrected for all rows (Benjamini-Hochberg)", nullable=True, low=0)
    first_event_date = day("session of the first event", nullable=True)
    last_event_date = day("session of the last event", nullable=True)
    reading = text("what that says, or that there are not enough events")

    @dy.rule()
    def events_are_collapsed(cls) -> pl.Expr:  # noqa: N805
        return pl.col("independent_events") <= pl.col("events")

    @dy.rule()
    def statistics_are_all_or_none(cls) -> pl.Expr:  # noqa: N805
        missing = pl.sum_horizontal(pl.col(name).is_null().cast(pl.Int64) for name in STATISTICS)
        return missing.is_in([0, len(STATISTICS)])


@builds(SetupOutcomes)
def setup_outcomes(
    sessions: Annotated[
        Stored[PositioningVsTechnicals],
        Columns("market", "session_date", "known_at", "close", "is_inverse", "setups_held"),
    ],
    setups: Setups,
) -> pl.DataFrame:
    """What followed the setups of the mart. A session that arrived late is no event."""
    return build_setup_outcomes(
        without_late_sessions(sessions.sort("market", "session_date")), setups.names(), setups.outcomes
    )
