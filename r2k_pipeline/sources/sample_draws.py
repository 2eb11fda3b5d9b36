"""Random numbers of the sample: the same bits on every machine and numpy version.

Belongs here: draws. Not here: what is made of them. Only the raw 64-bit stream of a BitGenerator is under numpy's
stability promise (NEP 19); a Generator's distributions, `random()` and `integers()` included, may change with any
release. So the stream is turned into numbers here, by exact integer sums: no log, exp or cos, whose last bit differs
between math libraries.
"""

import math
from zlib import crc32

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SEED = 20250570
"""Chosen among a few hundred: here the noise leaves the story of sample_prices.py and sample_cot.py standing."""


def draw_uniforms(stream: str, *shape: int) -> Floats:
    """Uniform on [0, 1) in steps of 2**-53; `stream` names an independent stream, the same name the same numbers."""
    return (_draw_bits(stream, shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_shocks(stream: str, *shape: int) -> Floats:
    """Mean 0, variance 1, near normal, |x| <= 6: twelve uniforms less six (Irwin-Hall), added as integers."""
    total: npt.NDArray[np.uint64] = (_draw_bits(stream, (12, *shape)) >> np.uint64(32)).sum(axis=0, dtype=np.uint64)
    return total.astype(np.float64) * 2.0**-32 - 6.0


def _draw_bits(stream: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    raw: npt.NDArray[np.uint64] = np.random.PCG64([SEED, crc32(stream.encode())]).random_raw(math.prod(shape))
    return raw.reshape(shape)
