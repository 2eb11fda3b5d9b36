"""Work on many markets in batches, on all processors where that pays. Belongs here: no arithmetic on prices."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from r2k_pipeline.transforms.row_ranges import Integers

Result = TypeVar("Result")

BATCH_ROWS = 100_000
"""Rows of one task: so many that its fixed cost is small, so few that tasks are even and stay in cache."""


def map_batches(task: Callable[[int, int], Result], offsets: Integers) -> list[Result]:
    """`task(first, end)` for markets first..end - 1, batch by batch in order; `offsets` as symbol_offsets gives them.

    A task should spend its time in kernels, which release the GIL. A single batch starts no thread.
    """
    marks = range(0, int(offsets[-1]) + BATCH_ROWS, BATCH_ROWS)
    cuts = np.unique(np.searchsorted(offsets, marks).clip(max=len(offsets) - 1)).tolist()
    if len(cuts) <= 2:
        return [task(0, len(offsets) - 1)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(task, cuts[:-1], cuts[1:]))
