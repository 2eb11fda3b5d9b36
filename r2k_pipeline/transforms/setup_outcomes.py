"""What followed named setups: forward returns against the market's own, with intervals and sample sizes.

Belongs here: `marts.setup_outcomes` out of the mart's sessions. Not here: what a setup is (setups.toml).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from r2k_pipeline.transforms.row_ranges import Floats, Integers
from r2k_pipeline.transforms.setups import SEPARATOR, OutcomeRules
from r2k_pipeline.transforms.significance import with_q_values

HORIZONS: Final = (5, 20, 60)
"""Sessions after the close at which a setup became known."""
SCHEMA: Final = {
    **dict.fromkeys(("setup", "market"), pl.String),
    **dict.fromkeys(("horizon_sessions", "events", "pending_events", "independent_events"), pl.Int64),
    "baseline_sessions": pl.Int64,
    **dict.fromkeys(("mean_forward_return_ratio", "median_forward_return_ratio", "hit_rate_ratio"), pl.Float64),
    **dict.fromkeys(("mean_low_ratio", "mean_high_ratio", "baseline_mean_return_ratio"), pl.Float64),
    **dict.fromkeys(("baseline_hit_rate_ratio", "excess_return_ratio", "p_value", "q_value"), pl.Float64),
    **dict.fromkeys(("first_event_date", "last_event_date"), pl.Date),
    "reading": pl.String,
}
SHORTEST_BLOCK_SESSIONS: Final = 20
"""Blocks of the bootstrap are as long as the horizon, at least a month: events come in clusters."""
ROUNDING: Final = 1e-12
"""Means that differ by less are equal: they are sums of the same returns in another order."""
_OF_CONTRACT: Final = pl.when("is_inverse").then(1 / pl.col("close")).otherwise("close").alias("close")
"""Closes in the contract's direction."""


@dataclass(frozen=True)
class _Sample:
    """One market and horizon: forward returns of the sessions (n,) at which setups were known and have matured.

    `position` of each session of the market among them, -1 for the others. The bootstrap's blocks are `block` long.
    """

    returns: Floats
    position: Integers
    block: int
    draws: int
    seed: Sequence[int]

    @classmethod
    def of(cls, close: Floats, is_known: NDArray[np.bool_], horizon: int, draws: int, seed: Sequence[int]) -> "_Sample":
        forward = close[horizon:] / close[:-horizon] - 1
        is_in = is_known[: forward.size]
        position = np.full(close.size, -1, np.int64)
        position[: forward.size][is_in] = np.arange(is_in.sum())
        block = min(max(horizon, SHORTEST_BLOCK_SESSIONS), max(1, int(is_in.sum())))
        return cls(forward[is_in], position, block, draws, seed)

    @cached_property
    def starts(self) -> Integers:
        """Where the bootstrap's blocks begin (draws, blocks); few setups of few markets ask for them."""
        most = max(1, self.returns.size - self.block + 1)
        blocks = -(-self.returns.size // self.block)
        return np.random.default_rng(self.seed).integers(0, most, (self.draws, blocks))

    def interval(self, events: Integers) -> tuple[float, float]:
        """95 % percentile interval of the mean after `events` (positions): moving blocks of sessions (Kunsch 1989)."""
        from r2k_pipeline.transforms.setup_outcome_kernels import resample  # noqa: PLC0415  (imports numba)

        hit = np.zeros(self.returns.size)
        hit[events] = 1
        totals = np.stack([np.cumsum(np.append(0, hit * self.returns)), np.cumsum(np.append(0, hit))])
        of_block = totals[:, self.block :] - totals[:, : -self.block]
        sums, counts = resample(of_block, self.starts)
        low, high = np.quantile(sums[counts > 0] / counts[counts > 0], (0.025, 0.975))
        return float(low), float(high)

    def p_value(self, events: Integers) -> float:
        """Share of all circular shifts of `events` whose mean is as far from the market's own; two-sided, exact.

        Shifts keep the spacing of events and the overlap of forward returns, and break the link between the two: the
        test compares these moments with moments of the same spacing at any other time of the same market.
        """
        around = np.concatenate([self.returns, self.returns])
        means = around[events[:, None] + np.arange(self.returns.size)].mean(axis=0)
        off = np.abs(means - self.returns.mean())
        return float((off >= off[0] - ROUNDING).mean())


def build_setup_outcomes(
    sessions: pl.DataFrame, setups: Sequence[str], rules: OutcomeRules, horizons: Sequence[int] = HORIZONS
) -> pl.DataFrame:
    """One row per setup, market and horizon, as `marts.setup_outcomes`; `sessions` are rows of the mart.

    An event is the first session of a run at which one setup holds, whatever others hold beside it, sessions at which
    that is not known left out; its forward return goes from that session's close to the close `horizon` sessions later.
    Events that begin less than a horizon after the last one kept are collapsed into it; statistics are of those kept,
    and null below `rules.minimum_events`. The baseline is every session of the market at which its setups were known.
    q-values: Benjamini and Hochberg (1995) over all rows that have a p-value.
    """
    rows = []
    for (market,), history in _with_starts(sessions, setups).group_by("market", maintain_order=True):
        samples = {horizon: _sample(str(market), history, horizon, rules) for horizon in horizons}
        for setup in setups:
            begun = np.flatnonzero(history[setup])
            for horizon, sample in samples.items():
                outcome = _outcome(history["session_date"], begun, horizon, sample, rules.minimum_events)
                rows.append({"setup": setup, "market": market, "horizon_sessions": horizon} | outcome)
    found = pl.DataFrame(rows, schema=SCHEMA)
    return _read(with_q_values(found), rules).sort("setup", "market", "horizon_sessions")


def build_independent_events(sessions: pl.DataFrame, setups: Sequence[str], horizons: Sequence[int]) -> pl.DataFrame:
    """The events that the statistics of build_setup_outcomes are made of, one row each.

    Columns: setup, market, horizon_sessions, session_date, returned (ratio, to the close `horizon_sessions` later).
    """
    parts = []
    for _, history in _with_starts(sessions, setups).group_by("market", maintain_order=True):
        for setup in setups:
            begun = np.flatnonzero(history[setup])
            for horizon in horizons:
                _, events = _matured(begun, history.height, horizon)
                parts.append(
                    history[events].select(
                        pl.lit(setup).alias("setup"),
                        "market",
                        pl.lit(horizon, pl.Int64).alias("horizon_sessions"),
                        "session_date",
                        returned=history["close"].gather(events + horizon) / pl.col("close") - 1,
                    )
                )
    return pl.concat(parts).sort("setup", "market", "horizon_sessions", "session_date")


def _matured(begun: Integers, sessions: int, horizon: int) -> tuple[Integers, Integers]:
    """The first rows of a setup's runs with a known forward return, and the independent ones among these."""
    from r2k_pipeline.transforms.setup_outcome_kernels import keep_apart  # noqa: PLC0415  (imports numba)

    matured = begun[begun < sessions - horizon]
    return matured, matured[keep_apart(matured, horizon)]


def _with_starts(sessions: pl.DataFrame, setups: Sequence[str]) -> pl.DataFrame:
    """market, session_date, close, is_known, and for each setup whether a run of it begins at that session.

    Of an inverse series close is 1 / close. A run begins where the setup holds and did not at the session before at
    which that was known; so not at the first one.
    """
    names = pl.col("setups_held").str.split(SEPARATOR)
    holds = [names.list.contains(name).alias(name) for name in setups]
    each = pl.col(*setups)
    before = each.forward_fill().shift(1).over("market")
    return (
        sessions.sort("market", "session_date")
        .select("market", "session_date", _OF_CONTRACT, *holds, is_known=pl.col("setups_held").is_not_null())
        .with_columns((each & ~before).fill_null(False))
    )


def _sample(market: str, history: pl.DataFrame, horizon: int, rules: OutcomeRules) -> _Sample:
    # one stream for each market and horizon, so that another market does not change this one's interval
    seed = [rules.seed, *market.encode(), horizon]
    close, is_known = history["close"].to_numpy(), history["is_known"].to_numpy()
    return _Sample.of(close, is_known, horizon, rules.draws, seed)


def _outcome(days: pl.Series, begun: Integers, horizon: int, sample: _Sample, minimum: int) -> dict[str, object]:
    matured, independent = _matured(begun, len(days), horizon)
    events = sample.position[independent]
    row: dict[str, object] = {
        "events": matured.size,
        "pending_events": begun.size - matured.size,
        "independent_events": events.size,
        "baseline_sessions": sample.returns.size,
        "first_event_date": days[int(matured[0])] if matured.size else None,
        "last_event_date": days[int(matured[-1])] if matured.size else None,
        "reading": "",
    }
    if sample.returns.size:
        row |= {
            "baseline_mean_return_ratio": sample.returns.mean(),
            "baseline_hit_rate_ratio": (sample.returns > 0).mean(),
        }
    return row if events.size < minimum else row | _statistics(sample, events)


def _statistics(sample: _Sample, events: Integers) -> dict[str, object]:
    after = sample.returns[events]
    low, high = sample.interval(events)
    return {
        "mean_forward_return_ratio": after.mean(),
        "median_forward_return_ratio": np.median(after),
        "hit_rate_ratio": (after > 0).mean(),
        "mean_low_ratio": low,
        "mean_high_ratio": high,
        "excess_return_ratio": after.mean() - sample.returns.mean(),
        "p_value": sample.p_value(events),
    }


def _read(found: pl.DataFrame, rules: OutcomeRules) -> pl.DataFrame:
    few = pl.format("not enough events: {} independent, {} wanted", "independent_events", pl.lit(rules.minimum_events))
    is_higher = pl.col("excess_return_ratio") > 0
    return found.with_columns(
        reading=pl.when(pl.col("p_value").is_null())
        .then(few)
        .when(pl.col("q_value") > rules.false_discovery_rate)
        .then(pl.lit("no difference shown from the market's other sessions"))
        .when(is_higher)
        .then(pl.lit("higher than after the market's other sessions"))
        .otherwise(pl.lit("lower than after the market's other sessions"))
    )
