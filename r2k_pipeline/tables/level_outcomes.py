"""How often levels held: touches of them against random prices at the same distance.

Belongs here: what an outcome is, and what it is made from. Not here: levels (levels.py), the statistics
(transforms/level_outcomes.py).
"""

from typing import Annotated

import dataframely as dy
import polars as pl

from r2k_pipeline.contracts.columns import choice, count, day, number, ratio, text
from r2k_pipeline.contracts.prices import MarketBars
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.contracts.units import Unit
from r2k_pipeline.tables.builders import builds
from r2k_pipeline.tables.forms import Columns, FirstKnown, Scanned, Stored
from r2k_pipeline.tables.indicators import DailyIndicators
from r2k_pipeline.tables.levels import LEVEL_KIND, Levels
from r2k_pipeline.transforms.bar_input import KEY
from r2k_pipeline.transforms.level_outcomes import build_level_outcomes
from r2k_pipeline.transforms.setups import Setups

LEVEL_SIDES = ("support", "resistance")


class LevelOutcomes(Table, layer="features"):
    """How often touched levels held within a horizon, by kind and role, against random prices at the same distance.

    It summarises the whole history that it was built on: it is known at its end, not at `last_session_date`.
    """

    market = text("market id, e.g. RUT", key=True)
    kind = text("kind of the founding evidence; all = every kind together", key=True, regex=f"{LEVEL_KIND}|^all$")
    role = choice(LEVEL_SIDES, "role of the zone before the touch", key=True)
    horizon_sessions = count(Unit.SESSIONS, "a touch is decided within these, its own session the first", key=True)
    touches = count(
        Unit.TOUCHES, "zones shown more than 0.5 ATR off a close and reached to within 0.1 ATR by the next bar"
    )
    touch_sessions = count(Unit.SESSIONS, "different sessions among the touches")
    held = count(Unit.TOUCHES, "a close got 1 ATR back off the near edge before one got 1 ATR beyond the far edge")
    broken = count(Unit.TOUCHES, "a close got 1 ATR beyond the far edge first")
    undecided = count(Unit.TOUCHES, "neither within the horizon")
    held_share_ratio = ratio("held / (held + broken); null below ten sessions with a decided touch", nullable=True)
    held_share_low_ratio = ratio(
        "lower end of its 95 % Wilson interval, n = decided sessions; covers 90 to 94 % where touches cluster",
        nullable=True,
    )
    held_share_high_ratio = ratio("upper end of that interval", nullable=True)
    baseline_draws = count(
        Unit.DRAWS,
        "random prices within 1,260 sessions at the same distance, with zones of the same width, that were decided",
    )
    baseline_share_ratio = ratio("share of those that held", nullable=True)
    excess_share_ratio = ratio("held_share_ratio - baseline_share_ratio", nullable=True)
    p_value = number(
        Unit.PROBABILITY,
        "two-sided, that touches hold as their baselines do; of sums over blocks of 20 sessions; cautious for kind all",
        nullable=True,
        low=0,
    )
    q_value = number(
        Unit.PROBABILITY, "false discovery rate among all rows (Benjamini and Hochberg)", nullable=True, low=0
    )
    first_session_date = day("session before the first touch")
    last_session_date = day("session before the last touch")

    @dy.rule()
    def touches_add_up(cls) -> pl.Expr:  # noqa: N805
        return pl.col("touches") == pl.col("held") + pl.col("broken") + pl.col("undecided")

    @dy.rule()
    def interval_holds_share(cls) -> pl.Expr:  # noqa: N805
        return pl.col("held_share_ratio").is_between("held_share_low_ratio", "held_share_high_ratio")


@builds(LevelOutcomes)
def level_outcomes(
    bars: FirstKnown[MarketBars],
    indicators: Annotated[Stored[DailyIndicators], Columns(*KEY, "atr_14")],
    shown: Annotated[Scanned[Levels], Columns(*KEY, "level_id", "kind", "role", "low", "high")],
    setups: Setups,
) -> pl.DataFrame:
    """What became of the levels as they were shown, on the bars as they were first known."""
    of_bars = indicators.join(bars, on=KEY, how="semi").sort(KEY, maintain_order=True)
    return build_level_outcomes(bars, of_bars, shown, minimum_sessions=setups.outcomes.minimum_events)
