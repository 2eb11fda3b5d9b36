"""p-values of clustered scores and q-values against plain loops, and how often they cry wolf where nothing is."""

from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2k_pipeline.transforms.significance import block_p_values, with_q_values

SCORE = st.floats(-1, 1).map(lambda score: round(score, 3))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6), SCORE), min_size=1, max_size=60))
def test_p_values_are_of_the_sums_of_blocks(rows: list[tuple[str, int, float]]) -> None:
    found = block_p_values(pl.DataFrame(rows, schema=["kind", "block", "score"], orient="row"), ["kind"])
    sums: dict[str, dict[int, float]] = {}
    for kind, block, score in rows:
        of_kind = sums.setdefault(kind, {})
        of_kind[block] = of_kind.get(block, 0.0) + score
    assert set(found["kind"]) == set(sums)
    for kind, p_value in found.iter_rows():
        of_blocks = list(sums[kind].values())
        spread = sum(s * s for s in of_blocks) ** 0.5
        if p_value is None:
            assert spread == 0
        else:
            assert p_value == pytest.approx(2 * (1 - NormalDist().cdf(abs(sum(of_blocks)) / spread)), abs=1e-9)


def test_what_shares_its_fate_within_a_block_counts_once() -> None:
    """4,000 comparisons of no effect, ten to a block and nearly alike: a test of single scores rejects half of them."""
    random = np.random.default_rng(7)
    comparisons, blocks, of_block = 4_000, 60, 10
    fate = np.repeat(random.normal(size=(comparisons, blocks)), of_block, axis=1)
    scores = fate + 0.3 * random.normal(size=fate.shape)
    frame = pl.DataFrame(
        {
            "comparison": np.repeat(np.arange(comparisons), blocks * of_block),
            "block": np.tile(np.repeat(np.arange(blocks), of_block), comparisons),
            "score": scores.ravel(),
        }
    )
    rejected = (block_p_values(frame, ["comparison"])["p_value"] < 0.05).mean()
    assert 0.03 < rejected < 0.07
    alone = (np.abs(scores.sum(axis=1)) / np.sqrt((scores**2).sum(axis=1)) > NormalDist().inv_cdf(0.975)).mean()
    assert alone > 0.4


def test_an_effect_is_found_and_few_blocks_are_not_enough() -> None:
    effect = pl.DataFrame({"kind": "k", "block": range(100), "score": [0.4, -0.2] * 50})
    assert block_p_values(effect, ["kind"])["p_value"].item() < 0.01
    assert block_p_values(effect.head(1), ["kind"])["p_value"].item() == pytest.approx(0.3173, abs=1e-4)
    assert block_p_values(effect.with_columns(score=pl.lit(0.0)), ["kind"])["p_value"].item() is None


@given(st.lists(st.none() | st.integers(0, 1000).map(lambda p: p / 1000), min_size=1, max_size=40))
def test_q_values_are_those_of_benjamini_and_hochberg(p_values: list[float | None]) -> None:
    found = with_q_values(pl.DataFrame({"p_value": p_values}, schema={"p_value": pl.Float64}))
    tested = [p for p in p_values if p is not None]
    for p, q in found.iter_rows():
        if p is None:
            assert q is None
        else:  # the least rate at which the step-up rule, "at most k / m x rate of k smallest", takes p in
            rates = (other * len(tested) / sum(o <= other for o in tested) for other in tested if other >= p)
            assert q == pytest.approx(min(1.0, *rates, 1.0))
