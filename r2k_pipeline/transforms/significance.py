"""Significance of differences: p-values of clustered observations, q-values of many tests at once.

Belongs here: one definition of each, for every table of outcomes. Not here: what is compared (level_outcomes.py,
setup_outcomes.py).
"""

import math
from collections.abc import Sequence

import polars as pl


def block_p_values(scores: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Two-sided p-values that the mean of `score` is 0, one row for each `key` of `scores`: key, p_value.

    `scores`: key, block, score. Scores of one block may go together, blocks are taken as independent: with s_b the sum
    of block b, z = sum(s_b) / sqrt(sum(s_b ** 2)) is compared with the normal distribution (the cluster-robust variance
    of Liang and Zeger 1986 at the hypothesis). Of n blocks |z| is at most sqrt(n): few blocks never seem significant.
    Null where every block's sum is 0.
    """
    total, of_block = pl.col("score").sum(), (pl.col("score") ** 2).sum().sqrt()
    return (
        scores.group_by(*key, "block", maintain_order=True)
        .agg(total)
        .group_by(key, maintain_order=True)
        .agg(z=pl.when(of_block > 0).then(total / of_block))
        .select(*key, p_value=pl.col("z").map_elements(_two_sided, pl.Float64))
    )


def with_q_values(found: pl.DataFrame) -> pl.DataFrame:
    """Adds q_value, the smallest false discovery rate at which a row's p_value would count; sorted by p_value.

    Benjamini and Hochberg (1995) over all rows that have a p_value; null where there is none.
    """
    tested = pl.col("p_value").count()
    scaled = pl.col("p_value") * tested / pl.int_range(1, pl.len() + 1)
    return found.sort("p_value", nulls_last=True).with_columns(
        q_value=scaled.reverse().cum_min().reverse().clip(upper_bound=1.0)
    )


def _two_sided(z: float) -> float:
    """Probability that a standard normal value is at least this far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))
