"""Do levels hold? What followed their touches, against random prices touched near them from the same distance.

Belongs here: `features.level_outcomes` out of bars, ATR and levels as shown at the time. Not here: what a level is.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.row_ranges import Integers, column_array
from r2k_pipeline.transforms.significance import block_p_values, with_q_values

HORIZONS = (5, 10, 20)
"""Sessions within which a touch is decided, the touch's own the first."""
APPROACH_ATR = 0.5
"""The close before a touch stands further than this from the zone's near edge: the price comes from somewhere."""
TOUCH_ATR = 0.1
"""The bar of a touch comes at least this close to the near edge."""
DECIDED_ATR = 1.0
"""A touch held (the zone broke) at the first close this far off its near edge, back (beyond its far edge)."""
DRAWS = 50
"""Random prices for each touch: sampling adds a hundredth to the variance of a comparison."""
BASELINE_SESSIONS = 1260
"""Random prices are of sessions at most this far from the touch's, before or after: five years. A century would compare
bars of different kinds: those of SPX before 1962 have no range, and random prices hold half as often there. Less would
leave touches from afar hardly a session but their own whose bar reaches as far.
"""
SEED = 2000
BLOCK_SESSIONS = max(HORIZONS)
"""Sessions of a block, the longest horizon. Outcomes within a block are correlated; the p-value takes blocks as
independent."""
Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""
MARKETS_AT_ONCE = 4
"""Markets whose touches and draws are in memory together."""
KEY = ["market", "kind", "role", "horizon_sessions"]
COLUMNS = [
    *KEY,
    *("touches", "touch_sessions", "held", "broken", "undecided"),
    *("held_share_ratio", "held_share_low_ratio", "held_share_high_ratio"),
    *("baseline_draws", "baseline_share_ratio", "excess_share_ratio"),
    *("p_value", "q_value", "first_session_date", "last_session_date"),
]


def build_level_outcomes(
    bars: pl.DataFrame,
    indicators: pl.DataFrame,
    levels: pl.DataFrame | pl.LazyFrame,
    horizons: Sequence[int] = HORIZONS,
    draws: int = DRAWS,
    baseline_sessions: int = BASELINE_SESSIONS,
    minimum_sessions: int = 0,
) -> pl.DataFrame:
    """How often touched levels held, by market, kind (and `all`), role and horizon; as `features.level_outcomes`.

    `bars` as for `build_levels`, `indicators` with atr_14 for the same rows, `levels` its result, in any order; levels
    of other sessions count for nothing. A touch: a level is
    shown at a session whose close is more than 0.5 ATR off the zone's near edge, and the next bar comes within 0.1 ATR
    of that edge; ATR is that of the session before the touch. It held if a close within the horizon gets 1 ATR back
    off the near edge before one gets 1 ATR beyond the far edge, the zone broke the other way round, else the touch is
    undecided. Touches need the longest horizon behind them, so that all horizons are measured on the same ones.

    Baseline: for every touch, `draws` random sessions of the market, at most `baseline_sessions` from the touch's own,
    whose next bar came as near to a price at the touch's distance (in ATR) on the same side, each with a zone of the
    same width there, decided in the same way. A zone may have been shown there too: that makes the excess cautious.
    Shares are of the decided. The interval (Wilson, 95 %) takes the number of sessions as the number of observations,
    because outcomes of zones touched by one bar are correlated. So are those of near sessions: on random walks the
    interval of one kind covers 90 to 94 %. With fewer sessions than `minimum_sessions` there are counts only. The
    p-value is of the sums, over blocks of 20 sessions of the market, of held (0 or 1) less the touch's own baseline
    share (block_p_values); q-values are over all rows.
    """
    with_atr, shown = bars.with_columns(indicators["atr_14"]), levels.lazy()

    def of_markets(markets: Sequence[str]) -> pl.DataFrame:
        is_in = pl.col("market").is_in(markets)
        outcomes = _decided(with_atr.filter(is_in), shown.filter(is_in), horizons, draws, baseline_sessions)
        return _shares(pl.concat([outcomes, outcomes.with_columns(kind=pl.lit("all"))]), minimum_sessions)

    markets = bars["market"].unique(maintain_order=True).to_list()
    starts = range(0, max(len(markets), 1), MARKETS_AT_ONCE)
    shares = pl.concat(of_markets(markets[start : start + MARKETS_AT_ONCE]) for start in starts)
    return with_q_values(shares).select(COLUMNS).sort(KEY)


def _decided(
    bars: pl.DataFrame, levels: pl.LazyFrame, horizons: Sequence[int], draws: int, baseline_sessions: int
) -> pl.DataFrame:
    """The touches of some markets, for each horizon: whether they held or broke, and how many of their draws did.

    `bars` with atr_14.
    """
    reaches = _reaches(bars, max(horizons))
    touches = _find_touches(reaches, levels)
    close, atr = column_array(bars, "close"), bars["atr_14"].fill_null(float("nan")).to_numpy()
    rows, distance = touches["row"].to_numpy(), touches["distance"].to_numpy()
    width, sign = touches["width"].to_numpy(), touches["sign"].to_numpy()
    random_rows = _draw_rows(reaches, touches, baseline_sessions, draws)

    def decided(before: Integers) -> NDArray[np.int8]:
        """After how many closes zones at the touches' distances off the closes of `before` held, or broke (negative).

        In the shape of `before`: (touches, draws).
        """
        from r2k_pipeline.transforms.level_outcome_kernels import decide  # noqa: PLC0415  (imports numba)

        back, beyond = distance - DECIDED_ATR, distance + width + DECIDED_ATR
        return decide(close, atr, before, back, beyond, sign, max(horizons))

    own, drawn = decided(rows[:, np.newaxis])[:, 0], decided(random_rows)
    parts = [
        touches.with_columns(
            pl.lit(horizon, pl.Int64).alias("horizon_sessions"),
            pl.Series("held", (own > 0) & (own <= horizon)),
            pl.Series("broken", (own < 0) & (own >= -horizon)),
            pl.Series("baseline_held", np.count_nonzero((drawn > 0) & (drawn <= horizon), axis=1)),
            pl.Series("baseline_decided", np.count_nonzero((drawn != 0) & (np.abs(drawn) <= horizon), axis=1)),
        )
        for horizon in horizons
    ]
    return pl.concat(parts)


def _reaches(bars: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Every bar with ATR and `horizon` bars after it: how far, in ATR, the next bar comes below and above its close."""
    after = {name: pl.col(name).shift(-1).over("market") for name in ("low", "high")}
    bars_left = pl.int_range(pl.len(), 0, -1).over("market") - 1
    block = pl.int_range(pl.len()).over("market") // BLOCK_SESSIONS
    return (
        bars.select("market", "session_date", "close", "atr_14", **after, left=bars_left, block=block)
        .with_row_index("row")
        .filter(pl.col("atr_14") > 0, pl.col("left") >= horizon)
        .with_columns(
            pl.col("row").cast(pl.Int64),
            support=(pl.col("close") - pl.col("low")) / pl.col("atr_14"),
            resistance=(pl.col("high") - pl.col("close")) / pl.col("atr_14"),
        )
        .select("row", "block", "market", "session_date", "close", "atr_14", "support", "resistance")
    )


def _find_touches(reaches: pl.DataFrame, levels: pl.LazyFrame) -> pl.DataFrame:
    """Touches of levels by the bar after the session that showed them, sorted by the levels' key."""
    is_support = pl.col("role") == "support"
    near = pl.when(is_support).then(pl.col("close") - pl.col("high")).otherwise(pl.col("low") - pl.col("close"))
    reached = pl.when(is_support).then("support").otherwise("resistance")
    return (
        levels.join(  # few levels are touched, so the join has only the columns that decide that
            reaches.lazy(), on=["market", "session_date"]
        )
        .with_columns(
            distance=near / pl.col("atr_14"),
            width=(pl.col("high") - pl.col("low")) / pl.col("atr_14"),
            sign=pl.when(is_support).then(1.0).otherwise(-1.0),
        )
        .filter(pl.col("distance") > APPROACH_ATR, reached >= pl.col("distance") - TOUCH_ATR)
        .select("market", "session_date", "level_id", "kind", "role", "row", "block", "distance", "width", "sign")
        .sort("market", "session_date", "level_id")
        .collect()
    )


def _draw_rows(reaches: pl.DataFrame, touches: pl.DataFrame, sessions: int, draws: int) -> Integers:
    """For each touch, `draws` rows of its market whose next bar would touch a price at its distance on its side.

    They are at most `sessions` from the touch's own. No bar of another market, or later than those near it, moves them.
    """
    from r2k_pipeline.transforms.level_outcome_kernels import pick_reaching  # noqa: PLC0415  (imports numba)

    drawn = np.zeros((touches.height, draws), np.int64)
    for (market, role), group in touches.with_row_index("touch").group_by("market", "role", maintain_order=True):
        candidates = reaches.filter(market=market).sort("row")
        rows, own = candidates["row"].to_numpy(), group["row"].to_numpy()
        first = np.searchsorted(rows, own - sessions)
        end = np.searchsorted(rows, own + sessions, side="right")
        # one stream for each market and role, so that another market's touches do not change this one's baseline
        random = np.random.default_rng([SEED, *str(market).encode(), *str(role).encode()])
        uniform, least = random.random((group.height, draws)), group["distance"].to_numpy() - TOUCH_ATR
        picks = pick_reaching(column_array(candidates, str(role)), first, end, least, uniform)
        drawn[group["touch"].to_numpy()] = rows[picks]
    return drawn


def _shares(outcomes: pl.DataFrame, minimum_sessions: int) -> pl.DataFrame:
    """One row per KEY with counts, and shares, interval and p-value where enough sessions decided a touch."""
    counted = _counted(outcomes)
    decided, draws, n = pl.col("held") + pl.col("broken"), pl.col("baseline_draws"), pl.col("n")
    shares = counted.with_columns(
        undecided=pl.col("touches") - decided,
        held_share_ratio=pl.when(decided > 0, n >= minimum_sessions).then(pl.col("held") / decided),
        baseline_share_ratio=pl.when(draws > 0, n >= minimum_sessions).then(pl.col("baseline_held") / draws),
    )
    share = pl.col("held_share_ratio")
    low, high = _wilson_interval(share, n)
    p_values = _p_values(outcomes.join(shares.filter(n >= minimum_sessions), on=KEY, how="semi"))
    return shares.join(p_values, on=KEY, how="left").with_columns(
        held_share_low_ratio=low,
        held_share_high_ratio=high,
        excess_share_ratio=share - pl.col("baseline_share_ratio"),
    )


def _counted(outcomes: pl.DataFrame) -> pl.DataFrame:
    """One row per KEY with counts; `n`: the sessions that decided a touch."""
    held, broken, day = pl.col("held"), pl.col("broken"), pl.col("session_date")
    return outcomes.group_by(KEY).agg(
        touches=pl.len().cast(pl.Int64),
        touch_sessions=day.n_unique().cast(pl.Int64),
        held=held.sum().cast(pl.Int64),
        broken=broken.sum().cast(pl.Int64),
        baseline_held=pl.col("baseline_held").sum(),
        baseline_draws=pl.col("baseline_decided").sum(),
        n=day.filter(held | broken).n_unique(),
        first_session_date=day.min(),
        last_session_date=day.max(),
    )


def _wilson_interval(share: pl.Expr, n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The ends of the 95 % interval of a share of `n` observations (Wilson).

    At a share of 0 or 1 it ends there exactly: rounding must not leave the share outside.
    """
    middle, reach = share + Z95**2 / (2 * n), Z95 * (share * (1 - share) / n + Z95**2 / (4 * n**2)).sqrt()
    scale = 1 + Z95**2 / n
    return pl.min_horizontal((middle - reach) / scale, share), pl.max_horizontal((middle + reach) / scale, share)


def _p_values(outcomes: pl.DataFrame) -> pl.DataFrame:
    """KEY, p_value: whether touches hold as often as their own random prices do."""
    compared = outcomes.filter(pl.col("held") | pl.col("broken"), pl.col("baseline_decided") > 0)
    own_share = pl.col("baseline_held") / pl.col("baseline_decided")
    return block_p_values(compared.select(*KEY, "block", score=pl.col("held").cast(pl.Float64) - own_share), KEY)
