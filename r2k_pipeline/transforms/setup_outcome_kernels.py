"""The compiled choice of events that do not overlap. Belongs here: arrays only. Not here: frames, statistics."""

import numpy as np
from numpy.typing import NDArray

from r2k_pipeline.transforms.compiled import exact_kernel
from r2k_pipeline.transforms.symbols import Integers


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
