"""The compiled loops over touches: the look ahead, and the sessions to compare with.

Belongs here: arrays only. Not here: which touches, frames, statistics.
"""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.row_ranges import Floats, Integers


@exact_kernel
def decide(
    close: Floats, atr: Floats, before: Integers, back: Floats, beyond: Floats, sign: Floats, horizon: int
) -> NDArray[np.int8]:
    """Of each touch by the bar after one of `before`: n if its nth close is the first to be back, -n beyond, 0 neither.

    `before`, the rows of bars, is (touches, draws). `back` and `beyond` are, by touch, the distances in ATR off the
    close of the bar before at which a zone held and at which it broke; `sign` is 1 for a support, whose prices lie
    below that close, -1 for a resistance. The closes are those of `horizon` bars, the touch's own the first.
    """
    result = np.zeros(before.shape, np.int8)
    for touch in range(before.shape[0]):
        side = sign[touch]
        for draw in range(before.shape[1]):
            row = before[touch, draw]
            held_at = side * (close[row] - side * back[touch] * atr[row])
            broken_at = side * (close[row] - side * beyond[touch] * atr[row])
            for nth in range(1, horizon + 1):
                now = side * close[row + nth]
                if now >= held_at or now <= broken_at:
                    result[touch, draw] = nth if now >= held_at else -nth
                    break
    return result


@exact_kernel
def pick_reaching(reach: Floats, first: Integers, end: Integers, least: Floats, uniform: Floats) -> Integers:
    """For each touch, places in `reach` from `first` to below `end` that hold at least `least`; at least one does.

    `uniform`, (touches, draws) of [0, 1), says which: 0 the first such place, just below 1 the last.
    """
    picked = np.empty(uniform.shape, np.int64)
    reaching = np.empty(
        1 + np.max(end - first), np.int64
    )  # one extra place, because a write past the last result is possible
    for touch in range(first.size):
        count = 0
        for place in range(first[touch], end[touch]):  # no branch: it would be mispredicted half of the time
            reaching[count] = place
            count += reach[place] >= least[touch]
        for draw in range(uniform.shape[1]):
            picked[touch, draw] = reaching[int(uniform[touch, draw] * count)]
    return picked
