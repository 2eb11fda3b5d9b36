"""The compiled loops over touches: the look ahead, and the sessions to compare with.

Belongs here: arrays only. Not here: which touches, frames, statistics.
"""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Floats, Integers


@exact_kernel
def decide(close: Floats, row: Integers, held_at: Floats, broken_at: Floats, horizon: int) -> NDArray[np.int8]:
    """Of each touch at `row`: n if its nth close is the first to get to held_at, -n if to broken_at, 0 if none does.

    The closes are those of `horizon` rows, the touch's own the first. A support has held_at above broken_at.
    """
    result = np.zeros(row.size, np.int8)
    for touch in range(row.size):
        sign = 1.0 if held_at[touch] > broken_at[touch] else -1.0
        for after in range(row[touch], row[touch] + horizon):
            held = sign * close[after] >= sign * held_at[touch]
            if held or sign * close[after] <= sign * broken_at[touch]:
                nth = after - row[touch] + 1
                result[touch] = nth if held else -nth
                break
    return result


@exact_kernel
def pick_reaching(reach: Floats, first: Integers, end: Integers, least: Floats, uniform: Floats) -> Integers:
    """For each touch, places in `reach` from `first` to below `end` that hold at least `least`; at least one does.

    `uniform`, (touches, draws) of [0, 1), says which: 0 the first such place, just below 1 the last.
    """
    picked = np.empty(uniform.shape, np.int64)
    reaching = np.empty(1 + np.max(end - first), np.int64)  # one place more: the last place may be written in vain
    for touch in range(first.size):
        count = 0
        for place in range(first[touch], end[touch]):  # without a branch, which would be mispredicted half of the time
            reaching[count] = place
            count += reach[place] >= least[touch]
        for draw in range(uniform.shape[1]):
            picked[touch, draw] = reaching[int(uniform[touch, draw] * count)]
    return picked
