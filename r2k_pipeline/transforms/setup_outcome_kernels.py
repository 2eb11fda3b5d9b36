"""Compiled loops of setup outcomes: events that do not overlap, sums over resampled blocks.

Belongs here: arrays only. Not here: frames, what is made of the sums.
"""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers


@exact_kernel
def keep_apart(rows: Integers, gap: int) -> NDArray[np.bool_]:
    """Of ascending `rows`, the first and then each that is at least `gap` after the last one kept."""
    kept = np.zeros(rows.size, np.bool_)
    last = -gap
    for event in range(rows.size):
        if event == 0 or rows[event] - last >= gap:
            kept[event] = True
            last = rows[event]
    return kept


@exact_kernel
def resample(of_block: Floats, starts: Integers) -> Floats:
    """Sums of of_block (2, starts) over the blocks that begin at `starts` (draws, blocks): (2, draws)."""
    sums = np.zeros((2, starts.shape[0]))
    for draw in range(starts.shape[0]):
        for block in range(starts.shape[1]):
            sums[0, draw] += of_block[0, starts[draw, block]]
            sums[1, draw] += of_block[1, starts[draw, block]]
    return sums
